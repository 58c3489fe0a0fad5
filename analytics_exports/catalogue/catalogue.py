"""The newest catalogue that could be read completely, kept until there is a newer one.

It is read again when one of the files changes, and replaces the old one in one step. A damaged file leaves the last
good catalogue in place, marked as stale. While one caller reads, the others continue with the old one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from analytics_exports.catalogue.artifact_models import RejectedModel, UnreadableArtifact, sanitize
from analytics_exports.catalogue.manifest import Artifacts, read_artifacts
from analytics_exports.catalogue.table_columns import Describe, TableColumns
from analytics_exports.catalogue.validation import dataset_of
from analytics_exports.domain.dataset import CatalogueState, Dataset, DatasetId, Rejection
from analytics_exports.domain.errors import CatalogueUnavailable

RETRY_SECONDS = 1.0
"""Interval after which a damaged file, or columns unknown to the warehouse, are read again."""

FileIdentities = tuple[tuple[int, int, int] | None, ...]
"""Inode, modification time and size of each file, ``None`` for a missing one; they change when the content does."""


@dataclass(frozen=True, slots=True)
class _CachedCatalogue:
    """A catalogue, what it was made from, and until when it is valid if the files do not change."""

    state: CatalogueState
    artifacts: Artifacts
    identity: FileIdentities
    until: float

    def is_valid(self, identity: FileIdentities, now: float) -> bool:
        return self.identity == identity and now < self.until


class DbtCatalogue:
    """Implements ``ports.Catalogue`` on a dbt project's artifacts. Thread-safe."""

    def __init__(
        self,
        manifest: Path,
        catalog: Path | None,
        describe: Describe,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use these files; nothing is read yet.

        Args:
            catalog: May be missing.
            describe: See ``table_columns``; called by one thread at a time.
            clock: Monotonic seconds.
        """
        self._manifest = manifest
        self._catalog = catalog
        self._tables = TableColumns(describe)
        self._clock = clock
        self._kept: _CachedCatalogue | None = None
        self._reading = Lock()

    def state(self) -> CatalogueState:
        """The newest catalogue that can be read. Raises CatalogueUnavailable when none could be read yet."""
        kept = self._kept
        if kept is None:
            with self._reading:
                return self._refreshed().state
        if not kept.is_valid(self._identity(), self._clock()) and self._reading.acquire(blocking=False):
            try:
                return self._refreshed().state
            finally:
                self._reading.release()
        return kept.state

    def _refreshed(self) -> _CachedCatalogue:
        """Read the catalogue again if needed. The caller holds the lock."""
        identity, kept = self._identity(), self._kept
        if kept is not None and kept.is_valid(identity, self._clock()):
            return kept
        artifacts, stale = self._read(identity, kept)
        state = self._state(artifacts, stale)
        until = self._clock() + RETRY_SECONDS if stale or self._tables.may_change else float("inf")
        self._kept = _CachedCatalogue(state, artifacts, identity, until)
        return self._kept

    def _read(self, identity: FileIdentities, kept: _CachedCatalogue | None) -> tuple[Artifacts, str | None]:
        """The newest readable artifacts, and why they are not the newest, if so."""
        if kept is not None and kept.identity == identity and kept.state.stale is None:
            return kept.artifacts, None
        try:
            artifacts = read_artifacts(self._manifest, self._catalog)
        except UnreadableArtifact as reason:
            if kept is None:
                raise CatalogueUnavailable(f"No dataset catalogue could be read yet: {reason}") from None
            return kept.artifacts, str(reason)
        self._tables.start_new_manifest()
        return artifacts, None

    def _state(self, artifacts: Artifacts, stale: str | None) -> CatalogueState:
        datasets: dict[DatasetId, Dataset] = {}
        rejected = list(artifacts.rejected)
        self._tables.begin_pass()
        for model in artifacts.models:
            try:
                columns = self._tables.columns(model, catalog_is_current=artifacts.catalog_is_current)
                dataset = dataset_of(model, columns)
            except RejectedModel as reason:
                rejected.append(Rejection(sanitize(model.name), str(reason)))
            else:
                datasets[dataset.id] = dataset
        return CatalogueState(
            datasets=datasets,
            rejected=tuple(sorted(rejected, key=lambda item: item.name)),
            generated_at=artifacts.generated_at,
            invocation_id=artifacts.invocation_id,
            stale=stale,
        )

    def _identity(self) -> FileIdentities:
        return tuple(_identity(path) for path in (self._manifest, self._catalog) if path is not None)


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
