"""The module that ``workspace.yaml`` names: Dagster's entry point. The definitions are in ``orchestration``."""

from functools import partial

from analytics_exports.catalogue.lineage import read_lineage
from analytics_exports.orchestration.build import build_definitions
from analytics_exports.settings import Settings

settings = Settings()

defs = build_definitions(
    launch_sensors=settings.launch_sensors,
    launch_wait_seconds=settings.launch_wait_seconds,
    read_lineage=partial(read_lineage, settings.dbt_manifest),
)
