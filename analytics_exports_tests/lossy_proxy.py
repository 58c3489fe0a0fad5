"""A proxy before PostgreSQL that loses responses. The server has executed the statement, and the client cannot know."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import make_url

CHUNK = 2**16


class LossyProxy:
    """Forwards connections; ``lose`` makes it cut the next one on which a client sends certain words.

    ``cut`` makes it cut the connection at a message by its number, before it or after it was answered.

    ``fall_silent`` makes it forward nothing more on the connections that there are, which stay open.
    """

    def __init__(self, database_url: str) -> None:
        self._url = make_url(database_url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._words = b""
        self._cut_at: int | None = None
        self._messages = 0
        self._answered = False
        self._silent_before = 0
        self._accepted = 0
        self.lost = 0

    @property
    def url(self) -> str:
        """The address of the database by way of this proxy."""
        port = self._listener.getsockname()[1]
        return str(self._url.set(port=port).render_as_string(hide_password=False))

    def lose(self, words: str) -> None:
        """Lose the answer to the next message with these words."""
        self._words = words.encode()

    def cut(self, number: int, *, answered: bool) -> None:
        """Cut at the message of this number from now on, before the server has it, or before its answer is back."""
        self._cut_at, self._messages, self._answered = number, 0, answered

    @property
    def has_cut(self) -> bool:
        """Whether so many messages came."""
        return self._cut_at is None

    def fall_silent(self) -> None:
        """As when something between has forgotten these connections; new ones work."""
        self._silent_before = self._accepted

    def serve(self) -> None:
        """Accept connections until the proxy is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._accepted += 1
                threading.Thread(target=self._forward, args=(client, self._accepted), daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _is_to_cut(self) -> bool:
        """Count a message of a client; whether it is the one to cut at."""
        self._messages += 1
        if self._messages != self._cut_at:
            return False
        self._cut_at = None
        return True

    def _forward(self, client: socket.socket, number: int) -> None:
        server = socket.create_connection((str(self._url.host), int(self._url.port or 0)))
        with client, server, selectors.DefaultSelector() as both, suppress(OSError):
            both.register(client, selectors.EVENT_READ, server)
            both.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in both.select():
                    data = key.fileobj.recv(CHUNK)  # type: ignore[union-attr]
                    if not data:
                        return
                    if number <= self._silent_before:
                        continue
                    if key.fileobj is client and self._is_to_cut():
                        if self._answered:
                            key.data.sendall(data)
                            server.recv(CHUNK)
                        return
                    key.data.sendall(data)
                    if key.fileobj is client and self._words and self._words in data:
                        self._words = b""
                        self.lost += 1
                        server.recv(CHUNK)
                        return


@contextmanager
def lossy_proxy(database_url: str) -> Iterator[LossyProxy]:
    """A running proxy."""
    proxy = LossyProxy(database_url)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()
