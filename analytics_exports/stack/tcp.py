"""Ports of this machine: whether one is free, and finding one that is.

A server may listen with SO_REUSEPORT (every Dagster code server does), and then a second one shares its port without a
word; so a port counts as free only if nothing answers there *and* it can be bound without sharing.
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
    """Whether a server of ours can have the port for itself."""
    if answers(port, host):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Only skips connections in TIME_WAIT that an earlier server left; a listener still refuses us.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def require_free(port: int, setting: str | None = None, host: str = LOOPBACK) -> None:
    """Refuse to go on when the port is taken.

    Raises:
        PortBusy: It is; ``setting`` is the environment variable named in the remedy.
    """
    if not is_free(port, host):
        raise PortBusy(port, setting)


def free_port() -> int:
    """A port that was free a moment ago. Another program can take it before we do: be ready to ask again."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
