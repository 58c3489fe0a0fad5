"""Response bodies, and how they are made from domain values."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from analytics_exports.contract import BASE_PATH, examples
from analytics_exports.contract.requests import SelectionFields
from analytics_exports.domain.dataset import Column, Dataset
from analytics_exports.domain.export import LIVE, ExportJob, Failure, Progress, Status
from analytics_exports.domain.formats import Format


class ConditionOut(BaseModel):
    """One part of the service; ``detail`` says why it is not well."""

    ok: bool
    detail: str | None


class RejectionOut(BaseModel):
    """A dbt model marked as a dataset that cannot be one, and why."""

    name: str
    reason: str


class StatusOut(BaseModel):
    """How the service is."""

    model_config = examples.example_config(examples.STATUS)

    ok: bool
    parts: dict[str, ConditionOut]
    data_as_of: datetime | None
    rejected: list[RejectionOut]


class ReadinessOut(BaseModel):
    """Whether requests for exports can be taken, and by which parts it is decided."""

    model_config = examples.example_config(examples.READINESS)

    ready: bool
    parts: dict[str, bool]


class EnumFilterOut(BaseModel):
    """A column that can be restricted to some of these values."""

    name: str
    label: str
    options: list[str]


class NumericFilterOut(BaseModel):
    """A column that can be restricted to a range."""

    name: str
    label: str


class FiltersOut(BaseModel):
    """The filters a dataset offers; null or empty where it does not."""

    date_column: str | None
    account_id_column: str | None
    tag_id_column: str | None
    enum_filters: list[EnumFilterOut]
    numeric_filters: list[NumericFilterOut]


class ColumnOut(BaseModel):
    """One column; ``type`` is DuckDB's name of its type."""

    name: str
    type: str
    description: str

    @classmethod
    def of(cls, column: Column) -> Self:
        """From the domain's value."""
        return cls(name=column.name, type=column.type, description=column.description)


class DatasetOut(BaseModel):
    """A dataset that can be exported."""

    id: UUID
    dataset_name: str
    friendly_name: str
    description: str
    group: str | None
    time_grain: str | None
    filters: FiltersOut

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """From the domain's value."""
        return cls.model_validate(_dataset(dataset))


class DatasetSchemaOut(DatasetOut):
    """A dataset with its columns."""

    model_config = examples.example_config(examples.DATASET_SCHEMA)

    columns: list[ColumnOut]

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """From the domain's value."""
        columns = [ColumnOut.of(column) for column in dataset.columns]
        return cls.model_validate({**_dataset(dataset), "columns": columns})


class DatasetList(BaseModel):
    """All datasets on offer."""

    model_config = examples.example_config(examples.DATASET_LIST)

    datasets: list[DatasetOut]


class PageOut(BaseModel):
    """One page of rows, in the order of an export.

    Decimals and integers that a JSON reader could round are text; dates are ISO 8601, timestamps with a zone end in Z.
    """

    model_config = examples.example_config(examples.PAGE)

    columns: list[ColumnOut]
    rows: list[dict[str, Any]]
    next_cursor: str | None = Field(description="For the page after this one; null on the last.")
    data_as_of: datetime


class EstimateOut(BaseModel):
    """How large an export would be."""

    model_config = examples.example_config(examples.ESTIMATE)

    row_count: int = Field(description="Exactly so many rows.")
    file_size_bytes: int = Field(description="About so many bytes.")


class ExportAccepted(BaseModel):
    """A new export was stored."""

    model_config = examples.example_config(examples.EXPORT_ACCEPTED)

    job_id: UUID
    status: Status
    message: str = "Export job created"


class FailureOut(BaseModel):
    """Why an export failed."""

    code: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """From the domain's value."""
        return cls(code=failure.code, message=failure.message, retryable=failure.retryable)


