"""Field types that let nothing through that a later stage could stumble over.

JSON is a loose language: numbers pass for dates, text for numbers, and text may hold NUL or half a character. These
types accept one spelling of each value.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

MAX_TEXT = 256
MAX_VALUES = 1000
MAX_FILTERS = 20
MAX_COLUMNS = 1000


def _plain(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("Text must not hold NUL or unpaired surrogates.")
    return value


def _is_text(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, str):
        raise ValueError("Write it as text.")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def _is_number(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("Write it as a number, or as text to keep every digit.")  # noqa: TRY004 - as above
    return str(value) if isinstance(value, float) else value


Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_TEXT), AfterValidator(_plain)]
"""1 to 256 characters without NUL and unpaired surrogates."""

Cursor = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4096, pattern=r"^[\w=-]+$")]
"""An opaque place in a list, as an earlier answer gave it."""

Values = Annotated[list[Text], Field(min_length=1, max_length=MAX_VALUES)]
"""1 to 1,000 texts."""

IsoDate = Annotated[date, BeforeValidator(_is_text), Field(strict=False)]
"""``YYYY-MM-DD``."""

Number = Annotated[Decimal, BeforeValidator(_is_number), Field(allow_inf_nan=False, max_digits=60)]
"""A finite number; text such as ``"12.50"`` keeps every digit."""
