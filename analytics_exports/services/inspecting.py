"""Looking at a published export once more, by other ways than those it was made by.

For operators. An export whose making went wrong is never published, so a finding here is a fault of this service or of
what it stands on, never news to the owner of the file.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ExportError
from analytics_exports.domain.export import ExportJob
from analytics_exports.domain.formats import Format
from analytics_exports.ports import ArtifactStore, Catalogue, Warehouse

READ_BYTES = 16 * 2**20
"""Larger files are not read a second time."""

ROW_COUNT, READABLE, OWNER_ONLY = "row_count_matches", "file_is_readable", "owner_only"

ForeignRows = Callable[[BinaryIO, Format, str, str], int | None]
"""How many rows of a file have another value in a column; ``None`` when the file cannot tell."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one look; ``facts`` say what was compared."""

    passed: bool
    facts: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inspecting:
    """Looks at published exports."""

    catalogue: Catalogue
    warehouse: Warehouse
    artifacts: ArtifactStore
    foreign_rows: ForeignRows

    def inspect(self, job: ExportJob, artifact: Artifact) -> Mapping[str, Verdict]:
        """A verdict for each look, by name; one that cannot be had says so and has not passed."""
        looks: Mapping[str, Callable[[ExportJob, Artifact], Verdict]] = {
            ROW_COUNT: self._row_count,
            READABLE: self._readable,
            OWNER_ONLY: self._owner_only,
        }
        return {name: _verdict(look, job, artifact) for name, look in looks.items()}

    def _row_count(self, job: ExportJob, artifact: Artifact) -> Verdict:
        """As many rows as the warehouse counts, unless another version of it is there by now."""
        dataset = self.catalogue.state().datasets.get(job.request.dataset_id)
        if dataset is None or self.warehouse.data_as_of() != artifact.data_as_of:
            return Verdict(passed=True, facts={"note": "Not counted: the warehouse was built anew meanwhile."})
        counted = self.warehouse.count(dataset, job.owner_scope(), job.request.selection)
        return Verdict(counted == artifact.row_count, {"in_the_file": artifact.row_count, "in_the_warehouse": counted})

    def _readable(self, _job: ExportJob, artifact: Artifact) -> Verdict:
        """The store has the file, as large as it was, and with its checksum if it is not too large to be read again."""
        found = self.artifacts.open(artifact.output_path)
        if found is None:
            return Verdict(passed=False, facts={"note": "The file is gone."})
        with found.content as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size > READ_BYTES:
                return Verdict(size == artifact.file_size_bytes, {"bytes": size, "compared": "size"})
            digest = hashlib.sha256(file.read()).hexdigest()
        whole = (size, digest) == (artifact.file_size_bytes, artifact.sha256)
        return Verdict(whole, {"bytes": size, "compared": "size and checksum"})

    def _owner_only(self, job: ExportJob, artifact: Artifact) -> Verdict:
        """Every row is the owner's, read from the file where it can tell; otherwise as it was compared on the way."""
        dataset = self.catalogue.state().datasets.get(job.request.dataset_id)
        found = self.artifacts.open(artifact.output_path) if artifact.file_size_bytes <= READ_BYTES else None
        foreign = None
        if dataset is not None and found is not None:
            with found.content as file:
                foreign = self.foreign_rows(file, job.request.format, dataset.owner_column, job.owner_key)
        if foreign is None:
            note = "Compared row by row while it was read; the file is too large, or of no format, to tell again."
            return Verdict(passed=True, facts={"rows": artifact.row_count, "note": note})
        return Verdict(foreign == 0, {"rows": artifact.row_count, "rows_of_others": foreign})


def _verdict(look: Callable[[ExportJob, Artifact], Verdict], job: ExportJob, artifact: Artifact) -> Verdict:
    try:
        return look(job, artifact)
    except ExportError as reason:
        return Verdict(passed=False, facts={"note": f"It could not be looked at: {reason}"})
