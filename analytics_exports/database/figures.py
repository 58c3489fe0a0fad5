"""The port ``Figures`` on the jobs table and its audit trail.

Every statement reads partial indexes or the newest rows, so that a scrape costs the same at a thousand jobs and at ten
million. Changes become visible when their transaction ends, in another order than their ids: they are read a moment
late.
"""

from collections.abc import Sequence

from sqlalchemy import Engine, text

from analytics_exports.ports.figures import Ended, Stock
from analytics_exports.reconnecting import unavailable_when_away

SETTLED = "2 seconds"
"""Transactions of the jobs table end sooner than that."""

STOCK = text("""
    SELECT (SELECT count(*) FROM jobs WHERE status = 'pending') AS pending,
           (SELECT extract(epoch FROM now() - min(created_at)) FROM jobs WHERE status = 'pending') AS pending_seconds,
           (SELECT count(*) FROM jobs WHERE status = 'running') AS running,
           (SELECT count(*) FROM skipped_events) AS skipped_events,
           kept.files, kept.bytes AS file_bytes, overdue.seconds AS overdue_seconds
    FROM (SELECT count(*) AS files, coalesce(sum((metadata->>'file_size_bytes')::bigint), 0) AS bytes
          FROM jobs WHERE status = 'completed') AS kept,
         (SELECT extract(epoch FROM now() - min(expires_at)) AS seconds FROM (
            (SELECT expires_at FROM jobs WHERE status = 'completed' ORDER BY expires_at LIMIT 1)
            UNION ALL
            SELECT expires_at FROM jobs WHERE status = 'expired' AND file_removed_at IS NULL
         ) AS due) AS overdue
""")

NEWEST = text("SELECT coalesce(max(id), 0) FROM job_events")

ENDED = text(f"""
    SELECT event.id, event.from_status, event.to_status, coalesce(event.reason, '') AS code,
           extract(epoch FROM event.at - jobs.started_at) AS seconds,
           extract(epoch FROM jobs.started_at - jobs.created_at) AS waited_seconds,
           coalesce((jobs.metadata->>'row_count')::bigint, 0) AS rows,
           coalesce((jobs.metadata->>'file_size_bytes')::bigint, 0) AS bytes
    FROM job_events AS event JOIN jobs ON jobs.id = event.job_id
    WHERE event.id > :after AND event.at < clock_timestamp() - interval '{SETTLED}'
    ORDER BY event.id LIMIT :limit
""")  # noqa: S608 - a constant


class PostgresFigures:
    """Implements ``ports.Figures``. Methods raise DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, engine: Engine) -> None:
        """Count in the database that ``engine`` connects to."""
        self._engine = engine

    def stock(self) -> Stock:
        """How things stand now."""
        with unavailable_when_away(), self._engine.connect() as connection:
            row = connection.execute(STOCK).one()
        return Stock(
            pending=row.pending,
            pending_seconds=float(row.pending_seconds or 0),
            running=row.running,
            files=row.files,
            file_bytes=int(row.file_bytes),
            skipped_events=row.skipped_events,
            overdue_seconds=max(0.0, float(row.overdue_seconds or 0)),
        )

    def newest(self) -> int:
        """The position of the newest change."""
        with unavailable_when_away(), self._engine.connect() as connection:
            return int(connection.execute(NEWEST).scalar_one())

    def ended(self, after: int, limit: int) -> tuple[int, Sequence[Ended]]:
        """Attempts and exports that ended after position ``after``."""
        with unavailable_when_away(), self._engine.connect() as connection:
            rows = connection.execute(ENDED, {"after": after, "limit": limit}).all()
        ends = [row for row in rows if row.from_status in ("pending", "running") and row.to_status != "running"]
        return rows[-1].id if rows else after, [
            Ended(
                status=row.to_status,
                code="" if row.to_status == "completed" else row.code,
                seconds=float(row.seconds) if row.from_status == "running" and row.seconds is not None else None,
                waited_seconds=None if row.waited_seconds is None else float(row.waited_seconds),
                rows=row.rows if row.to_status == "completed" else 0,
                bytes=row.bytes if row.to_status == "completed" else 0,
            )
            for row in ends
        ]
