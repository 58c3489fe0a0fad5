"""What a compiled query may look like, checked by parsing it.

One SELECT from one table: no join, union, subquery or common table expression. Its WHERE is a chain of ANDs in which
the owner's condition stands first, and the owner's parameter occurs nowhere else. Only a page has one more SELECT
around that, which renders and restricts nothing.
"""

import sqlglot
from sqlglot import expressions as exp

from analytics_exports.domain.dataset import Dataset
from analytics_exports.warehouse.compiler import Query
from analytics_exports.warehouse.identifiers import ROWS

ALLOWED = {"expressions", "from_", "where", "order", "limit", "offset", "group"}


def shape_is_right(query: Query, dataset: Dataset) -> None:
    """Raise AssertionError when ``query`` is of another shape."""
    (statement,) = sqlglot.parse(query.sql, read="duckdb")
    assert isinstance(statement, exp.Select)
    inner = _inside_rendering(statement)
    assert _clauses(inner) <= ALLOWED
    assert list(inner.find_all(exp.Query)) == [inner]
    (table,) = inner.find_all(exp.Table)
    relation = dataset.relation
    assert (table.catalog, table.db, table.name) == (relation.database, relation.schema, relation.name)
    assert all(identifier.quoted for identifier in table.find_all(exp.Identifier))
    _where_is_right(inner.args["where"].this, dataset)
    parameters = [placeholder.name for placeholder in statement.find_all(exp.Placeholder)]
    assert set(parameters) == set(query.params)
    assert parameters.count("owner") == 1


def _inside_rendering(statement: exp.Select) -> exp.Select:
    source = statement.args["from_"].this
    if not isinstance(source, exp.Subquery):
        return statement
    assert _clauses(statement) == {"expressions", "from_"}
    assert isinstance(source.this, exp.Select)
    return source.this


def _where_is_right(where: exp.Expression, dataset: Dataset) -> None:
    first, *_ = where.flatten() if isinstance(where, exp.And) else [where]
    assert isinstance(first, exp.EQ)
    column = first.this.this if isinstance(first.this, exp.Collate) else first.this
    assert isinstance(column, exp.Column)
    assert (column.table, column.name) == (ROWS, dataset.owner_column)
    assert isinstance(first.expression, exp.Cast)
    assert first.expression.this == exp.Placeholder(this="owner")
    assert not isinstance(where, exp.Or)
    assert [literal for literal in where.find_all(exp.Literal) if literal.is_string] == []


def _clauses(select: exp.Select) -> set[str]:
    return {name for name, value in select.args.items() if value}
