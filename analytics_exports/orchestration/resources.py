"""What runs and sensors work with: the application, wired once in each process, and the desk of each run."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from dagster import InitResourceContext, resource
from dagster._core.storage.tags import RUN_KEY_TAG

from analytics_exports.bootstrap import Application, application
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, ExportError
from analytics_exports.domain.export import ExportJob, JobId

if TYPE_CHECKING:
    from analytics_exports.services.producing import Production


class Desk:
    """The productions that one run has begun and not finished: the asset puts one here, the IO manager takes it."""

    def __init__(self, application: Application, run_id: str, *, remake: bool = True) -> None:
        """Open the desk of the run ``run_id``, which may make completed exports again if ``remake`` says so."""
        self._application = application
        self._run_id = run_id
        self._remake = remake
        self._open: dict[str, Production] = {}
        self._published: dict[str, tuple[ExportJob, Artifact]] = {}

    def begin(self, partition_key: str) -> "Production":
        """Claim the export with this partition key and open its data."""
        job_id = JobId(UUID(partition_key))
        production = self._application.producing.begin(job_id, self._run_id, remake=self._remake)
        self._open[partition_key] = production
        return production

    def take(self, partition_key: str) -> "Production":
        """The production begun for this key; it is the taker's to finish. Raises ClaimLost when there is none."""
        try:
            return self._open.pop(partition_key)
        except KeyError:
            raise ClaimLost from None

    def hand_back(self, partition_key: str, job: ExportJob, artifact: Artifact) -> None:
        """Note what was published for this key."""
        self._published[partition_key] = job, artifact

    def published(self, partition_key: str) -> tuple[ExportJob, Artifact]:
        """What was published for this key in this run. Raises KeyError when nothing was."""
        return self._published.pop(partition_key)

    def close(self) -> None:
        """Drop what an interrupted run left."""
        while self._open:
            self._open.popitem()[1].close()


@resource(description="The productions in progress in this run.")
def desk(context: InitResourceContext) -> Iterator[Desk]:
    """A desk for the length of one run. One that a sensor launched, perhaps late, makes only what is pending."""
    app = application("worker")
    run = context.run
    launched = run is not None and RUN_KEY_TAG in run.tags and run.parent_run_id is None  # not retried by hand
    opened = Desk(app, run.run_id if run else "", remake=not launched)
    try:
        with app.warehouse.keep_open():  # for the checks, which look into the warehouse again
            yield opened
    finally:
        opened.close()


def warm_up() -> None:
    """Do ahead what the first run of a process would have to wait for."""
    app = application("worker")
    with suppress(ExportError):
        app.catalogue.state()
        app.artifacts.check()
        app.jobs.cursor("warm-up")
