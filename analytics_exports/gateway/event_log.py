"""Reads what Dagster logged about exports: publications, and runs that ended without a result.

One statement reads all kinds of events, through Dagster's own definition of its table: Dagster's API has one call for
each kind, each with a cursor of its own. What follows from an event belongs to ``services.event_log_projection``.
"""

import logging
from collections.abc import Sequence

from dagster import AssetKey, DagsterEventType, EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import deserialize_value
from sqlalchemy import ColumnElement, Connection, and_, or_, select

from analytics_exports.domain.export import JobId
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.gateway.materialisation import from_metadata, is_of_an_export
from analytics_exports.ports import LoggedEvent, Materialised, RunEnded

logger = logging.getLogger(__name__)

PUBLISHED = DagsterEventType.ASSET_MATERIALIZATION
CANCELLED = DagsterEventType.RUN_CANCELED
FAILED = DagsterEventType.RUN_FAILURE

events = SqlEventLogStorageTable.c


def read_events(connection: Connection, after: int, limit: int, up_to: int | None = None) -> Sequence[LoggedEvent]:
    """The events after position ``after``, oldest first. One that cannot be read says so and does not hide others.

    Args:
        up_to: The last position to read; the end of the log by default.
    """
    decisive = or_(_of_exports(), events.dagster_event_type.in_([FAILED.value, CANCELLED.value]))
    within = events.id > after if up_to is None else events.id.between(after + 1, up_to)
    rows = connection.execute(select(events.id, events.event).where(within, decisive).order_by(events.id).limit(limit))
    return [_logged(row.id, row.event) for row in rows]


def latest_materialisation(connection: Connection, job_id: JobId) -> Materialised | None:
    """The newest publication of an export, if it can be read."""
    mine = and_(_of_exports(), events.partition == str(job_id))
    row = connection.execute(select(events.id, events.event).where(mine).order_by(events.id.desc()).limit(1)).first()
    event = _logged(row.id, row.event).event if row else None
    return event if isinstance(event, Materialised) else None


def _of_exports() -> ColumnElement[bool]:
    asset = AssetKey(EXPORT_ASSET).to_string()
    return and_(events.dagster_event_type == PUBLISHED.value, events.asset_key == asset)


def _logged(position: int, stored: str) -> LoggedEvent:
    """Decode a stored event, which may be of another version of Dagster, or damaged."""
    try:
        return LoggedEvent(position, _event(position, deserialize_value(stored, EventLogEntry)))
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not hide the other events
        return LoggedEvent(position, None, problem=type(error).__qualname__)


def _event(number: int, entry: EventLogEntry) -> Materialised | RunEnded | None:
    if entry.dagster_event_type is PUBLISHED:
        return _published(number, entry)
    return RunEnded(entry.run_id, cancelled=entry.dagster_event_type is CANCELLED)


def _published(number: int, entry: EventLogEntry) -> Materialised | None:
    event = entry.asset_materialization
    if event is None or not is_of_an_export(event.metadata):
        logger.warning("Materialisation %s of %s was not made by an export; ignored", number, EXPORT_ASSET)
        return None
    return Materialised(*from_metadata(event.metadata))
