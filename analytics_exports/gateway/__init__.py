"""The hand into Dagster: its instance as the Orchestrator port.

dagster_gateway  the port
event_log        reading what Dagster logged about exports
pruning          deleting in bulk what it keeps of old ones
materialisation  what a materialisation of an export says

The names that both sides must agree on stand here, because ``api`` and ``orchestration`` do not import each other.
Definitions do not belong here.
"""

SCHEMA = "dagster"
"""Schema of Dagster's tables in this service's database."""

PARTITIONS = "exports"
"""Name of the dynamic partitions definition; a partition key is a job id."""

EXPORT_ASSET = "dataset_export"
"""Key of the asset whose partitions are exports."""

EXPORT_JOB, DRAIN_JOB, REQUEST_JOB = "export", "drain_exports", "request_export"
EXPIRY_JOB, SWEEP_JOB = "expire_exports", "sweep_files"
EXPORT_JOBS = (EXPORT_JOB, DRAIN_JOB, REQUEST_JOB, EXPIRY_JOB, SWEEP_JOB)
"""Names of the jobs that make exports and clear them away; what they leave behind is pruned with the exports."""

DECIDED = "exports_decided"
"""PostgreSQL channel on which our event log announces events that decide about exports."""
