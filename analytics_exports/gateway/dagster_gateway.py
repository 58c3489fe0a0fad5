"""The Orchestrator port on a Dagster instance."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from dagster import DagsterInstance
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from analytics_exports.domain.errors import DatabaseUnavailable, OrchestratorUnavailable
from analytics_exports.domain.export import JobId
from analytics_exports.gateway import PARTITIONS, event_log, pruning
from analytics_exports.ports import Materialised, RunEnded

SENSORS = "SENSOR"
"""Dagster's name of the daemon that runs sensors."""


class DagsterGateway:
    """Implements ``ports.Orchestrator``. Methods raise DatabaseUnavailable when Dagster's storage does not answer."""

    def __init__(self, instance: DagsterInstance) -> None:
        """Reach into the Dagster deployment of ``instance``, whose storage is a database."""
        self._instance = instance

    def register(self, job_ids: Iterable[JobId]) -> None:
        """Make these exports partitions of the export asset."""
        with _unavailable_when_away():
            self._instance.add_dynamic_partitions(PARTITIONS, [str(job_id) for job_id in job_ids])

    def forget(self, job_ids: Iterable[JobId]) -> None:
        """Remove the partitions of these exports with their history."""
        with self._storage() as connection:
            pruning.forget(connection, [str(job_id) for job_id in job_ids])

    def prune(self, age: timedelta) -> None:
        """Remove what is older than ``age`` and was left over."""
        with self._storage() as connection:
            while pruning.prune(connection, age):
                pass

    def terminate(self, run_id: str) -> None:
        """Ask for a run to stop, if it is for one export; one that makes many looks itself which are cancelled."""
        with _unavailable_when_away():
            run = self._instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished and PARTITION_NAME_TAG in run.tags:
                self._instance.run_coordinator.cancel_run(run_id)

    def check(self) -> None:
        """Raise OrchestratorUnavailable unless the sensor daemon has reported within Dagster's own tolerance."""
        with _unavailable_when_away():
            status = self._instance.get_daemon_statuses(daemon_types=[SENSORS]).get(SENSORS)
        if status is None or not status.healthy:
            raise OrchestratorUnavailable

    def events(self, after: int, limit: int) -> tuple[int, Sequence[Materialised | RunEnded]]:
        """The next events logged after position ``after``, and the position up to which that reads the log."""
        with self._storage() as connection:
            return event_log.read(connection, after, limit)

    def materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest publication of one export."""
        with self._storage() as connection:
            return event_log.latest_publication(connection, job_id)

    @contextmanager
    def _storage(self) -> Iterator[Connection]:
        """A connection to Dagster's tables."""
        log = self._instance.event_log_storage
        if not isinstance(log, SqlEventLogStorage):
            raise TypeError(type(log).__name__)
        with _unavailable_when_away(), log.index_connection() as connection:
            yield connection


@contextmanager
def _unavailable_when_away() -> Iterator[None]:
    try:
        yield
    except DBAPIError:
        raise DatabaseUnavailable from None
