"""The sockets between the use cases and the outside: narrow Protocols in domain words.

    data     Catalogue, Warehouse
    figures  Figures
    files    ArtifactStore
    jobs     JobStore, Signal
    people   Directory
    runs     Orchestrator

Each has a real adapter in the package and an in-memory one in the tests; one behaviour suite runs on both. What belongs
here: signatures, and what a caller may rely on. What does not: anything that knows a library. Rows cross as a Polars
LazyFrame, named for the type checker only.
"""

from analytics_exports.ports.data import Begun, Catalogue, Estimate, Page, Scan, Warehouse
from analytics_exports.ports.figures import Ended, Figures, Stock
from analytics_exports.ports.files import ArtifactStore, Staging, StoredFile, Written
from analytics_exports.ports.jobs import Announcements, JobStore, Signal
from analytics_exports.ports.people import Directory, TokenStore
from analytics_exports.ports.runs import InProgress, LoggedEvent, Materialised, Orchestrator, RunEnded

__all__ = [
    "Announcements",
    "ArtifactStore",
    "Begun",
    "Catalogue",
    "Directory",
    "Ended",
    "Estimate",
    "Figures",
    "InProgress",
    "JobStore",
    "LoggedEvent",
    "Materialised",
    "Orchestrator",
    "Page",
    "RunEnded",
    "Scan",
    "Signal",
    "Staging",
    "Stock",
    "StoredFile",
    "TokenStore",
    "Warehouse",
    "Written",
]
