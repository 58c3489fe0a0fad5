"""The client against the real application in this process: both follow the same contract.

Files are real and so is the HTTP layer; rows, jobs and users are in memory, and exports are made as soon as they are
asked for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import anyio
import httpx
import polars as pl
import pytest

from analytics_exports.api.app import create_app
from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.bootstrap.api import api_adapters, api_services
from analytics_exports.client import Answered, AsyncClient, Retries
from analytics_exports.domain import errors
from analytics_exports.domain.export import JobId, Status
from analytics_exports.ports import ArtifactStore, Materialised
from analytics_exports.services.production import Producer
from analytics_exports.settings import Settings
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.directory import FakeDirectory
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator
from analytics_exports_tests.fakes.warehouse import FakeWarehouse

URL, TOKEN, STRANGER = "http://127.0.0.1", "token-of-the-owner", "token-of-a-stranger"
DATASET = "fct_transactions"
LEASE = timedelta(seconds=20)

Scenario = Callable[[AsyncClient], Awaitable[None]]


class PromptOrchestrator(FakeOrchestrator):
    """Makes an export as soon as it is registered, unless ``idle``."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = False
        self.produce: Callable[[JobId], Materialised]
        self.project_events: Callable[[], object]

    def add_partitions(self, job_ids: Iterable[JobId]) -> None:
        job_ids = list(job_ids)
        super().add_partitions(job_ids)
        for job_id in job_ids:
            if not self.idle:
                self.make(job_id)

    def make(self, job_id: JobId) -> None:
        self.log.append(self.produce(job_id))
        self.project_events()


class Cutting(httpx.AsyncBaseTransport):
    """Lets the next transfers break off after so many bytes, and the next answers to a POST get lost."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.cuts: list[int] = []
        self.losses = 0
        self.ranges: list[str | None] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        if request.method == "GET" and request.url.path.endswith("/download"):
            self.ranges.append(request.headers.get("Range"))
            if self.cuts:
                content = await response.aread()
                return httpx.Response(
                    response.status_code, headers=response.headers, stream=Cut(content[: self.cuts.pop(0)])
                )
        if request.method == "POST" and self.losses:
            self.losses -= 1
            raise httpx.ReadError("lost")
        return response


class Cut(httpx.AsyncByteStream):
    """Some bytes, and then the connection is lost."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        raise httpx.ReadError("lost")


class InProcessService:
    """The application, and what tests reach into."""

    def __init__(self, folder: Path, artifacts: ArtifactStore | None = None, **settings: Any) -> None:
        self.orchestrator = PromptOrchestrator()
        self.jobs = FakeJobStore()
        self.owner, self.stranger = factories.principal(), factories.principal()
        self.warehouse = self._warehouse()
        self.artifacts = artifacts or self._artifacts(folder)
        self.settings = Settings(state_dir=folder, database_url=factories.NO_DATABASE, **settings)
        self.catalogue = FakeCatalogue([factories.dataset()])
        adapters = replace(
            api_adapters(self.settings),
            catalogue=self.catalogue,
            warehouse=self.warehouse,
            query_warehouse=self.warehouse,
            directory=self._directory(),
            jobs=self.jobs,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
            signing_key=lambda: b"secret",
        )
        self.services = api_services(self.settings, adapters)
        self.orchestrator.produce = self._produce
        self.orchestrator.project_events = self.services.event_log_projection.catch_up
        self.transport = Cutting(httpx.ASGITransport(create_app(self.services)))

    def client(self, token: str = TOKEN) -> AsyncClient:
        return AsyncClient(URL, token, retries=Retries(attempts=2, first_seconds=0), transport=self.transport)

    def run(self, scenario: Scenario, token: str = TOKEN) -> None:
        """Play a scenario with a client of its own."""

        async def play() -> None:
            async with self.client(token) as client:
                await scenario(client)

        anyio.run(play)

    def _produce(self, job_id: JobId) -> Materialised:
        producer = Producer(self.catalogue, self.warehouse, self.jobs, self.artifacts, LEASE, max_attempts=3)
        production = producer.begin(job_id, "run", remake=True)
        return Materialised(production.claim, production.publish())

    def _warehouse(self) -> FakeWarehouse:
        warehouse = FakeWarehouse()
        owners = (self.owner, self.stranger)
        warehouse.load(factories.dataset(), [row for owner in owners for row in factories.transactions_of(owner)])
        return warehouse

    def _directory(self) -> FakeDirectory:
        directory = FakeDirectory()
        directory.tokens = {TOKEN: self.owner, STRANGER: self.stranger}
        return directory

    def _artifacts(self, folder: Path) -> LocalArtifactStore:
        store = LocalArtifactStore(str(folder / "artifacts"), max_bytes=2**30, reserve_bytes=0)
        store.prepare()
        return store


@pytest.fixture
def service(tmp_path: Path) -> InProcessService:
    return InProcessService(tmp_path)


def test_datasets_are_described(service: InProcessService) -> None:
    async def scenario(client: AsyncClient) -> None:
        (offered,) = await client.datasets()
        described = await client.dataset(DATASET)

        assert offered.dataset_name == described.dataset_name == DATASET
        assert described == await client.dataset(offered.id)
        assert [column.name for column in described.columns][:2] == ["transaction_id", "user_id"]
        with pytest.raises(errors.DatasetNotFound):
            await client.dataset("no_such_dataset")

    service.run(scenario)


def test_rows_come_with_their_types_and_only_the_callers(service: InProcessService) -> None:
    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET, start_date="2024-01-01", end_date=date(2024, 12, 31))
        frame = await export.to_polars()

        assert frame["booking_date"].to_list() == list(factories.DAYS[:2])
        assert frame["amount"].to_list() == [Decimal("0.00"), Decimal("0.25")]
        assert frame["user_id"].unique().to_list() == [service.owner.owner_key]

    service.run(scenario)


