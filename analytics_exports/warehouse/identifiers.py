"""Quoting of identifiers and literals in SQL.

Values are never quoted: they are parameters. Only names from a checked dataset, and types from the warehouse, are.
"""

from analytics_exports.domain.dataset import Relation

ROWS = "<rows>"
"""The alias of the table in a query. Columns are qualified with it, so that no alias can shadow a column."""


def quote(name: str) -> str:
    """``name`` as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def field(struct: str, name: str) -> str:
    """SQL for one field of the expression ``struct``."""
    return f"struct_extract({struct}, {literal(name)})"


def literal(text: str) -> str:
    """``text`` as a string literal, where DuckDB takes no parameter: a path, or the name of a field."""
    return "'" + text.replace("'", "''") + "'"


def table_name(relation: Relation) -> str:
    """The three-part name of ``relation``; with all three parts no temporary object can shadow a table."""
    return f"{quote(relation.database)}.{quote(relation.schema)}.{quote(relation.name)}"


def column(name: str) -> str:
    """A column of the table of a query."""
    return f"{quote(ROWS)}.{quote(name)}"
