"""Reading rows from the warehouse: the only package that compiles and executes SQL on it.

    adapter          the port ``Warehouse``, for any engine and for DuckDB
    build            builds the warehouse with dbt, and counts the rows of its tables
    checked_queries  pages, counts and estimates, each row verified
    compiler         a selection to one SELECT, restricted to one owner
    conditions       the conditions of its WHERE
    connection       a private, hardened, read-only DuckDB for each reading, kept open between readings
    duckdb_session   one reading over such a connection, and the meaning of its errors
    file_identity    detects whether a file was overwritten
    frames           how each DuckDB type is represented in a frame; Arrow batches as frames
    identifiers      quoting
    paging           the order of rows, and cursors
    postgres         the port ``Warehouse`` on PostgreSQL
    ranges           reading a large table in ranges
    run_dbt          the dbt process
    scan             reads rows in a helper thread, each batch verified
    session          what an engine has to provide
    sources          a DuckDB file, or a folder of Parquet files
    spill            folders for data that does not fit into memory
    values           ids and numbers as parameters of a column's type

Only the composition root imports it: it loads duckdb, polars and pyarrow, and ``postgres`` loads psycopg and sqlglot.
Writing files belongs to ``artifacts``.
"""

from analytics_exports.warehouse.adapter import DuckDBWarehouse

__all__ = ["DuckDBWarehouse"]
