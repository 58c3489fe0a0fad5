"""``/metrics``: for the operators' Prometheus server only.

It responds to the addresses in the settings, by default this machine; never to requests that a proxy forwarded, because
all of those have the address of the proxy.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from analytics_exports.api.errors import RouteNotFound
from analytics_exports.api.metrics import Metrics

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def add_metrics(app: FastAPI, metrics: Metrics, readers: str) -> None:
    """Serve ``/metrics`` on ``app`` to ``readers``: addresses and networks, separated by commas.

    Raises:
        ValueError: one of them is neither.
    """
    networks = [ip_network(reader.strip()) for reader in readers.split(",") if reader.strip()]

    def get_metrics(request: Request) -> Response:
        """What Prometheus reads."""
        if not _admitted(request, networks):
            raise RouteNotFound
        metrics.count_finished()
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