class ProgressOut(BaseModel):
    """How far an unfinished export has come. What is not known yet is null."""

    stage: Literal["queued", "reading", "writing", "finishing"]
    percent: int | None = Field(ge=0, le=100, description="Of the rows.")
    rows_written: int
    rows_total: int | None
    bytes_written: int
    queue_position: int | None = Field(description="1 for the export that was asked for first of those in the queue.")

    @classmethod
    def of(cls, job: ExportJob, queue_position: int | None = None) -> Self | None:
        """From the domain's values; ``None`` for an export that has ended."""
        if job.status not in LIVE:
            return None
        reported = job.progress or Progress(0, 0)
        total, written = reported.rows_total, reported.rows_written
        writing: Literal["writing", "finishing"] = "finishing" if written == total else "writing"
        return cls(
            stage="queued" if job.status is Status.PENDING else writing if written else "reading",
            percent=None if not total else min(100, 100 * written // total),
            rows_written=written,
            rows_total=total,
            bytes_written=reported.bytes_written,
            queue_position=queue_position,
        )


class WarningOut(BaseModel):
    """Something about the file that its reader should know."""

    code: str
    detail: str
    count: int = Field(description="How many cells, columns or rows it is about.")


class PartOut(BaseModel):
    """One file inside the zip of an export that was split."""

    name: str
    row_count: int
    file_size_bytes: int
    sha256: str


class ExportOut(BaseModel):
    """The status of an export. Facts of the file are null until it is completed."""

    model_config = examples.example_config(examples.EXPORT)

    job_id: UUID
    status: Status
    dataset_id: UUID
    dataset_name: str
    format: Format
    row_count: int | None
    file_size_bytes: int | None
    download_url: str | None
    expires_at: datetime | None
    created_at: datetime
    completed_at: datetime | None
    sha256: str | None
    data_as_of: datetime | None
    attempt: int
    error: FailureOut | None
    columns: list[ColumnOut] | None = Field(description="Names and types as written.")
    progress: ProgressOut | None = Field(None, description="Null once the export has ended.")
    filters: dict[str, Any] = Field({}, description="What was asked for, by the names of the request.")
    options: dict[str, Any] = Field({}, description="Options of the format that were asked for.")
    retry_of: UUID | None = Field(None, description="The export of which this is a retry.")
    warnings: list[WarningOut] = []
    parts: list[PartOut] = Field([], description="The files inside, when the file is a zip of several.")

    @classmethod
    def of(cls, job: ExportJob, queue_position: int | None = None) -> Self:
        """From the domain's value, and the position of a pending export in the queue."""
        request, file = job.request, job.artifact
        ready = job.status is Status.COMPLETED
        return cls(
            job_id=job.id,
            status=job.status,
            dataset_id=request.dataset_id,
            dataset_name=request.dataset_name,
            format=request.format,
            row_count=file and file.row_count,
            file_size_bytes=file and file.file_size_bytes,
            download_url=f"{BASE_PATH}/exports/{job.id}/download" if ready else None,
            expires_at=job.expires_at,
            created_at=job.created_at,
            completed_at=job.completed_at,
            sha256=file and file.sha256,
            data_as_of=file and file.data_as_of,
            attempt=job.attempt,
            error=FailureOut.of(job.failure) if job.failure else None,
            columns=[ColumnOut.of(facts.column) for facts in file.columns] if file else None,
            progress=ProgressOut.of(job, queue_position),
            filters=SelectionFields.of(request.selection).model_dump(mode="json", exclude_none=True),
            options=dict(request.options),
            retry_of=job.retry_of,
            warnings=[WarningOut(**asdict(warning)) for warning in file.warnings] if file else [],
            parts=[PartOut(**asdict(part)) for part in file.parts] if file else [],
        )


def _dataset(dataset: Dataset) -> dict[str, Any]:
    offers = dataset.filters
    return {
        "id": dataset.id,
        "dataset_name": dataset.name,
        "friendly_name": dataset.friendly_name,
        "description": dataset.description,
        "group": dataset.group,
        "time_grain": dataset.time_grain,
        "filters": {
            "date_column": offers.date_column,
            "account_id_column": offers.account_id_column,
            "tag_id_column": offers.tag_id_column,
            "enum_filters": [
                {"name": item.name, "label": item.label, "options": list(item.options)} for item in offers.enum_filters
            ],
            "numeric_filters": [{"name": item.name, "label": item.label} for item in offers.numeric_filters],
        },
    }
