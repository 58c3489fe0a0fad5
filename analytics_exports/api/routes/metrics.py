"""``/metrics``: for the Prometheus server of the operators, and for nobody else.

It is answered to the addresses that the settings name, at first this machine only; and to no request that a proxy has
passed on, because a proxy makes the whole world look like one address.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from analytics_exports.api.errors import RouteNotFound
from analytics_exports.api.metrics import Metrics

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def add_metrics(app: FastAPI, metrics: Metrics, readers: str) -> None:
    """Answer ``/metrics`` on ``app`` to ``readers``: addresses and networks, by commas.

    Raises:
        ValueError: one of them is neither.
    """
    networks = [ip_network(reader.strip()) for reader in readers.split(",") if reader.strip()]

    def get_metrics(request: Request) -> Response:
        """What Prometheus reads."""
        if not _admitted(request, networks):
            raise RouteNotFound
        metrics.follow()
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", get_metrics, methods=["GET"], include_in_schema=False)


def _admitted(request: Request, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    if request.client is None or any(name in request.headers for name in FORWARDED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    return any(address in network for network in networks)
