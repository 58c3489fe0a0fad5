"""Reading what Dagster logged about exports: publications, and runs that ended without a result.

One statement for all kinds at once, over Dagster's own definition of its table. Its API has a call for each kind, and
each would need a cursor of its own. What follows from an event belongs to ``services.readback``.
"""

import logging
from collections.abc import Sequence

from dagster import AssetKey, DagsterEventType, EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import deserialize_value
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from analytics_exports.domain.export import JobId
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.gateway.materialisation import from_metadata
from analytics_exports.ports import Materialised, RunEnded

logger = logging.getLogger(__name__)

PUBLISHED = DagsterEventType.ASSET_MATERIALIZATION
CANCELLED = DagsterEventType.RUN_CANCELED
FAILED = DagsterEventType.RUN_FAILURE

events = SqlEventLogStorageTable.c


def read(connection: Connection, after: int, limit: int) -> tuple[int, Sequence[Materialised | RunEnded]]:
    """The next events after the position ``after``, oldest first, and the position up to which that reads the log."""
    decisive = or_(_of_exports(), events.dagster_event_type.in_([FAILED.value, CANCELLED.value]))
    rows = connection.execute(
        select(events.id, events.event).where(events.id > after, decisive).order_by(events.id).limit(limit)
    ).all()
    found = [_event(row.id, deserialize_value(row.event, EventLogEntry)) for row in rows]
    return rows[-1].id if rows else after, [event for event in found if event]


def latest_publication(connection: Connection, job_id: JobId) -> Materialised | None:
    """The newest publication of one export."""
    mine = and_(_of_exports(), events.partition == str(job_id))
    row = connection.execute(select(events.id, events.event).where(mine).order_by(events.id.desc()).limit(1)).first()
    return _published(row.id, deserialize_value(row.event, EventLogEntry)) if row else None


def _of_exports() -> ColumnElement[bool]:
    asset = AssetKey(EXPORT_ASSET).to_string()
    return and_(events.dagster_event_type == PUBLISHED.value, events.asset_key == asset)


def _event(number: int, entry: EventLogEntry) -> Materialised | RunEnded | None:
    if entry.dagster_event_type is PUBLISHED:
        return _published(number, entry)
    return RunEnded(entry.run_id, cancelled=entry.dagster_event_type is CANCELLED)


def _published(number: int, entry: EventLogEntry) -> Materialised | None:
    event = entry.asset_materialization
    try:
        claim, artifact = from_metadata(event.metadata if event else {})
    except (KeyError, ValueError, TypeError):
        logger.warning("Materialisation %s of %s was not made by an export; ignored", number, EXPORT_ASSET)
        return None
    return Materialised(claim, artifact)
