"""Dagster's storage on a pool: few connections, survival of a restart, and events that appear in their order."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from dagster import AssetMaterialization, DagsterInstance, DagsterRunStatus, job
from sqlalchemy import Engine, text

from analytics_exports.database.notifications import listening
from analytics_exports.gateway import EVENT_LOG_CHANNEL
from analytics_exports.orchestration import storage
from analytics_exports.orchestration.storage import PooledPostgresStorage
from analytics_exports.stack.environment import dagster_url
from analytics_exports_tests.waiting import LIMIT_SECONDS, until


@pytest.fixture
def instance(tmp_path: Path, database_url: str) -> Iterator[DagsterInstance]:
    named = {
        "module": PooledPostgresStorage.__module__,
        "class": PooledPostgresStorage.__name__,
        "config": {"postgres_url": dagster_url(database_url)},
    }
    (tmp_path / "dagster.yaml").write_text(json.dumps({"storage": {"custom": named}}))  # JSON is YAML
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_processes_that_start_at_once_do_not_make_the_same_tables(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor() as several:
        list(several.map(lambda _: PooledPostgresStorage(dagster_url(database_url), True), range(6)))

    assert "failed database creation" not in caplog.text


@job
def nothing() -> None:
    """A job without steps."""


def backends(engine: Engine) -> list[int]:
    """The connections of Dagster's driver, which does not give itself a name."""
    statement = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = ''")
    with engine.connect() as connection:
        return list(connection.scalars(statement))


def test_all_storages_share_a_few_connections_that_stay(instance: DagsterInstance, engine: Engine) -> None:
    run = instance.create_run_for_job(nothing)
    instance.add_dynamic_partitions("exports", ["a"])
    instance.get_ticks("origin", "selector")
    before = backends(engine)
    for _ in range(20):
        instance.report_engine_event("again", run)
        instance.has_dynamic_partition("exports", "a")

    assert 0 < len(before) <= storage.CONNECTIONS + storage.TRANSACTIONS
    assert set(before) <= set(backends(engine))


def test_it_survives_the_loss_of_connections_that_were_used_a_moment_ago(
    instance: DagsterInstance, engine: Engine
) -> None:
    run = instance.create_run_for_job(nothing)
    with engine.begin() as connection:
        for pid in backends(engine):
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status is DagsterRunStatus.NOT_STARTED


SLOW = """
    CREATE FUNCTION dwell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(1); RETURN NULL; END';
    CREATE TRIGGER dwell AFTER INSERT ON dagster.event_logs FOR EACH ROW WHEN (NEW.partition = 'slow')
    EXECUTE FUNCTION dwell();
"""
"""Keeps the transaction open that writes the event of the partition ``slow``."""


def test_an_event_is_not_seen_before_an_earlier_one(instance: DagsterInstance, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(SLOW))
    dwelling = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    events = text("SELECT partition FROM dagster.event_logs ORDER BY id")
    reader = engine.execution_options(isolation_level="AUTOCOMMIT")
    with ThreadPoolExecutor(1) as pool, reader.connect() as connection:
        slow = pool.submit(report, instance, "slow")
        until(lambda: connection.scalar(dwelling))
        report(instance, "quick")
        seen = list(connection.scalars(events))
        slow.result()

    assert seen == ["slow", "quick"]


def report(instance: DagsterInstance, partition: str) -> None:
    instance.report_runless_asset_event(AssetMaterialization("dataset_export", partition=partition))


def test_decisive_events_are_notified_and_others_are_not(instance: DagsterInstance, database_url: str) -> None:
    run = instance.create_run_for_job(nothing, status=DagsterRunStatus.STARTED)
    with listening(database_url, EVENT_LOG_CHANNEL) as signal:
        instance.report_engine_event("nothing is decided by this", run)
        assert not signal.wait(0)
        instance.report_run_failed(run)
        assert signal.wait(LIMIT_SECONDS)
        report(instance, "a")
        assert signal.wait(LIMIT_SECONDS)


def test_a_writer_that_hangs_does_not_stop_the_others(
    instance: DagsterInstance, database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "WRITER_LOCK_SECONDS", 1)
    with psycopg.connect(database_url) as hanging:
        hanging.execute("SELECT pg_advisory_xact_lock(%s)", [storage.WRITER_LOCK])
        report(instance, "a")

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM dagster.event_logs")) == 1
