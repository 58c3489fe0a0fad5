"""Reads a published export, and checks it a second time, independently of how it was made.

For operators. An export that was made wrongly is never published, so a failed check shows a defect of this service or
of what it depends on; it is not reported to the owner of the file.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ExportError, ExportExpired
from analytics_exports.domain.export import ExportJob, JobId
from analytics_exports.domain.formats import Format
from analytics_exports.ports import ArtifactStore, Catalogue, Warehouse, WorkerJobs

if TYPE_CHECKING:
    import polars as pl

READ_BYTES = 16 * 2**20
"""Larger files are not read a second time."""

ROW_COUNT, READABLE, OWNER_ONLY = "row_count_matches", "file_is_readable", "owner_only"

ForeignRows = Callable[[BinaryIO, Format, str, str], int | None]
"""Counts the rows of a file that have another value in a column; ``None`` when the format has no statistics for it."""

ReadFile = Callable[[BinaryIO, Format, Mapping[str, object]], "pl.DataFrame"]
"""Reads the rows of a file with its format and options. Raises UnsupportedOperation for XLSX."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check; ``facts`` says what was compared."""

    passed: bool
    facts: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArtifactInspector:
    """Reads published exports and runs their checks."""

    catalogue: Catalogue
    warehouse: Warehouse
    jobs: WorkerJobs
    artifacts: ArtifactStore
    foreign_rows: ForeignRows
    read_file: ReadFile

    def read(self, job_id: JobId) -> "pl.DataFrame":
        """The rows of a published export.

        Raises:
            ExportExpired: there is no such file, or it has been removed.
            UnsupportedOperation: the format (XLSX) is not read back.
        """
        job = self.jobs.load(job_id)
        found = self.artifacts.open(job.artifact.output_path) if job and job.artifact else None
        if job is None or found is None:
            raise ExportExpired
        with found.content as file:
            return self.read_file(file, job.request.format, job.request.options)

    def check(self, job: ExportJob, artifact: Artifact) -> Mapping[str, CheckResult]:
        """The result of each check, by name. A check that cannot be made has failed, and says why."""
        looks: Mapping[str, Callable[[ExportJob, Artifact], CheckResult]] = {
            ROW_COUNT: self._row_count,
            READABLE: self._readable,
            OWNER_ONLY: self._owner_only,
        }
        return {name: _run_check(look, job, artifact) for name, look in looks.items()}

    def _row_count(self, job: ExportJob, artifact: Artifact) -> CheckResult:
        """Compare the row count with the warehouse, unless the warehouse has been rebuilt since."""
        dataset = self.catalogue.state().datasets.get(job.request.dataset_id)
        if dataset is None or self.warehouse.data_as_of() != artifact.data_as_of:
            return CheckResult(passed=True, facts={"note": "Not counted: the warehouse was built anew meanwhile."})
        counted = self.warehouse.count(dataset, job.owner_scope(), job.request.selection)
        return CheckResult(
            counted == artifact.row_count, {"in_the_file": artifact.row_count, "in_the_warehouse": counted}
        )

    def _readable(self, _job: ExportJob, artifact: Artifact) -> CheckResult:
        """The store has the file with its size, and with its checksum unless it is too large to read again."""
        found = self.artifacts.open(artifact.output_path)
        if found is None:
            return CheckResult(passed=False, facts={"note": "The file is gone."})
        with found.content as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size > READ_BYTES:
                return CheckResult(size == artifact.file_size_bytes, {"bytes": size, "compared": "size"})
            digest = hashlib.sha256(file.read()).hexdigest()
        whole = (size, digest) == (artifact.file_size_bytes, artifact.sha256)
        return CheckResult(whole, {"bytes": size, "compared": "size and checksum"})

    def _owner_only(self, job: ExportJob, artifact: Artifact) -> CheckResult:
        """Every row belongs to the owner: read from the file if possible, otherwise as verified while writing."""
        dataset = self.catalogue.state().datasets.get(job.request.dataset_id)
        found = self.artifacts.open(artifact.output_path) if artifact.file_size_bytes <= READ_BYTES else None
        foreign = None
        if dataset is not None and found is not None:
            with found.content as file:
                foreign = self.foreign_rows(file, job.request.format, dataset.owner_column, job.owner_key)
        if foreign is None:
            note = (
                "Verified row by row while writing; the file is too large, or its format not suitable, to check again."
            )
            return CheckResult(passed=True, facts={"rows": artifact.row_count, "note": note})
        return CheckResult(foreign == 0, {"rows": artifact.row_count, "rows_of_others": foreign})


def _run_check(look: Callable[[ExportJob, Artifact], CheckResult], job: ExportJob, artifact: Artifact) -> CheckResult:
    try:
        return look(job, artifact)
    except ExportError as reason:
        return CheckResult(passed=False, facts={"note": f"It could not be looked at: {reason}"})
