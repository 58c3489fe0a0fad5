"""The ArtifactStore in memory. Whatever the format, its files are CSV."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import PurePosixPath
from uuid import UUID

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.errors import StorageFull, StorageUnavailable, TooLarge
from analytics_exports.domain.formats import Format
from analytics_exports.ports import Rows, StoredFile
from analytics_exports_tests.factories import NOW
from analytics_exports_tests.rows import collected


class FakeStaging:
    """Implements ``ports.Staging``."""

    def __init__(self, store: "FakeArtifactStore", key: str, attempt: int) -> None:
        self._store = store
        self._key = key
        self._partial = (key, attempt)
        store.partials[self._partial] = b""

    def write(
        self,
        rows: Rows,
        format: Format,
        options: Mapping[str, object],
        progress: Callable[[int, int], None],
        *,
        columns: Sequence[Column] | None = None,
        facts: Mapping[str, str] | None = None,
        data_as_of: datetime | None = None,
    ) -> Artifact:
        frame = collected(rows)
        content = frame.write_csv().encode()
        if len(content) > self._store.max_bytes:
            raise TooLarge
        self._store.check(len(content))
        self._store.partials[self._partial] = content
        progress(frame.height, len(content))
        return Artifact(
            output_path=self._key,
            row_count=frame.height,
            file_size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            columns=(),
            data_as_of=data_as_of or NOW,
            version=str(self._partial[1]),
        )

    def publish(self) -> None:
        self._store.check()
        if self._partial not in self._store.partials:
            raise StorageUnavailable
        self._store.files[self._key] = self._store.partials.pop(self._partial)
        self._store.versions[self._key] = str(self._partial[1])


class FakeArtifactStore:
    """Implements ``ports.ArtifactStore``. Set ``away`` to make it unreachable, ``free_bytes`` to fill it."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, str] = {}
        self.partials: dict[tuple[str, int], bytes] = {}
        self.away = False
        self.free_bytes = 2**40
        self.max_bytes = 2**40

    def prepare(self) -> None:
        self._reach()

    @contextmanager
    def stage(self, key: str, attempt: int) -> Iterator[FakeStaging]:
        self.check()
        staging = FakeStaging(self, key, attempt)
        try:
            yield staging
        finally:
            self.partials.pop((key, attempt), None)

    def open(self, key: str) -> StoredFile | None:
        self._reach()
        return StoredFile(BytesIO(self.files[key]), self.versions.get(key, "")) if key in self.files else None

    def link(self, key: str, lifetime: timedelta) -> str | None:
        self._reach()
        return f"memory:///{key}?seconds={lifetime.total_seconds():.0f}" if key in self.files else None

    def remove(self, key: str) -> None:
        self._reach()
        self.files.pop(key, None)

    def check(self, expected_bytes: int = 0) -> None:
        self._reach()
        if self.free_bytes < expected_bytes or self.free_bytes <= 0:
            raise StorageFull

    def sweep(self, live: Callable[[UUID, int | None], bool]) -> int:
        self._reach()
        files = [key for key in self.files if not live(_job(key), None)]
        partials = [item for item in self.partials if not live(_job(item[0]), item[1])]
        for key in files:
            del self.files[key]
        for item in partials:
            del self.partials[item]
        return len(files) + len(partials)

    def _reach(self) -> None:
        if self.away:
            raise StorageUnavailable


def _job(key: str) -> UUID:
    return UUID(PurePosixPath(key).name.partition(".")[0])
