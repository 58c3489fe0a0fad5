"""The launchpad's way to an export: a job whose configuration is what the HTTP interface takes, for any user.

It asks exactly as the API does, so all the same rules hold; the sensors make the export like any other.
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
TEMPLATE = {
    "user": "id, owner key or label of a user",
    "dataset": "name of a dataset",
    "format": "CSV",
    "start_date": None,
    "end_date": None,
}
"""What the launchpad opens with."""


class Bounds(Config):
    """A range of numbers, both ends inclusive, as text so that they stay exact."""

    min: str | None = Field(None, description="Smallest number; left out: no limit.")
    max: str | None = Field(None, description="Largest number; left out: no limit.")


class Wanted(Config):
    """Whose rows, of which dataset, and how."""

    user: str = Field(description="Whose rows: id, owner key or label, as `analytics-exports users list` shows them.")
    dataset: str = Field(description="Name of the dataset, as `analytics-exports datasets` shows it.")
    format: Format = Field(Format.CSV, description="File format.")
    start_date: str | None = Field(None, description="First day, YYYY-MM-DD, inclusive; left out: from the beginning.")
    end_date: str | None = Field(None, description="Last day, YYYY-MM-DD, inclusive; left out: to the end.")
    account_ids: list[str] | None = Field(None, description="Only rows of these accounts; left out: of all.")
    tag_ids: list[str] | None = Field(None, description="Only rows with any of these tags; left out: all.")
    enum_filters: dict[str, list[str]] = Field({}, description="By filter name: the values that rows may have.")
    numeric_filters: dict[str, Bounds] = Field({}, description="By filter name: the range numbers must lie in.")
    columns: list[str] | None = Field(None, description="These columns, in this order; left out: all.")
    compression: str | None = Field(None, description="How the file is compressed, such as gzip or zstd.")
    timezone: str | None = Field(None, description="Time zone of timestamps that have one, such as Europe/Berlin.")


@op(name=OP, description="Stores a pending export for a user; the sensors make it.")
def request(context: OpExecutionContext, config: Wanted) -> None:
    """Ask for one export."""
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
    config={"ops": {OP: {"config": TEMPLATE}}},
    description="Asks for an export in the name of a user, with all that the HTTP interface knows.",
)
def request_export() -> None:
    """What operators open in the launchpad."""
    request()


def submit(app: Application, wanted: Wanted) -> ExportJob:
    """The pending export.

    Raises:
        ExportError: as ``Requesting.submit``, or there is no such user, or they are disabled.
    """
    principal = _principal(app, wanted.user)
    asked = _asked(wanted)
    request = asked.selection()
    return app.requesting.submit(principal, dataset_id(wanted.dataset), asked.format, request, asked.options()).job


def _principal(app: Application, who: str) -> Principal:
    from analytics_exports.database.users import PostgresUserStore

    found = app.directory.member(PostgresUserStore(app.engine).find(who).id, USER_SCOPES)
    if found is None:
        raise UserNotFound("This user is disabled.")
    return replace(found, actor="operator")


def _asked(wanted: Wanted) -> ExportCreate:
    """The same in the words of the HTTP interface, whose rules decide."""
    given: dict[str, Any] = wanted.model_dump(mode="json", exclude={"user", "dataset"}, exclude_none=True)
    filled = {name: value for name, value in given.items() if value != {}}
    try:
        return ExportCreate.model_validate({**filled, "dataset_id": dataset_id(wanted.dataset)})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest(*(_problem(item["loc"], item["msg"]) for item in found)) from None


def _problem(place: tuple[int | str, ...], message: str) -> FieldProblem:
    return FieldProblem("".join(f"/{step}" for step in place), message)
