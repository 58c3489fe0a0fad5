"""Analytics Exports: self-service bulk exports from any dbt + DuckDB warehouse.

A request becomes a row in the PostgreSQL ``jobs`` table and a dynamic partition of one Dagster asset; a sensor
materialises the partition; an IO manager writes a Polars frame to a file; the API reads the materialisation back and
serves the file to its owner.

    cli | definitions                  entry points
    api | orchestration | stack        HTTP, Dagster, the local processes
    bootstrap                          the one composition root
    settings | observability
    services | adapters                the verbs; catalogue, warehouse, artifacts, database, gateway, client, web
    ports | contract                   Protocols in domain words; the wire models
    domain                             plain values and rules
"""

from pathlib import Path

_INSTALLED = Path(__file__).with_name("_project")

PROJECT = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[1]
"""Where ``alembic/``, ``dagster.yaml``, ``workspace.yaml`` and ``demo/`` are: in a wheel, or on top of a checkout."""
