"""Which values a spreadsheet can hold as numbers, and how.

Its numbers have 15 digits. Its dates are days since 1900 with a 29 February 1900 that never was, so the calendar begins
here on 1 March of that year, and it ends with the year 9999.
"""

from dataclasses import dataclass

import polars as pl

from analytics_exports.artifacts.findings import Finding
from analytics_exports.artifacts.layout import Field
from analytics_exports.artifacts.times import A_DAY, TimeStyle
from analytics_exports.artifacts.writers.workbook import MOST_DECIMALS, Style

_DIGITS = 15
_EPOCH = 25_569
"""1970-01-01 in a spreadsheet's count of days."""

_FIRST_DAY, _PAST_DAYS = 61 - _EPOCH, 2_958_466 - _EPOCH
"""1900-03-01 and 10000-01-01, in days after 1970-01-01."""

_LARGEST = 2**63 - 1
"""As a timestamp: infinity."""


@dataclass(frozen=True, slots=True)
class Number:
    """A column of values that are numbers in a spreadsheet.

    Attributes:
        text: The values as text of a number.
        attributes: Of the cells, as XML.
        suspect: Quickly, which values may have to be text; ``None`` when there never are any.
        odd: Exactly, which values have to be text.
        finding: What readers are told of those.
    """

    text: pl.Expr
    attributes: pl.Expr
    suspect: pl.Expr | None = None
    odd: pl.Expr | None = None
    finding: Finding | None = None


def as_number(field: Field, style: TimeStyle) -> Number | None:
    """How the values of a column are numbers; ``None`` when they are not."""
    value, dtype = pl.col(field.name), field.dtype
    if isinstance(dtype, pl.Boolean):
        return Number(value.cast(pl.Int8).cast(pl.String), pl.lit(' t="b"'))
    if isinstance(dtype, pl.Decimal):
        return _decimal(value, dtype)
    if dtype.is_float():
        return Number(value.cast(pl.String), pl.lit(""), ~value.is_finite(), ~value.is_finite())
    if dtype.is_integer():
        odd = ~value.is_between(-(10**_DIGITS) + 1, 10**_DIGITS - 1)
        return Number(value.cast(pl.String), pl.lit(""), odd, odd, Finding.LONG_NUMBERS)
    return _temporal(value, dtype, style)


def _temporal(value: pl.Expr, dtype: pl.DataType, style: TimeStyle) -> Number | None:
    if isinstance(dtype, pl.Date):
        odd = ~_in_calendar(value)
        days = (value.to_physical() + _EPOCH).cast(pl.String)
        return Number(days, _styled(Style.DATE), odd, odd, Finding.FAR_DATES)
    if isinstance(dtype, pl.Duration):
        return _time(value, dtype)
    return _timestamp(value, dtype, style) if isinstance(dtype, pl.Datetime) else None


def _decimal(value: pl.Expr, dtype: pl.Decimal) -> Number:
    scale = dtype.scale
    text, attributes = value.cast(pl.String), _styled(Style.decimal(min(scale, MOST_DECIMALS)))
    if dtype.precision <= _DIGITS:
        return Number(text, attributes)
    significant = text.str.strip_chars_end("0") if scale else text
    digits = significant.str.strip_chars_start("-0.").str.replace(".", "", literal=True).str.len_bytes()
    suspect = value.cast(pl.Float64).abs() >= 0.9 * 10.0 ** (_DIGITS - scale)
    return Number(text, attributes, suspect, digits > _DIGITS, Finding.LONG_NUMBERS)


def _time(value: pl.Expr, dtype: pl.Duration) -> Number:
    number, day = value.to_physical(), A_DAY[dtype.time_unit]
    second = day // 86_400
    attributes = pl.when(number % second == 0).then(_styled(Style.TIME)).otherwise(_styled(Style.TIME_MS))
    return Number((number / day).cast(pl.String), attributes, number == day, number == day, Finding.FAR_DATES)


def _timestamp(value: pl.Expr, dtype: pl.Datetime, style: TimeStyle) -> Number:
    day = A_DAY[dtype.time_unit]
    odd = ~_in_calendar(value, day)
    local: pl.Expr = pl.when(~odd).then(value)
    if dtype.time_zone is not None:
        local = local.dt.convert_time_zone(style.timezone).dt.replace_time_zone(None)
    days = local.to_physical() / day + _EPOCH
    attributes = _with_fraction(local, Style.TIMESTAMP, Style.TIMESTAMP_MS)
    return Number(days.cast(pl.String), attributes, odd, odd, Finding.FAR_DATES)


def _in_calendar(value: pl.Expr, per_day: int = 1) -> pl.Expr:
    past = min(_PAST_DAYS * per_day, _LARGEST)
    return value.to_physical().is_between(max(_FIRST_DAY * per_day, -_LARGEST + 1), past, closed="left")


def _with_fraction(value: pl.Expr, whole: Style, fraction: Style) -> pl.Expr:
    return pl.when(value.dt.nanosecond() == 0).then(_styled(whole)).otherwise(_styled(fraction))


def _styled(style: int) -> pl.Expr:
    return pl.lit(f' s="{int(style)}"')
