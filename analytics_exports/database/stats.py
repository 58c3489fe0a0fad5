"""The port ``Stats`` on the jobs table and its audit trail.

Every statement reads partial indexes or the newest rows, so that a scrape costs as much as there are files, however
many jobs there were. Changes become visible when their transaction commits, not in the order of their ids, so they are
read with a short delay.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, text

from analytics_exports.ports.stats import FinishedExport, QueueSnapshot
from analytics_exports.reconnecting import unavailable_when_away

SETTLED = "2 seconds"
"""Transactions on the jobs table commit sooner than this."""

SNAPSHOT = text("""
    SELECT (SELECT count(*) FROM jobs WHERE status = 'pending') AS pending,
           (SELECT extract(epoch FROM now() - min(created_at)) FROM jobs WHERE status = 'pending') AS pending_seconds,
           (SELECT count(*) FROM jobs WHERE status = 'running') AS running,
           (SELECT count(*) FROM skipped_events) AS skipped_events,
           kept.files, kept.bytes AS file_bytes, overdue.seconds AS overdue_seconds
    FROM (SELECT count(*) AS files, coalesce(sum(file_bytes), 0) AS bytes
          FROM jobs WHERE status = 'completed') AS kept,
         (SELECT extract(epoch FROM now() - min(expires_at)) AS seconds FROM (
            (SELECT expires_at FROM jobs WHERE status = 'completed' ORDER BY expires_at LIMIT 1)
            UNION ALL
            SELECT expires_at FROM jobs WHERE status = 'expired' AND file_removed_at IS NULL
         ) AS due) AS overdue
""")

LATEST_POSITION = text("SELECT coalesce(max(id), 0) FROM job_events")

FINISHED = text(f"""
    SELECT event.id, event.from_status, event.to_status, coalesce(event.reason, '') AS code,
           extract(epoch FROM event.at - jobs.started_at) AS seconds,
           extract(epoch FROM jobs.started_at - jobs.created_at) AS waited_seconds,
           coalesce((jobs.metadata->>'row_count')::bigint, 0) AS rows,
           coalesce((jobs.metadata->>'file_size_bytes')::bigint, 0) AS bytes
    FROM job_events AS event JOIN jobs ON jobs.id = event.job_id
    WHERE event.id > :after AND event.at < clock_timestamp() - interval '{SETTLED}'
    ORDER BY event.id LIMIT :limit
""")  # noqa: S608 - a constant


class PostgresStats:
    """Implements ``ports.Stats``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def __init__(self, engine: Engine) -> None:
        """Read the database of ``engine``."""
        self._engine = engine

    def snapshot(self) -> QueueSnapshot:
        """The current state."""
        with unavailable_when_away(), self._engine.connect() as connection:
            row = connection.execute(SNAPSHOT).one()
        return QueueSnapshot(
            pending=row.pending,
            pending_seconds=float(row.pending_seconds or 0),
            running=row.running,
            files=row.files,
            file_bytes=int(row.file_bytes),
            skipped_events=row.skipped_events,
            overdue_seconds=max(0.0, float(row.overdue_seconds or 0)),
        )

    def latest_position(self) -> int:
        """The position of the newest change."""
        with unavailable_when_away(), self._engine.connect() as connection:
            return int(connection.execute(LATEST_POSITION).scalar_one())

    def finished_after(self, after: int, limit: int) -> tuple[int, Sequence[FinishedExport]]:
        """Attempts and exports that ended after position ``after``."""
        with unavailable_when_away(), self._engine.connect() as connection:
            rows = connection.execute(FINISHED, {"after": after, "limit": limit}).all()
        ends = [row for row in rows if row.from_status in ("pending", "running") and row.to_status != "running"]
        return rows[-1].id if rows else after, [
            FinishedExport(
                status=row.to_status,
                code="" if row.to_status == "completed" else row.code,
                seconds=float(row.seconds) if row.from_status == "running" and row.seconds is not None else None,
                waited_seconds=None if row.waited_seconds is None else float(row.waited_seconds),
                rows=row.rows if row.to_status == "completed" else 0,
                bytes=row.bytes if row.to_status == "completed" else 0,
            )
            for row in ends
        ]
