"""The port ``Orchestrator`` on a Dagster deployment.

Dagster's tables are read and written through its own definitions of them, in a schema of the same database: one
statement on this service's connections, which fail at once when the database is away. Only terminating a run needs the
Dagster instance, because its run launcher knows how.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Protocol, runtime_checkable

from dagster import DagsterInstance
from dagster._core.errors import DagsterHomeNotSetError
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.schema import DynamicPartitionsTable
from dagster._core.storage.runs.schema import DaemonHeartbeatsTable, RunsTable
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from analytics_exports.domain.errors import OrchestratorUnavailable
from analytics_exports.domain.export import JobId
from analytics_exports.gateway import BATCH_JOB, EXPORT_JOB, PARTITIONS, SCHEMA, event_log, pruning
from analytics_exports.ports import ActiveRuns, LoggedEvent, Materialised, Orchestrator
from analytics_exports.reconnecting import reconnecting, unavailable_when_away

IN_PROGRESS = [status.value for status in NOT_FINISHED_STATUSES]

SENSORS = "SENSOR"
"""Dagster's name of the daemon that runs sensors."""

ADD_PARTITION = insert(DynamicPartitionsTable).on_conflict_do_nothing()

SILENCE = timedelta(minutes=2)
"""How long the daemon may be silent; it reports every 30 seconds."""


@runtime_checkable
class ReportsWorkerHealth(Protocol):
    """A run launcher that can report the state of its workers; Dagster's own launchers cannot."""

    def problem(self) -> str | None:
        """Why the workers cannot run, for operators; ``None`` when they can."""


@reconnecting(Orchestrator)
class DagsterGateway:
    """Implements ``ports.Orchestrator``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def __init__(self, engine: Engine, instance: Callable[[], DagsterInstance], retry_seconds: float = 0) -> None:
        """Use the deployment whose tables are in the database of ``engine``.

        Args:
            instance: Makes its Dagster instance; called when first needed.
            retry_seconds: How long a method is repeated while PostgreSQL is away.
        """
        self.retry_seconds = retry_seconds
        self._engine = engine.execution_options(schema_translate_map={None: SCHEMA}, isolation_level="AUTOCOMMIT")
        self._instance = cache(instance)

    def add_partitions(self, job_ids: Collection[JobId]) -> None:
        """Make these exports partitions of the export asset."""
        rows = [{"partitions_def_name": PARTITIONS, "partition": str(job_id)} for job_id in job_ids]
        if rows:
            with self._storage() as connection:
                connection.execute(ADD_PARTITION, rows)

    def delete_history(self, job_ids: Collection[JobId]) -> None:
        """Remove the partitions of these exports with their history."""
        with self._storage() as connection:
            pruning.delete_history(connection, [str(job_id) for job_id in job_ids])

    def prune(self, age: timedelta) -> None:
        """Remove what is older than ``age`` and was left over."""
        with self._storage() as connection:
            while pruning.prune(connection, age):
                pass

    def terminate(self, run_id: str) -> None:
        """Request the termination of a run for a single export. A batch run finds cancelled exports by itself."""
        with unavailable_when_away():
            run = self._instance().get_run_by_id(run_id)
            if run is not None and not run.is_finished and PARTITION_NAME_TAG in run.tags:
                self._instance().run_coordinator.cancel_run(run_id)

    def check(self) -> None:
        """Raise OrchestratorUnavailable unless the daemon that runs sensors has reported lately."""
        beat = DaemonHeartbeatsTable.c
        lately = beat.timestamp > func.timezone("UTC", func.now()) - SILENCE
        with self._storage() as connection:
            if connection.scalar(select(beat.id).where(beat.daemon_type == SENSORS, lately)) is None:
                raise OrchestratorUnavailable

    def check_workers(self) -> None:
        """Raise OrchestratorUnavailable with what the run launcher reports of its workers, if it can."""
        try:
            with unavailable_when_away():
                launcher = self._instance().run_launcher
        except DagsterHomeNotSetError:  # an API without a Dagster instance
            return
        if isinstance(launcher, ReportsWorkerHealth) and (problem := launcher.problem()):
            raise OrchestratorUnavailable(problem)

    def active_runs(self) -> ActiveRuns:
        """The current numbers of runs. Runs of backfills are not counted."""
        batches = func.count().filter(RunsTable.c.pipeline_name == BATCH_JOB)
        ours = RunsTable.c.pipeline_name.in_([EXPORT_JOB, BATCH_JOB])
        counted = select(func.count(), batches).where(RunsTable.c.status.in_(IN_PROGRESS), ours)
        with self._storage() as connection:
            return ActiveRuns(*connection.execute(counted).one())

    def events(self, after: int, limit: int) -> Sequence[LoggedEvent]:
        """The next events logged after position ``after``."""
        with self._storage() as connection:
            return event_log.read_events(connection, after, limit)

    def event(self, position: int) -> LoggedEvent | None:
        """The event at this position."""
        with self._storage() as connection:
            return next(iter(event_log.read_events(connection, position - 1, 1, up_to=position)), None)

    def latest_materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest publication of one export."""
        with self._storage() as connection:
            return event_log.latest_materialisation(connection, job_id)

    @contextmanager
    def _storage(self) -> Iterator[Connection]:
        with unavailable_when_away(), self._engine.connect() as connection:
            yield connection
