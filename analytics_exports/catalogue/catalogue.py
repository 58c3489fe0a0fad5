"""The newest catalogue that could be read whole, kept until there is a newer one.

It is read again when one of the files changed, by a full parse, and takes the place of the old one in one step. A file
that is not whole leaves the last good catalogue in place, which says so. While one caller reads, the others go on with
what there was.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from analytics_exports.catalogue.foreign import Unfit, UnreadableArtifact, shown
from analytics_exports.catalogue.manifest import Artifacts, read
from analytics_exports.catalogue.tables import Describe, Tables
from analytics_exports.catalogue.validation import dataset_of
from analytics_exports.domain.dataset import CatalogueState, Dataset, DatasetId, Rejection
from analytics_exports.domain.errors import CatalogueUnavailable

RETRY_SECONDS = 1.0
"""How soon to look again at what was not whole, or what the warehouse could not tell."""

Identity = tuple[tuple[int, int, int] | None, ...]
"""Inode, time of change and size of each file, ``None`` where there is none: another content has another identity."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A catalogue, what it was made from, and until when it holds if the files stay as they are."""

    state: CatalogueState
    artifacts: Artifacts
    identity: Identity
    until: float

    def holds(self, identity: Identity, now: float) -> bool:
        return self.identity == identity and now < self.until


class DbtCatalogue:
    """Implements ``ports.Catalogue`` on a dbt project's artifacts. Safe to share between threads."""

    def __init__(
        self,
        manifest: Path,
        catalog: Path | None,
        describe: Describe,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the files; nothing is read yet.

        Args:
            catalog: Need not exist.
            describe: See ``tables``; called by one thread at a time.
            clock: Seconds that only go forward.
        """
        self._manifest = manifest
        self._catalog = catalog
        self._tables = Tables(describe)
        self._clock = clock
        self._kept: _Kept | None = None
        self._turn = Lock()

    def state(self) -> CatalogueState:
        """The newest catalogue that can be read. Raises CatalogueUnavailable when none could be read yet."""
        kept = self._kept
        if kept is None:
            with self._turn:
                return self._refreshed().state
        if not kept.holds(self._identity(), self._clock()) and self._turn.acquire(blocking=False):
            try:
                return self._refreshed().state
            finally:
                self._turn.release()
        return kept.state

    def _refreshed(self) -> _Kept:
        """The catalogue of now. Only for the thread whose turn it is."""
        identity, kept = self._identity(), self._kept
        if kept is not None and kept.holds(identity, self._clock()):
            return kept
        artifacts, stale = self._read(identity, kept)
        state = self._state(artifacts, stale)
        until = self._clock() + RETRY_SECONDS if stale or self._tables.unsettled else float("inf")
        self._kept = _Kept(state, artifacts, identity, until)
        return self._kept

    def _read(self, identity: Identity, kept: _Kept | None) -> tuple[Artifacts, str | None]:
        """The newest artifacts that are whole, and why they are not the newest, if so."""
        if kept is not None and kept.identity == identity and kept.state.stale is None:
            return kept.artifacts, None
        try:
            artifacts = read(self._manifest, self._catalog)
        except UnreadableArtifact as reason:
            if kept is None:
                raise CatalogueUnavailable(f"No dataset catalogue could be read yet: {reason}") from None
            return kept.artifacts, str(reason)
        self._tables.forget()
        return artifacts, None

    def _state(self, artifacts: Artifacts, stale: str | None) -> CatalogueState:
        datasets: dict[DatasetId, Dataset] = {}
        rejected = list(artifacts.rejected)
        self._tables.look_again()
        for model in artifacts.models:
            try:
                columns = self._tables.columns(model, catalog_is_current=artifacts.catalog_is_current)
                dataset = dataset_of(model, columns)
            except Unfit as reason:
                rejected.append(Rejection(shown(model.name), str(reason)))
            else:
                datasets[dataset.id] = dataset
        return CatalogueState(
            datasets=datasets,
            rejected=tuple(sorted(rejected, key=lambda item: item.name)),
            generated_at=artifacts.generated_at,
            invocation_id=artifacts.invocation_id,
            stale=stale,
        )

    def _identity(self) -> Identity:
        return tuple(_identity(path) for path in (self._manifest, self._catalog) if path is not None)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
