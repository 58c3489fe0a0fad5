"""A connection that is lost after PostgreSQL has committed: the statement is repeated, and takes effect once."""

import json
import os
import signal as signals
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, job
from dagster._core.scheduler.instigation import InstigatorType, TickData, TickStatus
from sqlalchemy import Engine, insert, text

from analytics_exports.database import notifications
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.models import User
from analytics_exports.database.notifications import listening
from analytics_exports.domain.access import Principal
from analytics_exports.domain.errors import ClaimLost, DatabaseUnavailable
from analytics_exports.domain.export import Claim, JobId, Status
from analytics_exports.orchestration.storage import PooledPostgresStorage
from analytics_exports.stack.environment import dagster_url
from analytics_exports_tests import factories
from analytics_exports_tests.lossy_proxy import LossyProxy, lossy_proxy
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

LEASE, LAUNCH_TTL = timedelta(seconds=20), timedelta(seconds=60)


@pytest.fixture
def proxy(database_url: str) -> Iterator[LossyProxy]:
    with lossy_proxy(database_url) as proxy:
        yield proxy


class TestJobs:
    """The jobs table."""

    @pytest.fixture
    def owner(self, engine: Engine) -> Principal:
        owner = factories.principal()
        with engine.begin() as connection:
            connection.execute(insert(User).values(id=owner.user_id, label="user", owner_key=owner.owner_key))
        return owner

    @pytest.fixture
    def store(self, proxy: LossyProxy) -> Iterator[PostgresJobStore]:
        engine = make_engine(proxy.url)
        yield PostgresJobStore(engine, LIMIT_SECONDS)
        engine.dispose()

    def pending(self, store: PostgresJobStore, owner: Principal) -> JobId:
        return store.create(owner, factories.request()).id

    def claim(self, store: PostgresJobStore, owner: Principal) -> Claim:
        return store.claim(self.pending(store, owner), "run", LEASE)[1]

    def test_an_export_is_stored_once(
        self, proxy: LossyProxy, store: PostgresJobStore, owner: Principal, engine: Engine
    ) -> None:
        proxy.lose("COMMIT")
        created = store.create(owner, factories.request())

        assert proxy.lost == 1
        with engine.connect() as connection:
            assert list(connection.scalars(text("SELECT id FROM jobs"))) == [created.id]

    def test_an_attempt_is_leased_once(self, proxy: LossyProxy, store: PostgresJobStore, owner: Principal) -> None:
        job_id = self.pending(store, owner)
        proxy.lose("COMMIT")
        launches = store.lease_pending(10, LAUNCH_TTL)

        assert proxy.lost == 1
        assert [launch.run_key for launch in launches] == [f"{job_id}:1"]
        assert store.lease_pending(10, LAUNCH_TTL) == []

    def test_who_claims_has_the_claim(self, proxy: LossyProxy, store: PostgresJobStore, owner: Principal) -> None:
        job_id = self.pending(store, owner)
        proxy.lose("UPDATE jobs")
        _, claim = store.claim(job_id, "run", LEASE)

        assert proxy.lost == 1
        assert store.renew(claim, LEASE, {})
        with pytest.raises(ClaimLost):
            store.claim(job_id, "another", LEASE)

    def test_a_publication_stands_when_its_claim_does(
        self, proxy: LossyProxy, store: PostgresJobStore, owner: Principal
    ) -> None:
        claim = self.claim(store, owner)
        with store.publishing(claim):
            proxy.lose("COMMIT")

        assert proxy.lost == 1
        assert store.renew(claim, LEASE, {})

    def test_a_publication_whose_claim_was_lost_meanwhile_does_not(
        self, proxy: LossyProxy, store: PostgresJobStore, owner: Principal, engine: Engine
    ) -> None:
        claim = self.claim(store, owner)

        def publish() -> None:
            with store.publishing(claim), engine.connect() as connection:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                connection.execute(text(ended))
                connection.rollback()
                assert store.cancel(owner.user_id, claim.job_id)

        with pytest.raises(ClaimLost):
            publish()

    def test_an_export_is_completed(self, proxy: LossyProxy, store: PostgresJobStore, owner: Principal) -> None:
        claim = self.claim(store, owner)
        proxy.lose("COMMIT")
        store.complete(claim, factories.artifact(), timedelta(hours=24))
        completed = store.load(claim.job_id)

        assert proxy.lost == 1
        assert completed is not None
        assert completed.status is Status.COMPLETED

    def test_who_does_not_wait_gets_the_error(self, proxy: LossyProxy, owner: Principal) -> None:
        engine = make_engine(proxy.url)
        proxy.lose("COMMIT")
        with pytest.raises(DatabaseUnavailable):
            PostgresJobStore(engine).create(owner, factories.request())
        engine.dispose()


