"""The warehouse on PostgreSQL, with the same compiled queries.

    session    a read-only snapshot; what wraps the SELECT runs in a DuckDB of its own
    translate  the SELECT in PostgreSQL's dialect
    types      PostgreSQL's types by DuckDB's names
    warehouse  the port ``Warehouse``

So a value looks the same whichever engine it came from. Another engine needs the same modules: sqlglot writes its
dialect, and the isolation and equality suites show where that is not sufficient.
"""

from analytics_exports.warehouse.postgres.warehouse import PostgresWarehouse

__all__ = ["PostgresWarehouse"]
