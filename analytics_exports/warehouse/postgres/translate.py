"""A compiled query in PostgreSQL's dialect.

sqlglot translates most of it; the rules here are for expressions with another meaning in PostgreSQL, so that
comparisons stay exact: text is compared by its bytes, types without a counterpart as text, and NaN is distinguished
from numbers.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import sqlglot
from sqlglot import expressions as exp

from analytics_exports.warehouse.compiler import OWNER, Query

_TEXT, _TEXTS = exp.DataType.build("text"), exp.DataType.build("text[]", dialect="postgres")
_AS_TEXT = {"VARCHAR": _TEXT, "VARCHAR[]": _TEXTS, "JSON": _TEXT}
NO_TEXT = "\0"


def translate(query: Query, types: Mapping[str, str]) -> tuple[str, dict[str, object]]:
    """The SELECT of ``query`` in the syntax of PostgreSQL and psycopg, and its parameters.

    Args:
        types: DuckDB's type name of each column of the table.
    """
    sql = _translated(query.inner or query.sql, tuple(sorted(types.items())))
    return sql, {name: _storable(value) for name, value in query.params.items()}


@lru_cache(maxsize=256)
def _translated(sql: str, types: tuple[tuple[str, str], ...]) -> str:
    by_name = MappingProxyType(dict(types))
    tree = sqlglot.parse_one(sql, read="duckdb")
    _name_columns(tree)
    for node in reversed(list(tree.walk())):  # the inner ones first
        changed = _change(node, by_name)
        if changed is not node:
            node.replace(changed)
    return tree.sql(dialect="postgres")


def _change(node: exp.Expr, types: Mapping[str, str]) -> exp.Expr:
    if isinstance(node, exp.Column):
        return _column(node, types)
    if isinstance(node, exp.Anonymous):
        return _FUNCTIONS[node.name.lower()](node)
    change = _CHANGES.get(type(node))
    return change(node) if change else node


def _name_columns(tree: exp.Expr) -> None:
    """Let a converted column keep its name."""
    tree.set(
        "expressions",
        [
            exp.alias_(item, item.name, quoted=True) if isinstance(item, exp.Column) else item
            for item in tree.expressions
        ],
    )


def _column(node: exp.Column, types: Mapping[str, str]) -> exp.Expr:
    known = types.get(node.name, "")
    return exp.Cast(this=node.copy(), to=_AS_TEXT[known].copy()) if known in _AS_TEXT else node


def _collate(node: exp.Expr) -> exp.Expr:
    return exp.Collate(this=node.this, expression=exp.to_identifier("C", quoted=True))


def _is_nan(node: exp.Expr) -> exp.Expr:
    nan = exp.Cast(this=exp.Literal.string("NaN"), to=exp.DataType.build("double"))
    return exp.Paren(this=exp.EQ(this=node.this, expression=nan))


def _try_cast(node: exp.Expr) -> exp.Expr:
    """PostgreSQL raises an error for text that is not a value of the type, so the text is validated first."""
    to = node.args["to"]
    if to.is_type("ubigint"):  # a hash, which is text in PostgreSQL
        return exp.Cast(this=node.this, to=_TEXT.copy())
    valid = exp.Anonymous(
        this="pg_input_is_valid",
        expressions=[exp.Cast(this=node.this.copy(), to=_TEXT.copy()), exp.Literal.string(to.sql(dialect="postgres"))],
    )
    return exp.Case(ifs=[exp.If(this=valid, true=exp.Cast(this=node.this, to=to))])


def _group(node: exp.Expr) -> exp.Expr:
    """A count is grouped by the owner."""
    return exp.Group(expressions=[exp.to_identifier(OWNER, quoted=True)]) if node.args.get("all") else node


def _hash(node: exp.Anonymous) -> exp.Expr:
    row = exp.Cast(this=exp.Anonymous(this="ROW", expressions=node.expressions), to=_TEXT.copy())
    return _collate(exp.Collate(this=exp.Anonymous(this="md5", expressions=[row])))


def _size(node: exp.Anonymous) -> exp.Expr:
    return exp.Anonymous(this="octet_length", expressions=node.expressions)


_CHANGES: Mapping[type[exp.Expr], Callable[[exp.Expr], exp.Expr]] = {
    exp.Collate: _collate,
    exp.Group: _group,
    exp.IsNan: _is_nan,
    exp.TryCast: _try_cast,
}
_FUNCTIONS: Mapping[str, Callable[[exp.Anonymous], exp.Expr]] = {"hash": _hash, "strlen": _size}


def _storable(value: object) -> object:
    """``value``, or one that matches nothing in place of text that PostgreSQL cannot store."""
    if isinstance(value, list):
        return [item for item in value if not (isinstance(item, str) and NO_TEXT in item)]
    return None if isinstance(value, str) and NO_TEXT in value else value
