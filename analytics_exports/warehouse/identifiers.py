"""Quoting: how names and literals enter SQL text.

Values never do: they are parameters. Only names from a checked dataset and types from the warehouse come through here.
"""

from analytics_exports.domain.dataset import Relation

ROWS = "<rows>"
"""What a query calls its table. Columns are qualified with it, so that no alias can take a column's place."""


def quote(name: str) -> str:
    """``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def field(struct: str, name: str) -> str:
    """SQL for one field of the expression ``struct``."""
    return f"struct_extract({struct}, {literal(name)})"


def literal(text: str) -> str:
    """``text`` as a string literal, where DuckDB takes no parameter: a path, a name of a field."""
    return "'" + text.replace("'", "''") + "'"


def table(relation: Relation) -> str:
    """The three-part name of ``relation``. All three, so that no temporary object can take a table's place."""
    return f"{quote(relation.database)}.{quote(relation.schema)}.{quote(relation.name)}"


def column(name: str) -> str:
    """A column of the table of a query."""
    return f"{quote(ROWS)}.{quote(name)}"
