"""All adapters in memory, and what owners and workers do on them: the base of the tests of services."""

from datetime import timedelta

from analytics_exports.domain.access import Principal
from analytics_exports.domain.export import Claim, ExportJob, JobId, Launch, Status
from analytics_exports.ports import Materialised
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports.services.production import Producer, artifact_key
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.directory import FakeDirectory
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator
from analytics_exports_tests.fakes.warehouse import FakeWarehouse

LEASE, LAUNCH_TTL = timedelta(seconds=20), timedelta(seconds=60)


class FakeAdapters:
    """Adapters in memory that offer one dataset, which is empty."""

    def __init__(self, warehouse: FakeWarehouse | None = None) -> None:
        self.dataset = factories.dataset()
        self.catalogue = FakeCatalogue([self.dataset])
        self.warehouse = warehouse or FakeWarehouse()
        self.warehouse.load(self.dataset, [])
        self.directory = FakeDirectory()
        self.jobs = FakeJobStore()
        self.artifacts = FakeArtifactStore()
        self.orchestrator = FakeOrchestrator()

    def launch_queue(self) -> LaunchQueue:
        return LaunchQueue(self.jobs, self.artifacts, self.orchestrator, LAUNCH_TTL)

    def producer(self) -> Producer:
        return Producer(self.catalogue, self.warehouse, self.jobs, self.artifacts, LEASE, max_attempts=3)

    def pending(self, count: int = 1, user: Principal | None = None, **changes: object) -> list[JobId]:
        """New exports of one user; ``changes`` are those of their requests."""
        owner = user or factories.principal()
        return [self.jobs.create(owner, factories.request(**changes)).id for _ in range(count)]

    def lease(self, count: int) -> list[Launch]:
        """What a sensor launches."""
        return list(self.jobs.lease_pending(count, LAUNCH_TTL))

    def running(self, run_id: str = "run") -> Claim:
        """A new export that a worker has claimed."""
        (job_id,) = self.pending()
        self.lease(1000)
        return self.jobs.claim(job_id, run_id, LEASE)[1]

    def publish(self, claim: Claim) -> str:
        """What a worker does when it has written a file. Returns where the file is."""
        key = artifact_key(self.job(claim.job_id))
        self.artifacts.files[key] = b""
        self.orchestrator.log.append(Materialised(claim, factories.artifact()))
        return key

    def cancel(self, job_id: JobId) -> None:
        assert self.jobs.cancel(self.job(job_id).user_id, job_id)

    def job(self, job_id: JobId) -> ExportJob:
        return self.jobs.rows[job_id].job

    def status(self, job_id: JobId) -> Status:
        return self.job(job_id).status
