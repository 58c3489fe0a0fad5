"""Messages between launcher and pool, and between pool and worker: one JSON object each, over a Unix socket.

The socket is in a folder that only its owner can enter. On Linux its path may be longer than a socket address allows.
Import only the standard library here: the Dagster daemon and web server import this module.
"""

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Message = Mapping[str, Any]

FOLDER = "run-workers"
"""Folder of the socket below the state folder."""

MAX_ADDRESS_BYTES = 100
"""Length in bytes that every system allows for the address of a Unix socket."""

RESPONSE_SECONDS = 5.0


def socket_path(state: Path) -> Path:
    """The path of the pool's socket for this state folder."""
    return state.absolute() / FOLDER / "socket"


def send_request(path: Path, message: Message) -> dict[str, Any]:
    """Send ``message`` to the pool and return its response.

    Raises:
        ConnectionError, FileNotFoundError: no pool is running.
        TimeoutError: the pool does not respond.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unconnected, address(path) as name:
        unconnected.settimeout(RESPONSE_SECONDS)
        unconnected.connect(name)
        unconnected.setblocking(True)  # noqa: FBT003 - the standard library's signature
        connection = Connection(unconnected.detach())
    with connection:
        send(connection, message)
        if not connection.poll(RESPONSE_SECONDS):
            raise TimeoutError
        return receive(connection)


def listen(path: Path) -> socket.socket:
    """Listen on a Unix socket at ``path``, in a folder that only its owner can enter. Replaces a leftover socket."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with address(path) as name:
        listening.bind(name)
    path.chmod(0o600)
    listening.listen()
    return listening


def send(connection: Connection, message: Message) -> None:
    """Send one message. Raises OSError when the peer has exited."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict[str, Any]:
    """Wait for one message. Raises ConnectionError when the peer has exited."""
    try:
        message: dict[str, Any] = json.loads(connection.recv_bytes())
    except EOFError:
        raise ConnectionResetError from None
    return message


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A socket address for ``path``; a path that is too long is addressed through its opened folder."""
    if len(os.fsencode(path)) <= MAX_ADDRESS_BYTES or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
