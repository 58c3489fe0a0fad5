"""Tables of a PostgreSQL warehouse, made from datasets and rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from analytics_exports.domain.dataset import Column, Relation

Connection = psycopg.Connection[Any]

_NAMES = {"VARCHAR": "text", "VARCHAR[]": "text[]", "DOUBLE": "double precision", "FLOAT": "real"}


def create(connection: Connection, relation: Relation, columns: Iterable[Column]) -> None:
    """Make the empty table."""
    place = sql.Identifier(relation.schema, relation.name)
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(relation.schema)))
    declared = [_column(column) for column in columns]
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(place, sql.SQL(", ").join(declared)))


def fill(connection: Connection, relation: Relation, rows: Iterable[Sequence[object]]) -> None:
    """Replace what the table holds."""
    place = sql.Identifier(relation.schema, relation.name)
    connection.execute(sql.SQL("TRUNCATE {}").format(place))
    with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} FROM STDIN").format(place)) as copy:
        for row in rows:
            copy.write_row(row)


def _column(column: Column) -> sql.Composable:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(_NAMES.get(column.type, column.type)))
