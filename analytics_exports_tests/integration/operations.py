"""The operations of the interface, as the OpenAPI document lists them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from analytics_exports.api.reference import openapi_document
from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.access import Scope


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one address.

    Attributes:
        path: Below the base path, with names in braces.
        scope: What a token needs; ``None`` when no token is asked for.
    """

    method: str
    path: str
    scope: Scope | None

    @property
    def name(self) -> str:
        """As people write it."""
        return f"{self.method} {self.path}"

    def __str__(self) -> str:
        """The name, for ids of tests."""
        return self.name


def _operations() -> Iterator[Operation]:
    for path, item in json.loads(openapi_document())["paths"].items():
        for method, operation in item.items():
            scope = operation.get("x-required-scope")
            yield Operation(method.upper(), path.removeprefix(BASE_PATH), Scope(scope) if scope else None)


OPERATIONS = tuple(_operations())
