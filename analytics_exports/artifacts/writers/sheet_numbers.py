"""Which values a spreadsheet can represent as numbers, and how.

Its numbers have 15 digits. Its dates are days since 1900, with a 29 February 1900 that did not exist, so the calendar
used here begins on 1 March 1900, and it ends with the year 9999.
"""

from dataclasses import dataclass

import polars as pl

from analytics_exports.artifacts.layout import Field
from analytics_exports.artifacts.warning_collector import WarningCode
from analytics_exports.artifacts.writers.workbook import MAX_DECIMALS, Style
from analytics_exports.encoding.times import DAY_UNITS, TimeStyle

_DIGITS = 15
_EPOCH = 25_569
"""1970-01-01 as a spreadsheet's day number."""

_FIRST_DAY, _PAST_DAYS = 61 - _EPOCH, 2_958_466 - _EPOCH
"""1900-03-01 and 10000-01-01, in days after 1970-01-01."""

_LARGEST = 2**63 - 1
"""Infinity as a timestamp."""


@dataclass(frozen=True, slots=True)
class NumberCells:
    """A column of values that are numbers in a spreadsheet.

    Attributes:
        text: The values as text of a number.
        attributes: XML attributes of the cells.
        may_be_unrepresentable: A fast test for values that may have to be text; ``None`` when there never are any.
        unrepresentable: The exact test for values that have to be text.
        warning: The warning about these values.
    """

    text: pl.Expr
    attributes: pl.Expr
    may_be_unrepresentable: pl.Expr | None = None
    unrepresentable: pl.Expr | None = None
    warning: WarningCode | None = None


def as_number(field: Field, style: TimeStyle) -> NumberCells | None:
    """The values of a column as numbers; ``None`` when they are not numbers."""
    value, dtype = pl.col(field.name), field.dtype
    if isinstance(dtype, pl.Boolean):
        return NumberCells(value.cast(pl.Int8).cast(pl.String), pl.lit(' t="b"'))
    if isinstance(dtype, pl.Decimal):
        return _decimal(value, dtype)
    if dtype.is_float():
        return NumberCells(value.cast(pl.String), pl.lit(""), ~value.is_finite(), ~value.is_finite())
    if dtype.is_integer():
        odd = ~value.is_between(-(10**_DIGITS) + 1, 10**_DIGITS - 1)
        return NumberCells(value.cast(pl.String), pl.lit(""), odd, odd, WarningCode.LONG_NUMBERS)
    return _temporal(value, dtype, style)


def _temporal(value: pl.Expr, dtype: pl.DataType, style: TimeStyle) -> NumberCells | None:
    if isinstance(dtype, pl.Date):
        odd = ~_in_calendar(value)
        days = (value.to_physical() + _EPOCH).cast(pl.String)
        return NumberCells(days, _styled(Style.DATE), odd, odd, WarningCode.FAR_DATES)
    if isinstance(dtype, pl.Duration):
        return _time(value, dtype)
    return _timestamp(value, dtype, style) if isinstance(dtype, pl.Datetime) else None


def _decimal(value: pl.Expr, dtype: pl.Decimal) -> NumberCells:
    scale = dtype.scale
    text, attributes = value.cast(pl.String), _styled(Style.decimal(min(scale, MAX_DECIMALS)))
    if dtype.precision <= _DIGITS:
        return NumberCells(text, attributes)
    significant = text.str.strip_chars_end("0") if scale else text
    digits = significant.str.strip_chars_start("-0.").str.replace(".", "", literal=True).str.len_bytes()
    suspect = value.cast(pl.Float64).abs() >= 0.9 * 10.0 ** (_DIGITS - scale)
    return NumberCells(text, attributes, suspect, digits > _DIGITS, WarningCode.LONG_NUMBERS)


def _time(value: pl.Expr, dtype: pl.Duration) -> NumberCells:
    number, day = value.to_physical(), DAY_UNITS[dtype.time_unit]
    second = day // 86_400
    attributes = pl.when(number % second == 0).then(_styled(Style.TIME)).otherwise(_styled(Style.TIME_MS))
    return NumberCells((number / day).cast(pl.String), attributes, number == day, number == day, WarningCode.FAR_DATES)


def _timestamp(value: pl.Expr, dtype: pl.Datetime, style: TimeStyle) -> NumberCells:
    day = DAY_UNITS[dtype.time_unit]
    odd = ~_in_calendar(value, day)
    local: pl.Expr = pl.when(~odd).then(value)
    if dtype.time_zone is not None:
        local = local.dt.convert_time_zone(style.timezone).dt.replace_time_zone(None)
    days = local.to_physical() / day + _EPOCH
    attributes = _with_fraction(local, Style.TIMESTAMP, Style.TIMESTAMP_MS)
    return NumberCells(days.cast(pl.String), attributes, odd, odd, WarningCode.FAR_DATES)


def _in_calendar(value: pl.Expr, per_day: int = 1) -> pl.Expr:
    past = min(_PAST_DAYS * per_day, _LARGEST)
    return value.to_physical().is_between(max(_FIRST_DAY * per_day, -_LARGEST + 1), past, closed="left")


def _with_fraction(value: pl.Expr, whole: Style, fraction: Style) -> pl.Expr:
    return pl.when(value.dt.nanosecond() == 0).then(_styled(whole)).otherwise(_styled(fraction))


def _styled(style: int) -> pl.Expr:
    return pl.lit(f' s="{int(style)}"')
