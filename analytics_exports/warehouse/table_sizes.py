"""Row counts of all tables of a freshly built warehouse, for operators."""

from pathlib import Path

import duckdb

from analytics_exports.warehouse.identifiers import literal

TABLES = """
    SELECT schema_name, table_name, estimated_size FROM duckdb_tables()
    WHERE database_name = 'warehouse' ORDER BY schema_name, table_name
"""


def table_sizes(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, int]:
    """Rows of each table of the file at ``path``, by ``schema.table``.

    Args:
        connection: Any connection without a database named ``warehouse``; the file is attached to it read-only, so that
            neither a build nor an export meets a lock.
    """
    connection.execute(f"ATTACH {literal(str(path))} AS warehouse (READ_ONLY)")
    return {f"{schema}.{table}": rows for schema, table, rows in connection.execute(TABLES).fetchall()}
