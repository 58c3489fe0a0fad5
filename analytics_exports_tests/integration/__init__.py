"""Real PostgreSQL, real DuckDB, real Dagster, in this process."""
