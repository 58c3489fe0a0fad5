"""The port ``JobStore`` on PostgreSQL, in its three roles: owners, workers, maintenance.

Each method is retried while PostgreSQL is away (``reconnecting``). A method that would do something else the second
time first checks what became of the previous try.
"""

from analytics_exports.database.maintenance_jobs import PostgresMaintenanceJobs
from analytics_exports.database.owner_jobs import PostgresOwnerJobs
from analytics_exports.database.worker_jobs import PostgresWorkerJobs
from analytics_exports.ports import JobStore
from analytics_exports.reconnecting import reconnecting


@reconnecting(JobStore, excluding=(JobStore.create, JobStore.lease_pending, JobStore.claim, JobStore.publishing))
class PostgresJobStore(PostgresOwnerJobs, PostgresWorkerJobs, PostgresMaintenanceJobs):
    """Implements ``ports.JobStore``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""
