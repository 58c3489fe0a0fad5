"""Assembles all definitions. Tests build their own with other resources instead of patching these."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from dagster import AssetSpec, BetaWarning, Definitions, in_process_executor

from analytics_exports.domain.lineage import Lineage
from analytics_exports.orchestration.assets import dataset_export, warehouse_asset
from analytics_exports.orchestration.batch import batch_job
from analytics_exports.orchestration.checks import datasets_are_offered
from analytics_exports.orchestration.io_managers import export_io_manager
from analytics_exports.orchestration.jobs import (
    expire_exports,
    expiry_schedule,
    export_job,
    sweep_files,
    sweep_schedule,
    warehouse_job,
)
from analytics_exports.orchestration.launchpad import request_export
from analytics_exports.orchestration.lineage import dbt_assets
from analytics_exports.orchestration.resources import open_productions, sensor_resource, worker_resource
from analytics_exports.orchestration.sensors import launch_sensor, read_back

logger = logging.getLogger(__name__)

RESOURCES: Mapping[str, object] = {
    "sensor": sensor_resource,
    "worker": worker_resource,
    "open_productions": open_productions,
    "export_io_manager": export_io_manager,
}
"""The resources of the code location, by key."""


def build_definitions(
    *,
    launch_sensors: int = 4,
    launch_wait_seconds: float = 40,
    read_lineage: Callable[[], Lineage] = Lineage,
    resources: Mapping[str, object] | None = None,
) -> Definitions:
    """The code location. The dbt project is optional: when it cannot be shown, everything else still works.

    Args:
        launch_sensors: Number of identical sensors that wait for exports.
        launch_wait_seconds: How long one tick waits; below Dagster's limit of 60 s for a sensor evaluation.
        read_lineage: Reads the dbt project to show in the asset graph; by default none is shown.
        resources: Replacements for the default resources, by key.
    """
    build = partial(_definitions, launch_sensors, launch_wait_seconds, resources or {})
    try:
        return _resolved(build(dbt_assets(read_lineage())))
    except Exception:
        logger.exception("The asset graph cannot show the dbt project")
        return _resolved(build([]))


def _resolved(definitions: Definitions) -> Definitions:
    """Let Dagster check the definitions now; it keeps the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)  # it sets a beta parameter itself
        definitions.get_repository_def()
    return definitions


def _definitions(
    launch_sensors: int, launch_wait_seconds: float, resources: Mapping[str, object], models: Sequence[AssetSpec]
) -> Definitions:
    return Definitions(
        assets=[*models, warehouse_asset(models), dataset_export],
        asset_checks=[datasets_are_offered],
        jobs=[export_job, request_export, batch_job, warehouse_job, expire_exports, sweep_files],
        schedules=[expiry_schedule, sweep_schedule],
        sensors=[*(launch_sensor(number + 1, launch_wait_seconds) for number in range(launch_sensors)), read_back],
        executor=in_process_executor,  # Dagster's default starts an interpreter for each step
        resources={**RESOURCES, **resources},
    )
