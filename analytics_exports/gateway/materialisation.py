"""What a materialisation of the export asset says, as metadata: written by the IO manager, read by the read-back.

Only plain values with fixed names, so that any reader of Dagster's event log can use them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from dagster import MetadataValue

from analytics_exports.domain.dataset import Column
from analytics_exports.domain.export import Artifact, Claim, JobId


def to_metadata(claim: Claim, artifact: Artifact) -> dict[str, MetadataValue]:
    """The claim and the facts of the published file."""
    columns = [{"name": column.name, "type": column.type} for column in artifact.columns]
    return {
        "job_id": MetadataValue.text(str(claim.job_id)),
        "attempt": MetadataValue.int(claim.attempt),
        "worker_token": MetadataValue.text(claim.token),
        "path": MetadataValue.text(artifact.output_path),
        "dagster/row_count": MetadataValue.int(artifact.row_count),
        "file_size_bytes": MetadataValue.int(artifact.file_size_bytes),
        "sha256": MetadataValue.text(artifact.sha256),
        "schema": MetadataValue.json(columns),
        "data_as_of": MetadataValue.text(artifact.data_as_of.isoformat()),
    }


def from_metadata(metadata: Mapping[str, MetadataValue]) -> tuple[Claim, Artifact]:
    """The claim and the artifact that ``to_metadata`` wrote.

    Raises:
        KeyError, ValueError, TypeError: somebody else wrote this materialisation.
    """
    value: dict[str, Any] = {name: item.value for name, item in metadata.items()}
    claim = Claim(JobId(UUID(value["job_id"])), value["attempt"], value["worker_token"])
    artifact = Artifact(
        output_path=value["path"],
        row_count=value["dagster/row_count"],
        file_size_bytes=value["file_size_bytes"],
        sha256=value["sha256"],
        columns=tuple(Column(column["name"], column["type"]) for column in value["schema"]),
        data_as_of=datetime.fromisoformat(value["data_as_of"]),
    )
    return claim, artifact
