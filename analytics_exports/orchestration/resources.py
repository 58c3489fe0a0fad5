"""What runs share: the productions that are still open when a run ends."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress

from dagster import resource

from analytics_exports.bootstrap import application
from analytics_exports.domain.errors import ExportError


@resource(description="Closes the productions that an interrupted run leaves open.")
def open_productions() -> Iterator[ExitStack]:
    """A stack that is closed when the run ends. Until then the warehouse stays open for the asset checks."""
    with application("worker").warehouse.keep_alive(), ExitStack() as productions:
        yield productions


def warm_up() -> None:
    """Load what the first run of a process would otherwise wait for: the catalogue, connections, the artifact store."""
    app = application("worker")
    with suppress(ExportError):
        app.catalogue.state()
        app.artifacts.check()
        app.jobs.read_cursor("warm-up")
