"""The real application behind real sockets and on a real database; only rows and Dagster are in memory.

There are two replicas of it, which take requests in turn: whatever holds for callers must hold for both together.
Exports are made by the test, one at a time with ``make``, so that every state can be looked at.
"""

import os
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text

from analytics_exports.api.app import create_app
from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.bootstrap.api import ApiServices, api_adapters, api_services
from analytics_exports.contract import BASE_PATH
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.domain.access import USER_SCOPES, Principal, Scope, UserId
from analytics_exports.domain.export import JobId
from analytics_exports.ports import Materialised
from analytics_exports.services.production import Producer
from analytics_exports.services.retention import Retention
from analytics_exports.settings import Settings
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator
from analytics_exports_tests.fakes.warehouse import FakeWarehouse
from analytics_exports_tests.waiting import LIMIT_SECONDS

DATASET = factories.dataset()
MONTH = timedelta(days=30)
LEASE = timedelta(seconds=20)


class Caller:
    """A user with a token, and requests in their name."""

    def __init__(self, principal: Principal, token: str, http: httpx.Client) -> None:
        self.principal = principal
        self.token = token
        self.http = http

    def ask(self, **body: Any) -> httpx.Response:
        """POST /exports."""
        headers = body.pop("headers", {})
        return self.http.post("/exports", json={"dataset_id": str(DATASET.id), **body}, headers=headers)

    def asked(self, **body: Any) -> JobId:
        """The id of a new export."""
        response = self.ask(**body)
        assert response.status_code == 202, response.text
        return JobId(UUID(response.json()["job_id"]))

    def status(self, job_id: JobId) -> dict[str, Any]:
        """GET /exports/{id}."""
        response = self.http.get(f"/exports/{job_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found


class InTurn(httpx.HTTPTransport):
    """Sends each request to the next of several replicas, as a load balancer does."""

    def __init__(self, urls: Sequence[str]) -> None:
        # An empty context: to load the certificates of all authorities takes longer than a test.
        super().__init__(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._urls = cycle([httpx.URL(url) for url in urls])

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Only the connection is another one: the request, with its Host, stays as it is."""
        replica = next(self._urls)
        request.url = request.url.copy_with(host=replica.host, port=replica.port)
        return super().handle_request(request)


class LiveService:
    """The service, its callers, and what a test reaches into."""

    def __init__(self, folder: Path, database_url: str, **settings: Any) -> None:
        self.warehouse = FakeWarehouse()
        self.orchestrator = FakeOrchestrator()
        self.artifacts = LocalArtifactStore(str(folder / "artifacts"), max_bytes=2**30, reserve_bytes=0)
        self.artifacts.prepare()
        values = {"allowed_hosts": "127.0.0.1", **settings, "state_dir": folder, "database_url": database_url}
        self.engine = make_engine(database_url, application="test")
        self.jobs = PostgresJobStore(self.engine)
        self.services = self.replica(Settings(**values))
        self.other = self.replica(Settings(**values))
        self.base_urls: Sequence[str] = ()
        self._rows: list[dict[str, Any]] = []
        self._clients: list[httpx.Client] = []

    @property
    def base_url(self) -> str:
        """The address of one replica."""
        return self.base_urls[0]

    def replica(self, settings: Settings) -> ApiServices:
        """The services of another API process on the same database and files."""
        adapters = replace(
            api_adapters(settings),
            catalogue=FakeCatalogue([DATASET]),
            warehouse=self.warehouse,
            query_warehouse=self.warehouse,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
        )
        return api_services(settings, adapters)

    def expire(self) -> None:
        """Remove what is past its time, as a schedule does."""
        Retention(self.jobs, self.artifacts, self.orchestrator, self.services.settings.history).expire()

    def user(self, *scopes: Scope) -> Caller:
        """Somebody new, with rows of their own, and with a token for these scopes."""
        user_id = UserId(uuid4())
        PostgresUserStore(self.engine).add(f"user {user_id}", user_id=user_id)
        principal = factories.principal(user_id)
        self._rows += factories.transactions_of(principal)
        self.warehouse.load(DATASET, self._rows)
        token, _ = self.services.tokens.issue(user_id, "test", scopes or USER_SCOPES, MONTH)
        return Caller(principal, token, self.http(token))

    def http(self, token: str | None = None) -> httpx.Client:
        """A client with this token, or without one."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = InTurn(self.base_urls)
        client = httpx.Client(
            base_url=f"{self.base_url}{BASE_PATH}", headers=headers, timeout=LIMIT_SECONDS, transport=transport
        )
        self._clients.append(client)
        return client

    def make(self, job_id: JobId, size: int | None = None) -> JobId:
        """Make the file of a pending export, as a run would; grown to ``size`` bytes if one is given."""
        self._launch()
        producer = Producer(FakeCatalogue([DATASET]), self.warehouse, self.jobs, self.artifacts, LEASE, max_attempts=3)
        production = producer.begin(job_id, f"run of {job_id}")
        artifact = production.publish()
        if size is not None:
            path = Path(self.services.settings.artifact_root) / artifact.output_path
            path.chmod(0o600)
            os.truncate(path, size)
            artifact = replace(artifact, file_size_bytes=size, version="")  # it is another file now
        self.orchestrator.log.append(Materialised(production.claim, artifact))
        self.services.event_log_projection.catch_up()
        return job_id

    def made(self, caller: Caller, **body: Any) -> JobId:
        """A new export of a caller, completed."""
        return self.make(caller.asked(**body))

    def execute(self, statement: str, **values: object) -> None:
        """Change the database behind the service's back."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def scalar(self, statement: str, **values: object) -> Any:
        """Look into the database."""
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values).scalar()

    def hang_up(self) -> None:
        """Close the connections of all callers."""
        for client in self._clients:
            client.close()

    def close(self) -> None:
        """Close what the replicas and the test have opened."""
        self.engine.dispose()
        self.services.close()
        self.other.close()

    def _launch(self) -> None:
        self.jobs.lease_pending(1000, timedelta(seconds=60))


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """An application on a free port, in a thread; its address."""
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, server_header=False, proxy_headers=False, timeout_graceful_shutdown=1)
    )
    listener = socket.create_server(("127.0.0.1", 0))
    # As on sockets that asyncio makes itself: otherwise the body of a response waits 40 ms for the client's ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(LIMIT_SECONDS)
        listener.close()


@contextmanager
def live_service(folder: Path, database_url: str, **settings: Any) -> Iterator[LiveService]:
    """The service, up; ``settings`` are those that differ from the defaults."""
    service = LiveService(folder, database_url, **settings)
    try:
        with serving(create_app(service.services)) as first, serving(create_app(service.other)) as second:
            service.base_urls = (first, second)
            try:
                yield service
            finally:
                service.hang_up()
    finally:
        service.close()
