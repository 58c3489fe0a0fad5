"""The job with which operators request an export in the launchpad, for any user, with the options of the HTTP API.

It submits the export exactly as the API does, so the same rules apply; the sensors launch it like any other.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster import (
    Failure,
    Field,
    MetadataValue,
    Noneable,
    OpExecutionContext,
    in_process_executor,
    job,
    op,
)
from pydantic import ValidationError

from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.requests import ExportCreate
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.errors import ExportError, FieldProblem, InvalidRequest
from analytics_exports.domain.export import ExportJob
from analytics_exports.gateway import REQUEST_JOB

if TYPE_CHECKING:
    from analytics_exports.bootstrap.worker import WorkerServices
    from analytics_exports.services.export_commands import OperatorRequests

OP = "request"
EXAMPLE_CONFIG = {
    "user": "id, owner key or label of a user",
    "dataset": "name of a dataset",
    "format": "csv",
    "start_date": None,
    "end_date": None,
}
"""The configuration that the launchpad shows at first."""


def _config_schema() -> dict[str, Field]:
    """The fields of a request over HTTP as they stand in the contract, with the dataset by its name, and the user."""
    described = ExportCreate.model_json_schema()["properties"]
    names = {
        "user": Field(str, description="Whose rows: id, owner key or label, as `analytics-exports users list` shows."),
        "dataset": Field(str, description="Name of the dataset, as `analytics-exports datasets` shows it."),
    }
    return names | {
        name: Field(Noneable(_kind(facts)), is_required=False, description=facts["description"])
        for name, facts in described.items()
        if name != "dataset_id"
    }


def _kind(described: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Dagster's config types have no common base
    """The Dagster config type for a field of a JSON Schema."""
    types = {each.get("type") for each in described.get("anyOf", [described])}
    if "object" in types:
        return dict
    return [str] if "array" in types else str


@op(
    name=OP,
    description="Stores a pending export for a user; the sensors make it.",
    required_resource_keys={"worker"},
    config_schema=_config_schema(),
)
def request(context: OpExecutionContext) -> None:
    """Submit one export."""
    worker: WorkerServices = context.resources.worker
    try:
        asked = submit(worker.operator_requests, context.op_config)
    except ExportError as reason:
        problems = reason.problems if isinstance(reason, InvalidRequest) else ()
        lines = [str(reason), *(f"{problem.pointer}: {problem.detail}" for problem in problems)]
        raise Failure("\n".join(lines), allow_retries=False) from None
    status = f"{worker.api_url}{BASE_PATH}/exports/{asked.id}"
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


def submit(requests: "OperatorRequests", config: Mapping[str, Any]) -> ExportJob:
    """Submit an export and return it.

    Raises:
        InvalidRequest: the configuration is not valid as a request of the HTTP API.
        ExportError: as ``OperatorRequests.submit``.
    """
    user, dataset = config["user"], dataset_id(config["dataset"])
    given = {name: value for name, value in config.items() if name not in {"user", "dataset"} and value is not None}
    given["format"] = str(given.get("format", "csv")).lower()  # configurations saved earlier have upper case
    try:
        asked = ExportCreate.model_validate({**given, "dataset_id": dataset})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest(*(_problem(item["loc"], item["msg"]) for item in found)) from None
    return requests.submit(user, dataset, asked.format, asked.selection(), asked.options())


def _problem(place: tuple[int | str, ...], message: str) -> FieldProblem:
    return FieldProblem("".join(f"/{step}" for step in place), message)
