"""The in-memory service behind a socket on loopback, for programs that cannot be given an httpx transport."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import cast

import httpx

from analytics_exports_tests.fakes.service import FakeService


@contextmanager
def listening(service: FakeService) -> Iterator[str]:
    """The address of ``service`` for the block. A transfer that should break off ends with its connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = httpx.Request(self.command, f"{url}{self.path}", headers=dict(self.headers), content=content)
            response = service.answer(request)
            self.send_response_only(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                for chunk in cast("httpx.SyncByteStream", response.stream):
                    self.wfile.write(chunk)
            except (httpx.ReadError, ConnectionError):
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_DELETE = _handle  # noqa: N815 - the names are the library's

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: standard error belongs to the test."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hangs up is nothing to report; anything else fails the test by its missing answer."""

    with Server(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()
