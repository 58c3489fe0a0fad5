"""The ports between the use cases and the outside: narrow Protocols in domain terms.

    data          Catalogue, Warehouse
    directory     Directory, UserStore, TokenStore
    files         ArtifactStore
    jobs          JobStore in three roles, Signal, Notifications
    orchestrator  Orchestrator
    stats         Stats

Each has a real adapter in the package and an in-memory one in the tests; one behaviour suite runs on both. Only
signatures and guarantees belong here, nothing that depends on a library. Rows are passed in batches, as Polars frames;
Polars is imported for type checking only.
"""

from analytics_exports.ports.data import (
    SOURCES_VARIABLE,
    BuildFailed,
    BuildReport,
    Catalogue,
    Estimate,
    OnStart,
    Page,
    Rows,
    Scan,
    Warehouse,
)
from analytics_exports.ports.directory import Directory, TokenStore, UserExists, UserStore
from analytics_exports.ports.files import ArtifactStore, Staging, StoredFile
from analytics_exports.ports.jobs import JobStore, MaintenanceJobs, Notifications, OwnerJobs, Signal, WorkerJobs
from analytics_exports.ports.orchestrator import ActiveRuns, LoggedEvent, Materialised, Orchestrator, RunEnded
from analytics_exports.ports.stats import FinishedExport, QueueSnapshot, Stats

__all__ = [
    "SOURCES_VARIABLE",
    "ActiveRuns",
    "ArtifactStore",
    "BuildFailed",
    "BuildReport",
    "Catalogue",
    "Directory",
    "Estimate",
    "FinishedExport",
    "JobStore",
    "LoggedEvent",
    "MaintenanceJobs",
    "Materialised",
    "Notifications",
    "OnStart",
    "Orchestrator",
    "OwnerJobs",
    "Page",
    "QueueSnapshot",
    "Rows",
    "RunEnded",
    "Scan",
    "Signal",
    "Staging",
    "Stats",
    "StoredFile",
    "TokenStore",
    "UserExists",
    "UserStore",
    "Warehouse",
    "WorkerJobs",
]
