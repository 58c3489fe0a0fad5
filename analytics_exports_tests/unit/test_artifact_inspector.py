"""The checks of a published export: what they find, and that they say so when they cannot look."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO

import polars as pl
import pytest

from analytics_exports.artifacts.counting import count_foreign_rows
from analytics_exports.artifacts.writing import read_file
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import ExportJob
from analytics_exports.domain.formats import Format
from analytics_exports.services.artifact_inspector import OWNER_ONLY, READABLE, ROW_COUNT, ArtifactInspector
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.warehouse import FakeWarehouse


def parquet(*owners: str | None) -> bytes:
    file = BytesIO()
    pl.DataFrame({"user_id": owners}, schema={"user_id": pl.String}).write_parquet(file)
    return file.getvalue()


class PublishedExport:
    """A published Parquet file of one row, as it should be."""

    def __init__(self) -> None:
        principal, dataset = factories.principal(), factories.dataset()
        self.catalogue, self.warehouse, self.artifacts = FakeCatalogue([dataset]), FakeWarehouse(), FakeArtifactStore()
        row = dict.fromkeys((column.name for column in dataset.columns), None)
        self.warehouse.load(dataset, [{**row, dataset.owner_column: principal.owner_key}])
        request = factories.request(dataset_id=dataset.id, format=Format.PARQUET, selection=factories.selection())
        job = FakeJobStore().create(principal, replace(request, selection=type(request.selection)()))
        self.job: ExportJob = job
        self.artifact: Artifact = factories.artifact(row_count=1, data_as_of=self.warehouse.data_as_of())
        self.publish(parquet(principal.owner_key))

    def publish(self, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.artifact = replace(self.artifact, file_size_bytes=len(content), sha256=digest)
        self.artifacts.files[self.artifact.output_path] = content

    def failed(self) -> set[str]:
        inspecting = ArtifactInspector(
            self.catalogue, self.warehouse, FakeJobStore(), self.artifacts, count_foreign_rows, read_file
        )
        return {name for name, verdict in inspecting.check(self.job, self.artifact).items() if not verdict.passed}


@pytest.fixture
def export() -> PublishedExport:
    return PublishedExport()


def test_a_sound_export_passes(export: PublishedExport) -> None:
    assert export.failed() == set()


def test_another_number_of_rows_is_found(export: PublishedExport) -> None:
    export.artifact = replace(export.artifact, row_count=2)

    assert export.failed() == {ROW_COUNT}


def test_rows_are_not_counted_in_another_version_of_the_warehouse(export: PublishedExport) -> None:
    export.artifact = replace(export.artifact, row_count=2, data_as_of=datetime(2020, 1, 1, tzinfo=UTC))

    assert export.failed() == set()


@pytest.mark.parametrize("content", [None, b"", b"PAR1 other bytes"])
def test_a_file_that_changed_is_found(export: PublishedExport, content: bytes | None) -> None:
    if content is None:
        del export.artifacts.files[export.artifact.output_path]
    else:
        export.artifacts.files[export.artifact.output_path] = content + parquet()[len(content) :]

    assert READABLE in export.failed()


@pytest.mark.parametrize("other", ["somebody else", None])
def test_a_row_of_somebody_else_is_found(export: PublishedExport, other: str | None) -> None:
    export.publish(parquet(export.job.owner_key, other))

    assert export.failed() == {OWNER_ONLY}


def test_what_cannot_be_looked_at_has_not_passed(export: PublishedExport) -> None:
    export.warehouse.away = True

    assert ROW_COUNT in export.failed()