class TestSignal:
    """Listening."""

    def test_a_lost_connection_is_replaced_with_its_slot_and_counts_as_a_notification(
        self, database_url: str, engine: Engine
    ) -> None:
        with listening(database_url, "a_channel", LIMIT_SECONDS) as signal, engine.connect() as connection:
            assert signal.acquire_slot(1)
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'listens%'"
            connection.execute(text(ended))
            assert signal.wait(LIMIT_SECONDS)
            assert signal.listeners() == 1
            connection.execute(text("NOTIFY a_channel"))
            connection.commit()
            assert signal.wait(LIMIT_SECONDS)
            with listening(database_url, "a_channel") as second:
                assert not second.acquire_slot(1)

    def test_a_connection_that_has_become_silent_is_replaced(
        self, proxy: LossyProxy, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notifications, "SILENT_SECONDS", 0.3)
        monkeypatch.setattr(notifications, "PROBE_SECONDS", 0.5)
        with listening(proxy.url, "a_channel", LIMIT_SECONDS) as signal, engine.connect() as connection:
            assert not signal.wait(1)  # one that hears is kept
            proxy.fall_silent()
            assert signal.wait(LIMIT_SECONDS)
            connection.execute(text("NOTIFY a_channel"))
            connection.commit()
            assert signal.wait(LIMIT_SECONDS)

    def test_who_waits_in_the_main_thread_is_interrupted_by_a_signal_at_once(self, database_url: str) -> None:
        """As Dagster interrupts a run, whose main thread may wait for more to do."""

        class Interrupted(Exception):
            pass

        def interrupt(_number: int, _frame: object) -> None:
            raise Interrupted

        long_after = threading.Event()
        timers = (
            threading.Timer(0.2, os.kill, (os.getpid(), signals.SIGUSR1)),
            threading.Timer(notifications.SILENT_SECONDS / 2, long_after.set),
        )
        before = signals.signal(signals.SIGUSR1, interrupt)
        try:
            with listening(database_url, "a_channel") as signal:
                for timer in timers:
                    timer.start()
                with pytest.raises(Interrupted):
                    signal.wait(LIMIT_SECONDS)
            assert not long_after.is_set()
        finally:
            for timer in timers:
                timer.cancel()
            signals.signal(signals.SIGUSR1, before)

    def test_somebody_who_waits_in_short_turns_finds_it_out_too(
        self, proxy: LossyProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notifications, "SILENT_SECONDS", 0.3)
        monkeypatch.setattr(notifications, "PROBE_SECONDS", 0.5)
        with listening(proxy.url, "a_channel") as signal:
            proxy.fall_silent()
            with pytest.raises(DatabaseUnavailable):
                until(lambda: signal.receive(0.05))

    def test_a_notification_that_comes_while_a_connection_is_probed_is_not_lost(
        self, database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notifications, "SILENT_SECONDS", 0)
        with listening(database_url, "a_channel") as signal, engine.connect() as connection:
            for number in range(50):
                connection.execute(text(f"NOTIFY a_channel, '{number}'"))
                connection.commit()
                assert until(lambda: signal.receive(0.01)) == {str(number)}


@job
def nothing() -> None:
    """A job without steps."""


class TestDagster:
    """Dagster's own tables."""

    @pytest.fixture
    def instance(self, tmp_path: Path, proxy: LossyProxy) -> Iterator[DagsterInstance]:
        named = {
            "module": PooledPostgresStorage.__module__,
            "class": PooledPostgresStorage.__name__,
            "config": {"postgres_url": dagster_url(proxy.url)},
        }
        (tmp_path / "dagster.yaml").write_text(json.dumps({"storage": {"custom": named}}))  # JSON is YAML
        with DagsterInstance.from_config(str(tmp_path)) as instance:
            yield instance

    def test_a_run_is_stored_once_with_its_tags(self, proxy: LossyProxy, instance: DagsterInstance) -> None:
        proxy.lose("COMMIT")
        run = instance.create_run_for_job(nothing, tags={"colour": "green"})
        found = instance.get_run_by_id(run.run_id)

        assert proxy.lost == 1
        assert found is not None
        assert found.tags["colour"] == "green"
        assert instance.get_runs_count() == 1

    def test_an_event_is_stored_once(self, proxy: LossyProxy, instance: DagsterInstance) -> None:
        run = instance.create_run_for_job(nothing)
        proxy.lose("COMMIT")
        instance.report_engine_event("once", run)

        assert proxy.lost == 1
        assert [entry.message for entry in instance.all_logs(run.run_id)].count("once") == 1

    def test_a_materialisation_is_stored_once_with_what_belongs_to_it(
        self, proxy: LossyProxy, instance: DagsterInstance
    ) -> None:
        proxy.lose("COMMIT")
        event = AssetMaterialization("dataset_export", partition="a")
        instance.report_runless_asset_event(event)
        (found,) = instance.fetch_materializations(event.asset_key, limit=10).records

        assert proxy.lost == 1
        assert found.partition_key == "a"
        assert instance.all_asset_keys() == [event.asset_key]

    def test_a_batch_is_stored_once(self, proxy: LossyProxy, instance: DagsterInstance) -> None:
        key = AssetKey("dataset_export")
        instance.report_runless_asset_event(AssetMaterialization(key, partition="a"))
        (first,) = instance.fetch_materializations(key, limit=10).records
        proxy.lose("COMMIT")
        batch = [first.event_log_entry._replace(timestamp=float(number)) for number in range(3)]
        instance.event_log_storage.store_event_batch(batch)

        assert proxy.lost == 1
        assert len(instance.fetch_materializations(key, limit=10).records) == 1 + len(batch)

    def test_a_tick_is_stored_once(self, proxy: LossyProxy, instance: DagsterInstance) -> None:
        data = TickData("origin", "sensor", InstigatorType.SENSOR, TickStatus.STARTED, 1.0, selector_id="selector")
        proxy.lose("COMMIT")
        tick = instance.create_tick(data)

        assert proxy.lost == 1
        assert [found.tick_id for found in instance.get_ticks("origin", "selector")] == [tick.tick_id]

    def test_a_statement_is_repeated_whatever_it_is(
        self, proxy: LossyProxy, instance: DagsterInstance, engine: Engine
    ) -> None:
        run = instance.create_run_for_job(nothing)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        for look in (
            lambda: instance.get_run_by_id(run.run_id),
            lambda: instance.add_run_tags(run.run_id, {"a": "b"}),
            lambda: instance.add_dynamic_partitions("exports", ["a"]),
            lambda: instance.report_run_failed(run),
            lambda: instance.get_ticks("origin", "selector"),
        ):
            look()
            with engine.begin() as connection:
                connection.execute(text(f"{end} AND application_name = '' AND datname = current_database()"))
            look()
