"""The metadata of a materialisation of the export asset: written by the IO manager, read by the event log projection.

Only plain values under fixed names, so that any reader of Dagster's event log can use them.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dagster import MetadataValue

from analytics_exports.domain.artifact import Artifact, whole_number
from analytics_exports.domain.export import Claim, JobId

RENAMED = {"output_path": "path", "row_count": "dagster/row_count"}
"""Facts that Dagster or its users know under another name."""


def to_metadata(claim: Claim, artifact: Artifact) -> dict[str, MetadataValue]:
    """The claim and the facts of the published file."""
    facts = {"job_id": str(claim.job_id), "attempt": claim.attempt, "worker_token": claim.token, **artifact.to_plain()}
    return {RENAMED.get(name, name): _metadata_value(fact) for name, fact in facts.items()}


def is_of_an_export(metadata: Mapping[str, MetadataValue]) -> bool:
    """Whether a worker of this service wrote it; anybody can report a materialisation in Dagster."""
    return "worker_token" in metadata


def from_metadata(metadata: Mapping[str, MetadataValue]) -> tuple[Claim, Artifact]:
    """The claim and the artifact that ``to_metadata`` wrote.

    Raises:
        KeyError, ValueError, TypeError: it is damaged, or ``is_of_an_export`` is false.
    """
    names = {later: name for name, later in RENAMED.items()}
    facts: dict[str, Any] = {names.get(name, name): item.value for name, item in metadata.items()}
    claim = Claim(JobId(UUID(facts["job_id"])), whole_number(facts["attempt"]), facts["worker_token"])
    return claim, Artifact.from_plain(facts)


def _metadata_value(fact: str | int | list[Any]) -> MetadataValue:
    if isinstance(fact, str):
        return MetadataValue.text(fact)
    return MetadataValue.int(fact) if isinstance(fact, int) else MetadataValue.json(fact)
