"""Ports of this machine: whether one is free, and finding a free one.

A server may listen with SO_REUSEPORT (every Dagster code server does), and then a second one silently shares its port;
so a port counts as free only if nothing accepts connections there *and* it can be bound without sharing.
"""

import socket

from analytics_exports.stack.errors import PortBusy

LOOPBACK = "127.0.0.1"
CONNECT_SECONDS = 1.0


def answers(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((host, port), timeout=CONNECT_SECONDS):
            return True
    except OSError:
        return False


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server of ours can have the port exclusively."""
    if answers(port, host):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Ignores connections in TIME_WAIT of an earlier server; a listener still makes bind fail.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, setting: str | None = None, host: str = LOOPBACK) -> None:
    """Raise an error when the port is in use.

    Raises:
        PortBusy: It is; ``setting`` is the environment variable named in the remedy.
    """
    if not is_free(port, host):
        raise PortBusy(port, setting)


def free_port() -> int:
    """A port that was free a moment ago. Another program may take it before it is used: be ready to retry."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
