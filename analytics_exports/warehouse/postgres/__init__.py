"""Rows out of PostgreSQL, by the same compiled queries.

    translate ─ types   the one SELECT of a query in PostgreSQL's dialect
    session             a read-only snapshot; what is around the SELECT runs in a DuckDB of its own
    warehouse           the port ``Warehouse``

So a value looks the same whichever engine it came from. Another engine is these modules once more: sqlglot writes its
dialect, and the isolation and equality suites say where that is not enough.
"""

from analytics_exports.warehouse.postgres.warehouse import PostgresWarehouse

__all__ = ["PostgresWarehouse"]
