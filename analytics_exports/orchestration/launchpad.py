"""The job with which operators request an export in the launchpad, for any user, with the options of the HTTP API.

It submits the export exactly as the API does, so the same rules apply; the sensors launch it like any other.
"""

from dataclasses import replace
from typing import Any

from dagster import Config, Failure, MetadataValue, OpExecutionContext, in_process_executor, job, op
from pydantic import Field, ValidationError

from analytics_exports.bootstrap import Application, application
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.requests import ExportCreate
from analytics_exports.domain.access import USER_SCOPES, Principal
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.errors import ExportError, FieldProblem, InvalidRequest, UserNotFound
from analytics_exports.domain.export import ExportJob
from analytics_exports.domain.formats import Format
from analytics_exports.gateway import REQUEST_JOB

OP = "request"
EXAMPLE_CONFIG = {
    "user": "id, owner key or label of a user",
    "dataset": "name of a dataset",
    "format": "CSV",
    "start_date": None,
    "end_date": None,
}
"""The configuration that the launchpad shows at first."""


class NumericBoundsConfig(Config):
    """A range of numbers, both ends inclusive, as text so that no digit is lost."""

    min: str | None = Field(None, description="Smallest number; left out: no limit.")
    max: str | None = Field(None, description="Largest number; left out: no limit.")


class ExportConfig(Config):
    """The user, the dataset, the filters and the format."""

    user: str = Field(description="Whose rows: id, owner key or label, as `analytics-exports users list` shows them.")
    dataset: str = Field(description="Name of the dataset, as `analytics-exports datasets` shows it.")
    format: Format = Field(Format.CSV, description="File format.")
    start_date: str | None = Field(None, description="First day, YYYY-MM-DD, inclusive; left out: from the beginning.")
    end_date: str | None = Field(None, description="Last day, YYYY-MM-DD, inclusive; left out: to the end.")
    account_ids: list[str] | None = Field(None, description="Only rows of these accounts; left out: of all.")
    tag_ids: list[str] | None = Field(None, description="Only rows with any of these tags; left out: all.")
    enum_filters: dict[str, list[str]] = Field({}, description="By filter name: the values that rows may have.")
    numeric_filters: dict[str, NumericBoundsConfig] = Field(
        {}, description="By filter name: the range numbers must lie in."
    )
    columns: list[str] | None = Field(None, description="These columns, in this order; left out: all.")
    compression: str | None = Field(None, description="How the file is compressed, such as gzip or zstd.")
    timezone: str | None = Field(None, description="Time zone of timestamps that have one, such as Europe/Berlin.")


@op(name=OP, description="Stores a pending export for a user; the sensors make it.")
def request(context: OpExecutionContext, config: ExportConfig) -> None:
    """Submit one export."""
    app = application("worker")
    try:
        asked = submit(app, config)
    except ExportError as reason:
        problems = reason.problems if isinstance(reason, InvalidRequest) else ()
        lines = [str(reason), *(f"{problem.pointer}: {problem.detail}" for problem in problems)]
        raise Failure("\n".join(lines), allow_retries=False) from None
    status = f"{app.settings.api_url}{BASE_PATH}/exports/{asked.id}"
    context.log.info("Export %s is pending; it is the partition of that key.", asked.id)
    context.add_output_metadata({"export": str(asked.id), "status": MetadataValue.url(status)})


@job(
    name=REQUEST_JOB,
    executor_def=in_process_executor,
    config={"ops": {OP: {"config": EXAMPLE_CONFIG}}},
    description="Asks for an export in the name of a user, with all that the HTTP interface knows.",
)
def request_export() -> None:
    """The job that operators open in the launchpad."""
    request()


def submit(app: Application, wanted: ExportConfig) -> ExportJob:
    """Submit an export and return it.

    Raises:
        ExportError: as ``ExportCommands.submit``; or the user does not exist, or is disabled.
    """
    principal = _principal(app, wanted.user)
    asked = _asked(wanted)
    request = asked.selection()
    return app.export_commands.submit(principal, dataset_id(wanted.dataset), asked.format, request, asked.options()).job


def _principal(app: Application, who: str) -> Principal:
    from analytics_exports.database.users import PostgresUserStore

    found = app.directory.get_active_user(PostgresUserStore(app.engine).find(who).id, USER_SCOPES)
    if found is None:
        raise UserNotFound("This user is disabled.")
    return replace(found, actor="operator")


def _asked(wanted: ExportConfig) -> ExportCreate:
    """The configuration as a request of the HTTP API, validated by its rules."""
    given: dict[str, Any] = wanted.model_dump(mode="json", exclude={"user", "dataset"}, exclude_none=True)
    filled = {name: value for name, value in given.items() if value != {}}
    try:
        return ExportCreate.model_validate({**filled, "dataset_id": dataset_id(wanted.dataset)})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest(*(_problem(item["loc"], item["msg"]) for item in found)) from None


def _problem(place: tuple[int | str, ...], message: str) -> FieldProblem:
    return FieldProblem("".join(f"/{step}" for step in place), message)
