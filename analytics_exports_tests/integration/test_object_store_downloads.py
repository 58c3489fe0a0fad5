"""Downloads from an object store: through the API, whole and in parts, or on a presigned address of the store."""

from pathlib import Path

import httpx
import polars as pl
import pytest

from analytics_exports.artifacts.objects import ObjectArtifactStore
from analytics_exports.client import AsyncClient
from analytics_exports.domain import errors
from analytics_exports.services.retention import Retention
from analytics_exports_tests import factories
from analytics_exports_tests.integration.test_client_contract import DATASET, TOKEN, URL, InProcessService
from analytics_exports_tests.object_store import S3


class Outside(httpx.AsyncBaseTransport):
    """The service in this process, and every other address for real."""

    def __init__(self, service: httpx.AsyncBaseTransport) -> None:
        self.service = service
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.port is None:
            return await self.service.handle_async_request(request)
        self.seen.append(request)
        async with httpx.AsyncHTTPTransport() as network:
            answer = await network.handle_async_request(request)
            return httpx.Response(
                answer.status_code, headers=answer.headers, stream=httpx.ByteStream(await answer.aread())
            )


def service_on(s3: S3, folder: Path, *, redirect: bool) -> tuple[InProcessService, Outside]:
    store = ObjectArtifactStore(s3.make_bucket().url, max_bytes=2**30)
    store.prepare()
    service = InProcessService(folder, store, download_redirect=redirect)
    outside = Outside(service.transport.inner)
    service.transport.inner = outside
    return service, outside


@pytest.mark.parametrize("redirect", [False, True])
def test_a_client_gets_its_file_either_way(s3: S3, tmp_path: Path, redirect: bool) -> None:
    service, outside = service_on(s3, tmp_path, redirect=redirect)

    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET)
        path = await export.download(tmp_path / "a.parquet")
        assert pl.read_parquet(path).height == len(factories.DAYS)

    service.run(scenario)
    assert len(outside.seen) == int(redirect)
    assert all(TOKEN not in str(request.headers) for request in outside.seen), "the store gets nobody's token"


def test_the_api_sends_the_part_that_is_asked_for(s3: S3, tmp_path: Path) -> None:
    service, _ = service_on(s3, tmp_path, redirect=False)

    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET, format="csv")
        address = f"{URL}/api/analytics/exports/{export.facts.job_id}/download"
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(transport=service.transport, headers=headers) as http:
            whole = await http.get(address)
            part = await http.get(address, headers={"Range": "bytes=5-14"})
        assert whole.content.startswith(b"transaction_id,")
        assert (part.status_code, part.content) == (206, whole.content[5:15])

    service.run(scenario)


def test_an_expired_file_is_gone_from_the_store(s3: S3, tmp_path: Path) -> None:
    service, outside = service_on(s3, tmp_path, redirect=True)

    async def scenario(client: AsyncClient) -> None:
        export = await client.export(DATASET)
        service.jobs.pass_time(25 * 3600)
        assert Retention(service.jobs, service.artifacts, service.orchestrator, service.settings.history).expire() == 1
        with pytest.raises(errors.ExportExpired):
            await export.download(tmp_path / "a.parquet")

    service.run(scenario)
    assert outside.seen == []
