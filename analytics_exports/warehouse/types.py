"""DuckDB's types as plain values, so that the rest of the package can look inside them."""

from dataclasses import dataclass
from functools import lru_cache

from duckdb import Error
from duckdb.sqltypes import DuckDBPyType


@dataclass(frozen=True, slots=True)
class Type:
    """A type of a column, or of something inside one.

    Attributes:
        name: As SQL spells it, such as ``DECIMAL(18,2)``.
        kind: DuckDB's identifier of the family, such as ``decimal``; ``json`` apart from ``varchar``; ``unknown`` for a
            type that DuckDB cannot parse.
        fields: Of a struct its fields; of a map ``key`` and ``value``; of a list or an array its only ``child``.
        precision: Digits of a DECIMAL.
        scale: Digits after the point of a DECIMAL.
    """

    name: str
    kind: str
    fields: tuple[tuple[str, "Type"], ...] = ()
    precision: int = 0
    scale: int = 0

    @property
    def child(self) -> "Type":
        """The type of the elements of a list or an array."""
        return self.fields[0][1]


VARCHAR = Type("VARCHAR", "varchar")

_WITH_FIELDS = frozenset({"array", "list", "map", "struct"})


@lru_cache(maxsize=4096)
def parse(name: str) -> Type:
    """The type that DuckDB calls ``name``."""
    try:
        return _type(DuckDBPyType(name))
    except Error:
        return Type(name, "unknown")


def _type(known: DuckDBPyType) -> Type:
    if known.id == "decimal":
        precision, scale = (value for _, value in known.children if isinstance(value, int))
        return Type(str(known), known.id, precision=precision, scale=scale)
    if known.id in _WITH_FIELDS:
        fields = [(name, _type(field)) for name, field in known.children if isinstance(field, DuckDBPyType)]
        return Type(str(known), known.id, tuple(fields))
    return Type(str(known), "json" if str(known) == "JSON" else known.id)
