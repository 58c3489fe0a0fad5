"""The base of the models of dbt's files, and formatting of validation errors for operators.

A reason names the place, the error and, where there is one, the remedy. Reasons appear on status pages, terminals and
in logs: they may name models and columns, never paths or values.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

MAX_SHOWN_NAME = 128
"""Maximum length of a name in a reason."""

MAX_PROBLEMS = 5
"""Maximum number of errors reported for one mapping."""

_SENTENCES = {
    "bool_type": "must be true, without quotes",
    "dict_type": "must be a mapping",
    "extra_forbidden": "is not a known key, check its spelling",
    "missing": "is missing",
    "model_type": "must be a mapping",
    "string_too_long": "is too long",
    "string_too_short": "must not be empty",
    "string_type": "must be text, put it in quotes",
    "too_short": "must not be empty",
    "tuple_type": "must be a list",
}
"""By pydantic's error type; its own message otherwise."""


class UnreadableArtifact(Exception):
    """A file is missing, damaged, or not written by dbt; the message says which and why."""


class RejectedModel(Exception):
    """A model cannot be a dataset; the message says why."""


class ArtifactModel(BaseModel):
    """A mapping in a file of dbt. A key with the value null is treated like a missing key."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(content, dict):
            return content
        return {key: value for key, value in content.items() if value is not None}


def sanitize(name: str) -> str:
    """A name from a file in a form that is safe to print."""
    plain = name if name.isprintable() else ascii(name)[1:-1]
    return plain if len(plain) <= MAX_SHOWN_NAME else f"{plain[:MAX_SHOWN_NAME]}…"


def format_errors(error: ValidationError) -> str:
    """The validation errors, one clause each: ``filters.enum_filters[0].options: must be a list``."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_PROBLEMS]
    return "; ".join(f"{_place(item['loc'])}: {_sentence(item['type'], item['msg'])}" for item in found)


def _place(steps: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{sanitize(step)}" for step in steps).removeprefix(".")


def _sentence(kind: str, message: str) -> str:
    return _SENTENCES.get(kind) or message.removeprefix("Value error, ")
