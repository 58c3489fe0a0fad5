"""The base class of format options, options that several formats share, and error messages.

Options are plain JSON values, validated when an export is requested and again when it is made.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Self

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from analytics_exports.domain.errors import FieldProblem

_SENTENCES = {
    "bool_type": "Write true or false.",
    "extra_forbidden": "This format has no such option.",
    "int_type": "Write a whole number.",
    "model_type": "Write an object of options.",
    "string_pattern_mismatch": "It has characters that are not allowed here.",
    "string_type": "Write it as text.",
}
_MEBIBYTE = 2**20


class Options(BaseModel):
    """Options of a format. Unknown ones are rejected, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Split(Options):
    """Several files in one zip instead of one large file."""

    rows: int | None = Field(None, ge=1_000, description="Most rows that a part may have.")
    bytes: int | None = Field(
        None, ge=_MEBIBYTE, description="Bytes after which a part ends; it can be larger by a batch of rows."
    )

    @model_validator(mode="after")
    def _by_something(self) -> Self:
        if self.rows is None and self.bytes is None:
            raise PydanticCustomError("split", "Say after how many rows or bytes a part ends.")
        return self


def _known_zone(name: str) -> str:
    try:
        pl.Series([0]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(name)
    except (pl.exceptions.PolarsError, ValueError):
        raise PydanticCustomError("timezone", "This is not a time zone of the IANA database.") from None
    return name


def _only(directives: str) -> AfterValidator:
    """A validator that allows only these directives."""
    allowed = re.compile(rf'(?:%(?:{directives})|[^%"\x00-\x1f])+')

    def check(text: str) -> str:
        if not allowed.fullmatch(text):
            raise PydanticCustomError("time_format", "Use only the directives that the documentation lists.")
        return text

    return AfterValidator(check)


TimeZone = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$", max_length=64), AfterValidator(_known_zone)
]
"""The IANA name of a time zone."""

DateFormat = Annotated[str, _only("[YymdjbBaAeF]"), Field(max_length=40)]
"""A date format in directives of ``strftime``."""

TimestampFormat = Annotated[str, _only(r"[YymdjbBaAeFHIMSpT]|\.f|\.[369]f"), Field(max_length=40)]
"""A timestamp format; ``%.f`` is the fraction of a second with its point, empty when it is zero."""


def problems(error: ValidationError) -> Iterator[FieldProblem]:
    """The validation errors, each with a pointer to the option; values are not repeated."""
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        path = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in item["loc"])
        sentence = _SENTENCES.get(item["type"], item["msg"])
        yield FieldProblem(path, sentence if sentence.endswith(".") else f"{sentence}.")
