"""Analytics Exports: self-service bulk exports from any dbt + DuckDB warehouse.

A request becomes a row in the PostgreSQL ``jobs`` table and a dynamic partition of one Dagster asset; a sensor
materialises the partition; an IO manager writes a Polars frame to a file; the API completes the row from Dagster's
event log and serves the file to its owner.

    __main__                           ``python -m analytics_exports``
    cli                                the command line
    development                        the embedded PostgreSQL and the demonstration
    definitions                        what Dagster loads
    api | orchestration | stack        HTTP; assets, sensors and run workers; the processes of one machine
    bootstrap                          makes the adapters from the settings, and wires the services
    settings | observability           environment variables; logs
    services                           the use cases
    catalogue, warehouse, artifacts, database, gateway, identity, worker_pool, client, web
                                       dbt, DuckDB, files, PostgreSQL, Dagster, JSON Web Tokens; processes that
                                       make runs; the Python client; the web page
    encoding | reconnecting | child_process
                                       values as JSON and text; retries after a lost connection; child processes that
                                       end with their parent
    ports | contract                   interfaces of the adapters; models of the HTTP interface
    domain                             types and rules of exports, on the standard library alone

``setup.cfg`` has the same layers as import contracts, which ``make check`` enforces.
"""

from pathlib import Path

_INSTALLED = Path(__file__).with_name("_project")

PROJECT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1]
"""Where ``alembic/``, ``dagster.yaml``, ``workspace.yaml`` and ``demo/`` are: in a wheel, or on top of a checkout."""
