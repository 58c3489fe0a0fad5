"""Rows out of DuckDB: the only package that compiles SQL and opens the warehouse.

    compiler ─ conditions ─ values    a selection becomes one SELECT, restricted to one owner
             ─ paging                 the order of rows, and cursors
             ─ frames, json_values    each DuckDB type as Polars and as JSON can carry it
    connection ─ identity ─ spill     a private, hardened, read-only DuckDB for each reading
    scan                              batches on a helper thread, each checked to be the owner's alone
    answers                           pages, counts and estimates, checked in the same way
    adapter                           the port ``Warehouse``

Only the composition root imports it: duckdb, polars and pyarrow are loaded here. Building the warehouse with dbt is
``build``. Writing files belongs to ``artifacts``.
"""

from analytics_exports.warehouse.adapter import DuckDBWarehouse

__all__ = ["DuckDBWarehouse"]
