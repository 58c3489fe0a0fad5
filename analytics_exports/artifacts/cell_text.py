"""Values as text in cells of CSV and XLSX, as Polars expressions.

Text is unchanged, as are UUIDs, intervals and everything else that is text in the frame. Dates and times follow the
request's style, blobs are hexadecimal digits, nested values are JSON. Numbers and booleans keep their types: the format
spells them. NULL stays NULL.
"""

import polars as pl

from analytics_exports.artifacts.layout import Field
from analytics_exports.encoding.json_values import to_json
from analytics_exports.encoding.times import TEMPORAL, TimeStyle


def cell_text(field: Field, style: TimeStyle) -> pl.Expr:
    """The cells of a column, under its name."""
    value, dtype = pl.col(field.name), field.dtype
    if isinstance(dtype, TEMPORAL):
        return style.text(value, dtype)
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("hex")
    if dtype.is_nested():
        return pl.when(value.is_not_null()).then(to_json(value, dtype, field.type))
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return value.cast(pl.String)
    return value
