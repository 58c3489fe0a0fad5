"""A database as after weeks of use: many exports, most of them ended, and many live partitions, each with its event."""

from sqlalchemy import Engine, text

STATEMENTS = (
    "SET LOCAL session_replication_role = replica",
    "SET LOCAL statement_timeout = 0",
    """
    INSERT INTO jobs (user_id, owner_key, entity_id, status, metadata, attempt, created_at, started_at, completed_at,
                      expires_at, file_removed_at)
    SELECT user_id, owner_key, entity_id, CASE WHEN live THEN 'completed' ELSE 'expired' END, metadata, 1,
           now() - age, now() - age, now() - age, now() - age + interval '1 day',
           CASE WHEN live THEN NULL ELSE now() END
    FROM (
        SELECT number <= :partitions AS live,
               CASE WHEN number <= :partitions THEN interval '23 hours' ELSE interval '30 days' END * random()
               + CASE WHEN number <= :partitions THEN interval '0' ELSE interval '1 day' END AS age
        FROM generate_series(1, :rows) AS number
    ) AS series CROSS JOIN (SELECT * FROM jobs WHERE id = :like) AS template
    """,
    """
    INSERT INTO dagster.dynamic_partitions (partitions_def_name, partition)
    SELECT 'exports', id::text FROM jobs WHERE status = 'completed' ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO dagster.event_logs (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)
    SELECT run_id, event, dagster_event_type, timestamp, step_key, asset_key, jobs.id::text
    FROM jobs CROSS JOIN (
        SELECT * FROM dagster.event_logs WHERE partition = :like AND dagster_event_type = 'ASSET_MATERIALIZATION'
    ) AS template WHERE status = 'completed' AND jobs.id <> CAST(:like AS uuid)
    """,
    "UPDATE cursors SET position = (SELECT max(id) FROM dagster.event_logs)",
)


def fill(engine: Engine, like: str, partitions: int, rows: int) -> None:
    """Add exports like the completed one ``like``: ``rows`` in all, of which ``partitions`` still have a file."""
    values = {"like": like, "partitions": partitions, "rows": rows}
    with engine.begin() as connection:
        for statement in STATEMENTS:
            wanted = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), wanted)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in ("jobs", "dagster.dynamic_partitions", "dagster.event_logs"):
            connection.execute(text(f"VACUUM ANALYZE {table}"))
