"""Rows out of the warehouse: the only package that compiles SQL and opens it.

    compiler ─ conditions ─ values    a selection becomes one SELECT, restricted to one owner
             ─ paging                 the order of rows, and cursors
             ─ frames, json_values    each DuckDB type as Polars and as JSON can carry it
    session                           what an engine has to offer
    connection ─ spill                a private, hardened, read-only DuckDB for each reading
               ─ sources ─ identity   a file or a folder of Parquet files, and which version of it is read
    scan                              batches on a helper thread, each checked to be the owner's alone
    answers                           pages, counts and estimates, checked in the same way
    adapter                           the port ``Warehouse``
    postgres                          the same out of PostgreSQL

Only the composition root imports it: duckdb, polars and pyarrow are loaded here, psycopg and sqlglot in ``postgres``.
Building the warehouse with dbt is ``build``. Writing files belongs to ``artifacts``.
"""

from analytics_exports.warehouse.adapter import DuckDBWarehouse

__all__ = ["DuckDBWarehouse"]
