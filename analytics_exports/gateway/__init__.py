"""The hand into Dagster: its instance as the Orchestrator port.

Registers and removes dynamic partitions, terminates runs, and reads the event log. The names that both sides must agree
on stand here, because ``api`` and ``orchestration`` do not import each other. Definitions do not belong here.
"""

PARTITIONS = "exports"
"""Name of the dynamic partitions definition; a partition key is a job id."""

EXPORT_ASSET = "dataset_export"
"""Key of the asset whose partitions are exports."""
