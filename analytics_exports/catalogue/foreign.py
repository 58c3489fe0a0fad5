"""Foreign JSON: the base of the models it is read into, and what is wrong with it, said to operators.

A reason names the place, the fault and, where there is one, the remedy. Reasons go to status pages, terminals and logs:
they may name models and columns, never paths or cells.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

LONGEST_NAME = 128
"""How much of a foreign name is shown."""

MOST_PROBLEMS = 5
"""How many faults of one mapping are told; whoever mends these sees the next ones."""

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
"""By pydantic's name of the fault; its own sentence otherwise."""


class UnreadableArtifact(Exception):
    """A file is not there, not whole, or not what dbt writes; the message says which and why."""


class Unfit(Exception):
    """A model cannot be a dataset; the message says why."""


class Foreign(BaseModel):
    """A mapping of a foreign file. A key without a value is the same as no key."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(content, dict):
            return content
        return {key: value for key, value in content.items() if value is not None}


def shown(name: str) -> str:
    """A foreign name in a form that is safe to print."""
    plain = name if name.isprintable() else ascii(name)[1:-1]
    return plain if len(plain) <= LONGEST_NAME else f"{plain[:LONGEST_NAME]}…"


def faults(error: ValidationError) -> str:
    """What is wrong, one clause for each place: ``filters.enum_filters[0].options: must be a list``."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_PROBLEMS]
    return "; ".join(f"{_place(item['loc'])}: {_sentence(item['type'], item['msg'])}" for item in found)


def _place(steps: tuple[int | str, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{shown(step)}" for step in steps).removeprefix(".")


def _sentence(kind: str, message: str) -> str:
    return _SENTENCES.get(kind) or message.removeprefix("Value error, ")
