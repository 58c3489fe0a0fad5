"""The pending exports, for everything that launches or makes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.errors import StorageFull, StorageUnavailable, Unavailable
from analytics_exports.domain.export import Launch
from analytics_exports.ports import ArtifactStore, Orchestrator, WorkerJobs


@dataclass(frozen=True, slots=True)
class LaunchQueue:
    """Leases pending exports. Each has its partition before anybody launches it.

    Attributes:
        ttl: How long a leased export may wait to be claimed before it is leased again.
    """

    jobs: WorkerJobs
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    ttl: timedelta

    def lease(self, limit: int) -> Sequence[Launch]:
        """Lease at most ``limit`` exports; none while no file can be written, so that they wait instead of failing.

        Raises:
            DatabaseUnavailable, OrchestratorUnavailable: nothing is leased.
        """
        if not self._can_store():
            return ()
        launches = self.jobs.lease_pending(limit, self.ttl)
        if launches:
            try:
                self.orchestrator.add_partitions([launch.job_id for launch in launches])
            except Unavailable:
                self.jobs.unlease(launches)
                raise
        return launches

    def unlease(self, launches: Collection[Launch]) -> None:
        """Return leased exports that will not be claimed."""
        self.jobs.unlease(launches)

    def _can_store(self) -> bool:
        try:
            self.artifacts.check()
        except (StorageFull, StorageUnavailable):
            return False
        return True
