"""Generates ``docs/reference/errors.md`` and ``docs/reference/openapi.json``."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from analytics_exports.api.app import create_app
from analytics_exports.api.problems import all_errors, retry_seconds, status_of, title_of
from analytics_exports.api.route_docs import example
from analytics_exports.api.router import analytics_router
from analytics_exports.bootstrap.api import ApiServices, api_services
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.problems import MEDIA_TYPE, documentation_path
from analytics_exports.domain.errors import ExportError, ProductionFailed
from analytics_exports.settings import Settings

INTRODUCTION = f"""\
# Errors

Every error is an `{MEDIA_TYPE}` document (RFC 9457). Programs go by `code`, which never
changes its meaning; people read `detail`; operators find the request in the log by `request_id`. Fields that are wrong
are named in `errors` by JSON pointers. Nothing that was sent is repeated. An error that may pass by itself has a
`Retry-After` header.

The service itself documents each code: `GET {documentation_path("CODE")}`, the address in `type`. The same codes
stand in the `error` of an export that failed.

| code | HTTP status | may pass by itself |
|---|---|---|
"""


def openapi_document() -> str:
    """The OpenAPI document with the default settings."""
    interface = create_app(_services()).openapi()
    return json.dumps(interface, indent=1, ensure_ascii=False) + "\n"


def error_reference() -> str:
    """The document of all errors, with an example of each."""
    places = _places()
    errors = sorted(all_errors(), key=lambda error: error.code)
    rows = [f"| [`{error.code}`](#{error.code}) | {_status(error)} | {_passes(error)} |\n" for error in errors]
    return INTRODUCTION + "".join(rows) + "".join(_section(error, places) for error in errors)


def _services() -> ApiServices:
    """Services with the default settings, on a database that is never connected to."""
    return api_services(Settings(database_url="postgresql://localhost/reference"))


def _section(error: type[ExportError], places: Mapping[str, list[str]]) -> str:
    where = ", ".join(f"`{place}`" for place in places.get(error.code, [])) or "any address"
    if issubclass(error, ProductionFailed) and error.code not in places:
        where = "the `error` of an export that failed"
    body = json.dumps(example(error), indent=2, ensure_ascii=False)
    return f"\n## {error.code}\n\n{error.sentence()}\n\nFrom: {where}.\n\n```json\n{body}\n```\n"


def _status(error: type[ExportError]) -> str:
    return f"{status_of(error).value} {title_of(error)}"


def _passes(error: type[ExportError]) -> str:
    return f"yes, after about {retry_seconds(error)} s" if error.retryable else "no"


def _places() -> Mapping[str, list[str]]:
    """By code: the operations that respond with it according to the OpenAPI document."""
    app = FastAPI()
    app.include_router(analytics_router(_services()))
    places = defaultdict(list)
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            for code in _codes(operation):
                places[code].append(f"{method.upper()} {path.removeprefix(BASE_PATH)}")
    return places


def _codes(operation: Mapping[str, Any]) -> Iterator[str]:
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
