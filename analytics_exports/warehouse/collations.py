"""Finds text columns with a collation, which DuckDB reports only in table definitions.

An empty temporary table is created from the columns, and its definition is read: this works for views as well.
"""

import re
from collections.abc import Mapping, Sequence

import duckdb

from analytics_exports.domain.dataset import Relation
from analytics_exports.warehouse.identifiers import quote, table_name

_COLLATED = re.compile(r'"?c(\d+)"? VARCHAR COLLATE "?([\w.]+)"?')
_SCRATCH = "collated_columns"


def collations(connection: duckdb.DuckDBPyConnection, relation: Relation, names: Sequence[str]) -> Mapping[str, str]:
    """The collations of those of the VARCHAR columns ``names`` that have one, by name.

    Args:
        connection: To be used inside ``domain_errors``, like any query.
    """
    if not names:
        return {}
    columns = ", ".join(f"{quote(name)} AS c{number}" for number, name in enumerate(names))
    made = f"CREATE OR REPLACE TEMP TABLE {_SCRATCH} AS SELECT {columns} FROM {table_name(relation)} LIMIT 0"  # noqa: S608 - names are quoted
    connection.execute(made)
    definition = "SELECT sql FROM duckdb_tables() WHERE temporary AND table_name = $name"
    ((sql,),) = connection.execute(definition, {"name": _SCRATCH}).fetchall()
    return {names[int(number)]: collation for number, collation in _COLLATED.findall(sql)}
