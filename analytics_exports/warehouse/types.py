"""DuckDB's types as plain values with their inner types."""

from dataclasses import dataclass
from functools import lru_cache

from duckdb import Error
from duckdb.sqltypes import DuckDBPyType


@dataclass(frozen=True, slots=True)
class DuckDBType:
    """The type of a column, or of something inside one.

    Attributes:
        name: In SQL, such as ``DECIMAL(18,2)``.
        kind: DuckDB's identifier of the family, such as ``decimal``; ``json`` apart from ``varchar``; ``unknown`` for a
            type that DuckDB cannot parse.
        fields: Fields of a struct; ``key`` and ``value`` of a map; the only ``child`` of a list or an array.
        precision: Digits of a DECIMAL.
        scale: Digits after the decimal point of a DECIMAL.
    """

    name: str
    kind: str
    fields: tuple[tuple[str, "DuckDBType"], ...] = ()
    precision: int = 0
    scale: int = 0

    @property
    def child(self) -> "DuckDBType":
        """The element type of a list or an array."""
        return self.fields[0][1]


VARCHAR = DuckDBType("VARCHAR", "varchar")

_WITH_FIELDS = frozenset({"array", "list", "map", "struct"})


@lru_cache(maxsize=4096)
def parse_type(name: str) -> DuckDBType:
    """The type with this name."""
    try:
        return _type(DuckDBPyType(name))
    except Error:
        return DuckDBType(name, "unknown")


def _type(known: DuckDBPyType) -> DuckDBType:
    if known.id == "decimal":
        precision, scale = (value for _, value in known.children if isinstance(value, int))
        return DuckDBType(str(known), known.id, precision=precision, scale=scale)
    if known.id in _WITH_FIELDS:
        fields = [(name, _type(field)) for name, field in known.children if isinstance(field, DuckDBPyType)]
        return DuckDBType(str(known), known.id, tuple(fields))
    return DuckDBType(str(known), "json" if str(known) == "JSON" else known.id)
