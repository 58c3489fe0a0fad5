"""The Orchestrator port on a Dagster deployment.

What Dagster keeps is read and written over its own definitions of its tables, in the schema beside ours of the same
database: one statement, on this service's connections, which fail at once when the database is away. Stopping a run
needs the instance, because the run launcher it is configured with knows how.
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
from analytics_exports.gateway import DRAIN_JOB, EXPORT_JOB, PARTITIONS, SCHEMA, event_log, pruning
from analytics_exports.ports import InProgress, LoggedEvent, Materialised, Orchestrator
from analytics_exports.reconnecting import reconnecting, unavailable_when_away

IN_PROGRESS = [status.value for status in NOT_FINISHED_STATUSES]

SENSORS = "SENSOR"
"""Dagster's name of the daemon that runs sensors."""

SILENCE = timedelta(minutes=2)
"""How long the daemon may be silent; it reports every half a minute."""


@runtime_checkable
class KnowsItsWorkers(Protocol):
    """A run launcher that can say how its workers are; Dagster's own have no such method."""

    def problem(self) -> str | None:
        """Why they cannot work now, for operators; ``None`` when they can."""


@reconnecting(Orchestrator)
class DagsterGateway:
    """Implements ``ports.Orchestrator``. Methods raise DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, engine: Engine, instance: Callable[[], DagsterInstance], retry_seconds: float = 0) -> None:
        """Reach the deployment whose tables are in the database of ``engine``.

        Args:
            instance: Makes its Dagster instance; called when it is first needed.
            retry_seconds: For how long a method is repeated while PostgreSQL is away.
        """
        self.retry_seconds = retry_seconds
        self._engine = engine.execution_options(schema_translate_map={None: SCHEMA}, isolation_level="AUTOCOMMIT")
        self._instance = cache(instance)

    def register(self, job_ids: Collection[JobId]) -> None:
        """Make these exports partitions of the export asset."""
        rows = [{"partitions_def_name": PARTITIONS, "partition": str(job_id)} for job_id in job_ids]
        if rows:
            with self._storage() as connection:
                connection.execute(insert(DynamicPartitionsTable).values(rows).on_conflict_do_nothing())

    def forget(self, job_ids: Collection[JobId]) -> None:
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
        """Raise OrchestratorUnavailable with what the run launcher says of its workers, if it can say something."""
        try:
            with unavailable_when_away():
                launcher = self._instance().run_launcher
        except DagsterHomeNotSetError:  # an API by itself: it is told nothing of run launchers
            return
        if isinstance(launcher, KnowsItsWorkers) and (problem := launcher.problem()):
            raise OrchestratorUnavailable(problem)

    def in_progress(self) -> InProgress:
        """How many runs of sensors' there are now. Those of backfills wait behind them."""
        drains = func.count().filter(RunsTable.c.pipeline_name == DRAIN_JOB)
        ours = RunsTable.c.pipeline_name.in_([EXPORT_JOB, DRAIN_JOB])
        counted = select(func.count(), drains).where(RunsTable.c.status.in_(IN_PROGRESS), ours)
        with self._storage() as connection:
            return InProgress(*connection.execute(counted).one())

    def events(self, after: int, limit: int) -> Sequence[LoggedEvent]:
        """The next events logged after position ``after``."""
        with self._storage() as connection:
            return event_log.read(connection, after, limit)

    def event(self, position: int) -> LoggedEvent | None:
        """The event at this position."""
        with self._storage() as connection:
            return next(iter(event_log.read(connection, position - 1, 1, up_to=position)), None)

    def materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest publication of one export."""
        with self._storage() as connection:
            return event_log.latest_publication(connection, job_id)

    @contextmanager
    def _storage(self) -> Iterator[Connection]:
        with unavailable_when_away(), self._engine.connect() as connection:
            yield connection
