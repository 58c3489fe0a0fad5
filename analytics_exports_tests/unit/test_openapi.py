"""The generated OpenAPI document and error reference are complete."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from pydantic import BaseModel

from analytics_exports.api import reference
from analytics_exports.api.problems import all_errors
from analytics_exports.contract import lists, problems, profile, requests, responses, tokens
from analytics_exports.contract.problems import MEDIA_TYPE

INTERFACE: dict[str, Any] = json.loads(reference.openapi_document())
MODELS = {
    name: model
    for module in (lists, problems, profile, requests, responses, tokens)
    for name, model in vars(module).items()
    if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
}
METHODS = {"get", "head", "post", "put", "patch", "delete"}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in INTERFACE["paths"].items():
        for method in sorted(METHODS & set(item)):
            yield f"{method} {path}", item[method]


def bodies(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The JSON that is sent, and the JSON that is answered when all went well."""
    for status, answer in operation["responses"].items():
        if status < "300":
            yield from (kind for name, kind in answer.get("content", {}).items() if name == "application/json")
    yield from operation.get("requestBody", {}).get("content", {}).values()


OPERATIONS = dict(operations())


def test_the_reference_of_errors_is_total() -> None:
    text = reference.error_reference()

    assert [error.code for error in all_errors() if f"\n## {error.code}\n" not in text] == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_needs_and_how_it_fails(name: str) -> None:
    operation = OPERATIONS[name]
    failures = {status: answer for status, answer in operation["responses"].items() if status >= "400"}

    assert operation["description"]
    if "security" in operation:
        assert operation["x-required-scope"]
        assert {"401", "403", "429", "503"} <= set(failures)
    for answer in failures.values():
        kind = answer["content"].get(MEDIA_TYPE)
        assert kind is None or kind["examples"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_has_an_example_that_its_model_accepts(name: str) -> None:
    for body in bodies(OPERATIONS[name]):
        model = body["schema"]["$ref"].rpartition("/")[2]
        (shown,) = INTERFACE["components"]["schemas"][model]["examples"]
        (example,) = cast("dict[str, Any]", MODELS[model].model_config["json_schema_extra"])["examples"]

        MODELS[model].model_validate_json(json.dumps(example))
        assert shown == without_nulls(example)


def without_nulls(value: Any) -> Any:
    """The framework leaves them out of examples."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
