"""Field types that reject every value that a later stage could misread.

JSON parsers are lenient: numbers are accepted as dates, text as numbers, and text may contain NUL or unpaired
surrogates. These types accept one spelling of each value.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StrictBool, StrictInt, StringConstraints

MAX_TEXT = 256
MAX_VALUES = 1000
MAX_FILTERS = 20
MAX_COLUMNS = 1000

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")


def _plain(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("Text must not hold NUL or unpaired surrogates.")
    return value


def _is_date(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, str) or not DATE.fullmatch(value):
        raise ValueError("Write it as YYYY-MM-DD.")
    return value


def _is_instant(value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        raise ValueError("Write it as YYYY-MM-DDTHH:MM:SS with Z or an offset.")
    return value


def _is_number(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("Write it as a number, or as text to keep every digit.")  # noqa: TRY004 - as above
    return str(value) if isinstance(value, float) else value


Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=MAX_TEXT), AfterValidator(_plain)]
"""1 to 256 characters without NUL and unpaired surrogates."""

Cursor = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=4096, pattern=r"^[A-Za-z0-9_.=-]+$")]
"""An opaque cursor, as an earlier response returned it."""

AnyText = Annotated[str, StringConstraints(strict=True, max_length=MAX_TEXT), AfterValidator(_plain)]

OptionValue = AnyText | StrictBool | StrictInt
"""The value of a format option; the format itself validates it."""

Instant = Annotated[AwareDatetime, BeforeValidator(_is_instant), Field(strict=False)]
"""A date and time with the offset of its zone, ISO 8601."""

Values = Annotated[list[Text], Field(min_length=1, max_length=MAX_VALUES)]
"""1 to 1,000 texts."""

IsoDate = Annotated[date, BeforeValidator(_is_date), Field(strict=False)]
"""``YYYY-MM-DD``."""

Number = Annotated[Decimal, BeforeValidator(_is_number), Field(allow_inf_nan=False, max_digits=60)]
"""A finite number; text such as ``"12.50"`` keeps every digit."""
