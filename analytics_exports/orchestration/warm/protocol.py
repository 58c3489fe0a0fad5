"""What is said between launcher and pool, and between pool and worker: one JSON object for each message.

The socket is in a folder that only its owner may enter. On Linux its path may be of any length, which the kernel's
addresses may not. Only the standard library belongs here: the daemon and the web page import this too.
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
"""Below the state folder."""

LONGEST_ADDRESS = 100
"""Bytes that every system allows in the address of a Unix socket."""

ANSWER_SECONDS = 5.0


def socket_path(state: Path) -> Path:
    """Where the pool of this state folder listens."""
    return state.absolute() / FOLDER / "socket"


def ask(path: Path, message: Message) -> dict[str, Any]:
    """Say ``message`` to the pool and return its answer.

    Raises:
        ConnectionError, FileNotFoundError: no pool is there.
        TimeoutError: it does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unconnected, address(path) as name:
        unconnected.settimeout(ANSWER_SECONDS)
        unconnected.connect(name)
        unconnected.setblocking(True)  # noqa: FBT003 - the standard library's signature
        connection = Connection(unconnected.detach())
    with connection:
        send(connection, message)
        if not connection.poll(ANSWER_SECONDS):
            raise TimeoutError
        return receive(connection)


def listen(path: Path) -> socket.socket:
    """A socket that listens at ``path``, in a folder that nobody else may enter; replaces one that was left there."""
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
    """Send one message. Raises OSError when nobody is there any more."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict[str, Any]:
    """Wait for one message. Raises ConnectionError when the other side has ended."""
    try:
        message: dict[str, Any] = json.loads(connection.recv_bytes())
    except EOFError:
        raise ConnectionResetError from None
    return message


@contextmanager
def address(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits into the address of a socket: by way of its open folder when it is too long."""
    if len(os.fsencode(path)) <= LONGEST_ADDRESS or sys.platform != "linux":
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