def test_every_filter_and_option_is_understood(service: InProcessService) -> None:
    async def scenario(client: AsyncClient) -> None:
        export = await client.export(
            DATASET,
            format="csv",
            enum_filters={"status": ["booked"]},
            numeric_filters={"amount": {"min": "0.25", "max": 1}},
            columns=["amount", "booking_date"],
            csv={"delimiter": ";"},
        )
        path = await export.download(service.settings.state_dir / "a.csv")

        assert path.read_text(encoding="utf-8").splitlines() == [
            "amount;booking_date",
            "0.25;2024-06-30",
            "0.50;2025-01-01",
        ]
        assert export.facts.filters["columns"] == ["amount", "booking_date"]

    service.run(scenario)


def test_previews_and_estimates_agree_with_exports(service: InProcessService) -> None:
    async def scenario(client: AsyncClient) -> None:
        preview = await client.preview(DATASET, limit=2, enum_filters={"status": ["booked"]}, columns=["amount"])
        estimate = await client.estimate(DATASET, enum_filters={"status": ["booked"]})

        assert preview.rows == [{"amount": "0.00"}, {"amount": "0.25"}]
        assert estimate.row_count == 3

    service.run(scenario)


def test_a_broken_transfer_is_continued_by_the_real_service(service: InProcessService, tmp_path: Path) -> None:
    service.transport.cuts = [100, 50]

    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET)
        path = await export.download(tmp_path)

        assert path.name.startswith(DATASET)
        assert pl.read_parquet(path).height == len(factories.DAYS)
        assert service.transport.ranges == [None, "bytes=100-", "bytes=150-"]

    service.run(scenario)


def test_a_file_made_anew_is_fetched_anew(service: InProcessService, tmp_path: Path) -> None:
    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET, format="csv")
        service.transport.cuts = [20]
        before = export.facts.sha256
        service.warehouse.load(factories.dataset(), [])
        service.orchestrator.make(JobId(export.facts.job_id))
        path = await export.download(tmp_path / "a.csv")

        assert export.facts.sha256 != before
        assert len(path.read_text(encoding="utf-8").splitlines()) == 1

    service.run(scenario)


def test_the_history_is_complete_and_in_order(service: InProcessService) -> None:
    async def scenario(client: AsyncClient) -> None:
        made = [(await client.export(DATASET, format=kind)).facts.job_id for kind in ("csv", "ndjson", "csv")]
        before = factories.NOW - factories.DAY

        assert [export.facts.job_id async for export in client.exports()] == made[::-1]
        assert [export.facts.job_id async for export in client.exports(format="csv", limit=1)] == made[2:]
        assert [export.facts.job_id async for export in client.exports(status=["failed", "expired"])] == []
        found = [export.facts.job_id async for export in client.exports(dataset=DATASET, created_after=before)]
        assert found == made[::-1]

    service.run(scenario)


def test_an_export_can_be_cancelled_and_asked_for_anew(service: InProcessService) -> None:
    service.orchestrator.idle = True

    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET)
        assert export.facts.progress
        assert export.facts.progress.queue_position == 1
        await export.cancel()
        with pytest.raises(errors.ExportUnavailable):
            await export.wait()

        service.orchestrator.idle = False
        again = await export.retry()
        await again.wait()
        assert (again.facts.retry_of, again.facts.status) == (export.facts.job_id, Status.COMPLETED)

    service.run(scenario)


def test_a_removed_file_is_gone(service: InProcessService, tmp_path: Path) -> None:
    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET)
        await export.cancel()

        assert export.facts.status is Status.EXPIRED
        with pytest.raises(errors.ExportExpired):
            await export.download(tmp_path)

    service.run(scenario)


def test_a_post_whose_answer_is_lost_makes_one_export(service: InProcessService) -> None:
    service.transport.losses = 1

    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET)

        assert [item.facts.job_id async for item in client.exports()] == [export.facts.job_id]

    service.run(scenario)


def test_refusals_are_typed(service: InProcessService) -> None:
    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(errors.InvalidRequest) as refused:
            await client.export(DATASET, columns=["no_such_column"], account_ids=["not mine"])
        assert {field.pointer for field in refused.value.problems} == {"/columns/0"}
        with pytest.raises(errors.ExportNotFound) as missing:
            await client.get(uuid4())
        assert isinstance(missing.value.__cause__, Answered)
        assert missing.value.__cause__.problem

    service.run(scenario)


def test_strangers_see_nothing(service: InProcessService) -> None:
    made: list[UUID] = []

    async def owner(client: AsyncClient) -> None:
        made.append((await client.export(DATASET)).facts.job_id)

    async def stranger(client: AsyncClient) -> None:
        assert [export async for export in client.exports()] == []
        with pytest.raises(errors.ExportNotFound):
            await client.get(made[0])

    async def nobody(client: AsyncClient) -> None:
        with pytest.raises(errors.InvalidToken):
            await client.datasets()

    service.run(owner)
    service.run(stranger, STRANGER)
    service.run(nobody, "token-of-nobody")


def test_the_line_of_a_request_names_the_export_it_asked_for(
    service: InProcessService, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[str] = []

    async def scenario(client: AsyncClient) -> None:
        made.append(str((await client.export(DATASET)).facts.job_id))

    with caplog.at_level("INFO", logger="analytics_exports.access"):
        service.run(scenario)
    asked = [vars(record) for record in caplog.records if vars(record).get("method") == "POST"]

    assert [line["job_id"] for line in asked] == made
    assert all(line["request_id"] for line in asked)
