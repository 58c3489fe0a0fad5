"""The Orchestrator port on a Dagster instance."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    EventLogRecord,
    RunStatusChangeRecordsFilter,
)
from sqlalchemy.exc import DBAPIError

from analytics_exports.domain.errors import DatabaseUnavailable, OrchestratorUnavailable
from analytics_exports.domain.export import JobId
from analytics_exports.gateway import EXPORT_ASSET, PARTITIONS
from analytics_exports.gateway.materialisation import from_metadata
from analytics_exports.ports import Materialised, RunEnded

logger = logging.getLogger(__name__)

SENSORS = "SENSOR"
"""Dagster's name of the daemon that runs sensors."""

FAILED: Literal[DagsterEventType.RUN_FAILURE] = DagsterEventType.RUN_FAILURE
CANCELLED: Literal[DagsterEventType.RUN_CANCELED] = DagsterEventType.RUN_CANCELED


def pooled_instance() -> DagsterInstance:
    """The instance of ``DAGSTER_HOME``, its storages on pools: by default they open a connection for each statement."""
    instance = DagsterInstance.get()
    instance.optimize_for_webserver(statement_timeout=30_000, pool_recycle=3600, max_overflow=10)
    return instance


class DagsterGateway:
    """Implements ``ports.Orchestrator``. Methods raise DatabaseUnavailable when Dagster's storage does not answer."""

    def __init__(self, instance: DagsterInstance) -> None:
        """Reach into the Dagster deployment of ``instance``."""
        self._instance = instance

    def register(self, job_ids: Iterable[JobId]) -> None:
        """Make these exports partitions of the export asset."""
        with _unavailable_when_away():
            self._instance.add_dynamic_partitions(PARTITIONS, [str(job_id) for job_id in job_ids])

    def forget(self, job_ids: Iterable[JobId]) -> None:
        """Remove the partitions of these exports."""
        with _unavailable_when_away():
            for job_id in job_ids:
                self._instance.delete_dynamic_partition(PARTITIONS, str(job_id))

    def terminate(self, run_id: str) -> None:
        """Ask for a run to stop."""
        with _unavailable_when_away():
            run = self._instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                self._instance.run_coordinator.cancel_run(run_id)

    def check(self) -> None:
        """Raise OrchestratorUnavailable unless the sensor daemon has reported within Dagster's own tolerance."""
        with _unavailable_when_away():
            status = self._instance.get_daemon_statuses(daemon_types=[SENSORS]).get(SENSORS)
        if status is None or not status.healthy:
            raise OrchestratorUnavailable

    def materialisations(self, after: int, limit: int) -> tuple[int, Sequence[Materialised]]:
        """The next publications logged after position ``after``, and the position up to which that reads the log."""
        newer = AssetRecordsFilter(AssetKey(EXPORT_ASSET), after_storage_id=after)
        records = self._fetch(newer, limit, ascending=True)
        position = records[-1].storage_id if records else after
        return position, [event for record in records if (event := _materialised(record))]

    def materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest publication of one export."""
        newest = AssetRecordsFilter(AssetKey(EXPORT_ASSET), asset_partitions=[str(job_id)])
        return next((_materialised(record) for record in self._fetch(newest, limit=1, ascending=False)), None)

    def ended_runs(self, after: int, limit: int) -> tuple[int, Sequence[RunEnded]]:
        """The next runs that failed or were cancelled, and the position up to which that reads the log."""
        with _unavailable_when_away():
            records = [
                record
                for ending in (FAILED, CANCELLED)
                for record in self._instance.fetch_run_status_changes(
                    RunStatusChangeRecordsFilter(event_type=ending, after_storage_id=after), limit, ascending=True
                ).records
            ]
        page = sorted(records, key=lambda record: record.storage_id)[:limit]
        return page[-1].storage_id if page else after, [_ended(record) for record in page]

    def _fetch(self, which: AssetRecordsFilter, limit: int, *, ascending: bool) -> Sequence[EventLogRecord]:
        with _unavailable_when_away():
            return self._instance.fetch_materializations(which, limit, ascending=ascending).records


def _materialised(record: EventLogRecord) -> Materialised | None:
    event = record.asset_materialization
    try:
        claim, artifact = from_metadata(event.metadata if event else {})
    except (KeyError, ValueError, TypeError):
        logger.warning("Materialisation %s of %s was not made by an export; ignored", record.storage_id, EXPORT_ASSET)
        return None
    return Materialised(claim, artifact)


def _ended(record: EventLogRecord) -> RunEnded:
    entry = record.event_log_entry
    return RunEnded(entry.run_id, cancelled=entry.dagster_event_type is CANCELLED)


@contextmanager
def _unavailable_when_away() -> Iterator[None]:
    try:
        yield
    except DBAPIError:
        raise DatabaseUnavailable from None
