"""As what each value appears in a cell of CSV or XLSX, as Polars expressions.

Text is itself, and so are UUIDs, intervals and whatever else travels as text. Dates and times are as the request's
style says, blobs are hexadecimal digits, nested values are JSON. Numbers and booleans keep their types: how they are
spelled is the format's business. NULL stays NULL.
"""

import polars as pl

from analytics_exports.artifacts.json_values import to_json
from analytics_exports.artifacts.layout import Field
from analytics_exports.artifacts.times import TEMPORAL, TimeStyle


def cell(field: Field, style: TimeStyle) -> pl.Expr:
    """The cells of a column, under its name."""
    value, dtype = pl.col(field.name), field.dtype
    if isinstance(dtype, TEMPORAL):
        return style.text(value, dtype)
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("hex")
    if dtype.is_nested():
        return pl.when(value.is_not_null()).then(to_json(value, dtype, field.kind))
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return value.cast(pl.String)
    return value
