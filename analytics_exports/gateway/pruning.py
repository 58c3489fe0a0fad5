"""Bulk deletion of what Dagster stores about old exports: partitions, runs, and their events.

Dagster deletes one run or partition at a time, and never by itself. The statements here use its own definitions of its
tables, all in one PostgreSQL database. Ticks have a retention in ``dagster.yaml``. A run that has not ended is never
touched.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from dagster import AssetKey
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    DynamicPartitionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sqlalchemy import ColumnElement, Connection, Select, delete, func, select

from analytics_exports.gateway import EXPORT_ASSET, EXPORT_JOBS, PARTITIONS

PAGE = 500
"""Runs deleted at a time."""

checks = AssetCheckExecutionsTable
events = SqlEventLogStorageTable
partitions = DynamicPartitionsTable
runs = RunsTable
tags = RunTagsTable


def delete_history(connection: Connection, keys: Sequence[str]) -> None:
    """Delete these partitions, their materialisations, and the runs that were for one of them alone."""
    launched = select(tags.c.run_id).where(tags.c.key == PARTITION_NAME_TAG, tags.c.value.in_(keys))
    _delete_runs(connection, connection.scalars(_ended(runs.c.run_id.in_(launched))).all())
    asset = AssetKey(EXPORT_ASSET).to_string()
    _delete_events(connection, (events.c.asset_key == asset) & events.c.partition.in_(keys))
    _delete_partitions(connection, partitions.c.partition.in_(keys))


def prune(connection: Connection, age: timedelta) -> int:
    """Delete one page of ended runs of exports, and all partitions, that are older than ``age``. Returns how many."""
    before = func.timezone("UTC", func.now()) - age
    old = _ended(runs.c.pipeline_name.in_(EXPORT_JOBS) & (runs.c.update_timestamp < before))
    found = connection.scalars(old.order_by(runs.c.id).limit(PAGE)).all()
    _delete_runs(connection, found)
    return len(found) + _delete_partitions(connection, partitions.c.create_timestamp < before)


def _ended(which: ColumnElement[bool]) -> Select[str]:
    return select(runs.c.run_id).where(which, runs.c.status.in_([status.value for status in FINISHED_STATUSES]))


def _delete_runs(connection: Connection, run_ids: Collection[str]) -> None:
    if run_ids:
        _delete_events(connection, events.c.run_id.in_(run_ids))
        connection.execute(delete(checks).where(checks.c.run_id.in_(run_ids)))
        connection.execute(delete(runs).where(runs.c.run_id.in_(run_ids)))  # deletes their tags too


def _delete_events(connection: Connection, which: ColumnElement[bool]) -> None:
    gone = select(events.c.id).where(which)
    connection.execute(delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(gone)))
    connection.execute(delete(events).where(which))


def _delete_partitions(connection: Connection, which: ColumnElement[bool]) -> int:
    return connection.execute(delete(partitions).where(partitions.c.partitions_def_name == PARTITIONS, which)).rowcount
