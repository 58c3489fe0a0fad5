"""Dates and times as text.

ISO 8601 unless a request asks for another format: ``2024-01-31``, ``23:59:59.500``, ``2024-01-31T23:59:59``, and for
TIMESTAMPTZ ``Z`` or an offset. A fraction has three, six or nine digits, or is omitted when it is zero. Values outside
the calendar, such as DuckDB's infinite dates, are ``infinity`` and ``-infinity``. Times of day go up to ``24:00:00``.
"""

from dataclasses import dataclass
from typing import cast

import polars as pl

_DAYS = 95_000_000
"""Polars can format dates up to so many days before and after 1970, about 260,000 years."""

DAY_UNITS = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
"""Length of a day, by time unit."""

_LARGEST = 2**63 - 1

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
    """

    date: str = "%Y-%m-%d"
    timestamp: str = "%Y-%m-%dT%H:%M:%S%.f"
    timezone: str = "UTC"
    offset: bool = True

    def text(self, value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        """``value``, of a temporal type, as text."""
        if isinstance(dtype, pl.Date):
            return _bounded(value, value.to_physical(), _DAYS, self.date)
        if not isinstance(dtype, pl.Datetime):
            return _time_of_day(value, cast("pl.Duration", dtype))
        limit = min(_DAYS * DAY_UNITS[dtype.time_unit], _LARGEST - 1)
        return _bounded(self._zoned(value, dtype), value.to_physical(), limit, self.timestamp + self._suffix(dtype))

    def _zoned(self, value: pl.Expr, dtype: pl.Datetime) -> pl.Expr:
        moved = dtype.time_zone is not None and dtype.time_zone != self.timezone
        return value.dt.convert_time_zone(self.timezone) if moved else value

    def _suffix(self, dtype: pl.Datetime) -> str:
        if dtype.time_zone is None or not self.offset:
            return ""
        return "Z" if self.timezone == "UTC" else "%:z"


ISO = TimeStyle()


def _time_of_day(value: pl.Expr, dtype: pl.Duration) -> pl.Expr:
    number, day = value.to_physical(), DAY_UNITS[dtype.time_unit]
    named = (number * (DAY_UNITS["ns"] // day)).cast(pl.Time, strict=False).dt.strftime("%H:%M:%S%.f")
    return pl.when(number == day).then(pl.lit("24:00:00")).otherwise(named)


def _bounded(value: pl.Expr, number: pl.Expr, limit: int, format: str) -> pl.Expr:
    """``value`` in this format where ``number`` is within the limit, infinity beyond it."""
    inside = pl.when(number.is_between(-limit, limit)).then(value).dt.strftime(format)
    beyond = pl.when(number > limit).then(pl.lit("infinity")).when(number < -limit).then(pl.lit("-infinity"))
    return beyond.otherwise(inside)
