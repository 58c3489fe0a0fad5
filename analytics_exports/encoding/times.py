"""Dates and times as text.

ISO 8601 unless a request asks for another format: ``2024-01-31``, ``23:59:59.500``, ``2024-01-31T23:59:59``, and for
TIMESTAMPTZ ``Z`` or an offset. A fraction has three, six or nine digits, or is omitted when it is zero. Years after
9999 have a ``+``; 1 BC is the year 0, as in astronomy. DuckDB's infinite dates are ``infinity`` and ``-infinity``.
Times of day go up to ``24:00:00``.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import polars as pl

_DAYS = 95_000_000
"""Polars can format dates up to so many days before and after 1970, about 260,000 years."""

DAY_UNITS = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
"""Length of a day, by time unit."""

_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097
"""After so many years the Gregorian calendar repeats itself, days of the week included."""

_YEAR = "\x1f"
"""In place of a year; no format that a request may ask for contains it."""

TEMPORAL = pl.Date | pl.Datetime | pl.Duration
"""The types of dates and times; a time of day is the duration since midnight."""


@dataclass(frozen=True, slots=True)
class TimeStyle:
    """How dates and times are written.

    Attributes:
        date: Format of DATE, in directives of ``strftime``.
        timestamp: Format of TIMESTAMP, and of the local part of TIMESTAMPTZ.
        timezone: IANA name of the zone in which TIMESTAMPTZ is written.
        offset: Whether TIMESTAMPTZ includes its offset from UTC.
        ordinary: Whether all values are known to be ``are_ordinary``; they are formatted several times faster.
    """

    date: str = "%Y-%m-%d"
    timestamp: str = "%Y-%m-%dT%H:%M:%S%.f"
    timezone: str = "UTC"
    offset: bool = True
    ordinary: bool = False

    def text(self, value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        """``value``, of a temporal type, as text."""
        formatted = _formatted_plainly if self.ordinary else _formatted
        if isinstance(dtype, pl.Date):
            return formatted(value, dtype, self.date, None)
        if not isinstance(dtype, pl.Datetime):
            return _time_of_day(value, cast("pl.Duration", dtype))
        zone = None if dtype.time_zone in (None, self.timezone) else self.timezone
        return formatted(value, dtype, self.timestamp + self._suffix(dtype), zone)

    def _suffix(self, dtype: pl.Datetime) -> str:
        if dtype.time_zone is None or not self.offset:
            return ""
        return "Z" if self.timezone == "UTC" else "%:z"


ISO = TimeStyle()


def are_ordinary(columns: Iterable[pl.Series]) -> bool:
    """Whether Polars can format all dates and timestamps of these columns: none is infinite or too far from 1970."""
    return all(isinstance(column.dtype, pl.Duration) or _within_limits(column) for column in columns)


def _within_limits(column: pl.Series) -> bool:
    numbers, limit = column.cast(pl.Int64), _limit(cast("pl.Date | pl.Datetime", column.dtype))
    low, high = cast("int | None", numbers.min()), cast("int | None", numbers.max())
    return low is None or high is None or (low >= -limit and high <= limit)


def _time_of_day(value: pl.Expr, dtype: pl.Duration) -> pl.Expr:
    number, day = value.to_physical(), DAY_UNITS[dtype.time_unit]
    named = (number * (DAY_UNITS["ns"] // day)).cast(pl.Time, strict=False).dt.strftime("%H:%M:%S%.f")
    return pl.when(number == day).then(pl.lit("24:00:00")).otherwise(named)


def _formatted_plainly(value: pl.Expr, _: pl.Date | pl.Datetime, format: str, zone: str | None) -> pl.Expr:
    """Ordinary values in this format, in the time zone ``zone`` if one is given."""
    return _zoned(value, zone).dt.strftime(format)


def _formatted(value: pl.Expr, dtype: pl.Date | pl.Datetime, format: str, zone: str | None) -> pl.Expr:
    """Any values in this format, in the time zone ``zone`` if one is given."""
    number, infinity, limit = value.to_physical(), _infinity(dtype), _limit(dtype)
    near = number.is_between(-limit, limit)
    text = _formatted_plainly(pl.when(near).then(value), dtype, format, zone)
    if limit < infinity - 1:
        text = pl.when(near).then(text).otherwise(_far(pl.when(~near).then(number), dtype, format, zone))
    infinite = pl.when(number >= infinity).then(pl.lit("infinity")).when(number <= -infinity).then(pl.lit("-infinity"))
    return infinite.otherwise(text)


def _far(number: pl.Expr, dtype: pl.Date | pl.Datetime, format: str, zone: str | None) -> pl.Expr:
    """Text of stored numbers that Polars cannot format: that of the same day in another cycle, with the right year."""
    cycle = _CYCLE_DAYS * _day(dtype)
    moment = _zoned((number % cycle).cast(dtype), zone)
    year = moment.dt.year() + number // cycle * _CYCLE_YEARS
    spelled = pl.when(year > 0).then(pl.lit("+")).otherwise(pl.lit("")) + year.cast(pl.String)
    text = moment.dt.strftime(format.replace("%F", "%Y-%m-%d").replace("%Y", _YEAR))
    return text.str.replace_all(_YEAR, spelled.fill_null(""), literal=True)


def _infinity(dtype: pl.Date | pl.Datetime) -> int:
    """The stored number of DuckDB's ``infinity``."""
    return 2**63 - 1 if isinstance(dtype, pl.Datetime) else 2**31 - 1


def _limit(dtype: pl.Date | pl.Datetime) -> int:
    """The largest stored number that Polars can format."""
    return min(_DAYS * _day(dtype), _infinity(dtype) - 1)


def _day(dtype: pl.Date | pl.Datetime) -> int:
    """Length of a day in the unit of the stored number."""
    return DAY_UNITS[dtype.time_unit] if isinstance(dtype, pl.Datetime) else 1


def _zoned(moment: pl.Expr, zone: str | None) -> pl.Expr:
    return moment if zone is None else moment.dt.convert_time_zone(zone)
