"""The Dagster instance as the port ``Orchestrator``.

    dagster_gateway  the adapter
    event_log        reads what Dagster logged about exports
    materialisation  the metadata of a materialisation of an export
    pruning          bulk deletion of old partitions, runs and events

Names that ``api`` and ``orchestration`` must agree on are defined here, because they do not import each other. Dagster
definitions do not belong here.
"""

SCHEMA = "dagster"
"""Schema of Dagster's tables in this service's database."""

PARTITIONS = "exports"
"""Name of the dynamic partitions definition; a partition key is a job id."""

EXPORT_ASSET = "dataset_export"
"""Key of the asset whose partitions are exports."""

EXPORT_JOB, BATCH_JOB, REQUEST_JOB = "export", "export_batch", "request_export"
EXPIRY_JOB, SWEEP_JOB = "expire_exports", "sweep_files"
FORMER_BATCH_JOB = "drain_exports"
"""Name of the batch job before it was called ``export_batch``; its old runs are still deleted."""

EXPORT_JOBS = (EXPORT_JOB, BATCH_JOB, FORMER_BATCH_JOB, REQUEST_JOB, EXPIRY_JOB, SWEEP_JOB)
"""Names of the jobs that make and remove exports; their runs are deleted with the exports."""

EVENT_LOG_CHANNEL = "exports_decided"
"""PostgreSQL channel that notifies of events which decide the outcome of exports."""
