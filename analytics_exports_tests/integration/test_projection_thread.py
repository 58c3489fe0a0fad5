"""The projection thread of an API process on a real event log: by notification, and after a time without it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from dagster import AssetMaterialization, MetadataValue
from sqlalchemy import text

from analytics_exports.api import projection_thread
from analytics_exports.api.notification_listener import NotificationListener
from analytics_exports.api.projection_thread import ProjectionThread
from analytics_exports.bootstrap.api import ApiServices, api_services
from analytics_exports.database import notifications
from analytics_exports.domain.export import JobId, Status
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.gateway.materialisation import to_metadata
from analytics_exports.services.event_log_projection import CURSOR_NAME
from analytics_exports_tests import factories
from analytics_exports_tests.deployment import Deployment
from analytics_exports_tests.lossy_proxy import LossyProxy, lossy_proxy
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

LAUNCH_TTL = timedelta(seconds=60)
NEVER = 3600.0
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'listens to exports_decided'"


@pytest.fixture
def start_thread(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], ProjectionThread]]:
    """Starts a projection thread that does not look by itself while a test lasts, and waits until it listens."""
    monkeypatch.setattr(projection_thread, "POLL_SECONDS", NEVER)
    started: list[ProjectionThread] = []

    def start(services: ApiServices | None = None) -> ProjectionThread:
        services = services or deployment.api
        started.append(ProjectionThread(services.event_log_projection, services.event_log_signal))
        started[-1].start()
        until(lambda: deployment.scalar(LISTENING))
        return started[-1]

    yield start
    for each in started:
        each._stop.set()
        with deployment.engine.begin() as connection:
            connection.execute(text("NOTIFY exports_decided"))
        each._thread.join()  # until its connections are given back


def completed(deployment: Deployment, *job_ids: JobId) -> bool:
    return {deployment.job(job_id).status for job_id in job_ids} == {Status.COMPLETED}


def test_an_export_is_completed_when_its_event_is_notified(
    deployment: Deployment, start_thread: Callable[[], ProjectionThread]
) -> None:
    start_thread()
    job_id = deployment.pending(deployment.user())
    deployment.export_batch()

    until(lambda: completed(deployment, job_id))


def test_what_happened_while_nobody_followed_is_taken_in_from_the_stored_position(
    deployment: Deployment, start_thread: Callable[[], ProjectionThread]
) -> None:
    user = deployment.user()
    before = deployment.pending(user)
    deployment.export_batch()
    deployment.project_events()
    position = deployment.jobs.read_cursor(CURSOR_NAME)
    assert completed(deployment, before)
    missed = [deployment.pending(user) for _ in range(3)]
    deployment.export_batch()
    assert not completed(deployment, *missed)
    start_thread()

    until(lambda: completed(deployment, *missed))
    until(lambda: deployment.jobs.read_cursor(CURSOR_NAME) > position > 0)  # it is stored after what it covers


def damaged(materialisation: dict[str, MetadataValue], **changes: object) -> dict[str, Any]:
    return {**materialisation, **changes}


POISON: Mapping[str, Callable[[dict[str, MetadataValue]], dict[str, Any]]] = {
    "an attempt that is no number": partial(damaged, attempt=MetadataValue.text("first")),
    "an attempt that no column holds": partial(damaged, attempt=MetadataValue.int(2**70)),
    "a time that is none": partial(damaged, data_as_of=MetadataValue.text("yesterday")),
    "a size that is none": partial(damaged, file_size_bytes=MetadataValue.json([1])),
    "a text that no column holds": partial(damaged, sha256=MetadataValue.text("a\0b")),
    "columns that are none": partial(damaged, schema=MetadataValue.json({"a": 1})),
    "no claim": lambda _: {"path": MetadataValue.text("x")},
    "nothing": lambda _: {},
}


DAMAGE = "UPDATE dagster.event_logs SET event = '{}' WHERE id = (SELECT max(id) - 1 FROM dagster.event_logs)"


def test_poisoned_events_of_every_kind_keep_no_export_from_being_completed(deployment: Deployment) -> None:
    user = deployment.user()
    poisoned = {kind: deployment.jobs.claim(deployment.pending(user), f"run {kind}", LAUNCH_TTL)[1] for kind in POISON}
    for kind, claim in poisoned.items():
        metadata = POISON[kind](to_metadata(claim, factories.artifact()))
        event = AssetMaterialization(EXPORT_ASSET, partition=str(claim.job_id), metadata=metadata)
        deployment.instance.report_runless_asset_event(event)
    with deployment.engine.begin() as connection:  # of another version of Dagster, or damaged
        connection.execute(text(DAMAGE))
        connection.execute(text("UPDATE jobs SET attempt = 1000000 WHERE id = :id"), {"id": poisoned["nothing"].job_id})
    job_id = deployment.pending(user)
    deployment.export_batch(
        [launch for launch in deployment.jobs.lease_pending(10, LAUNCH_TTL) if launch.job_id == job_id]
    )
    deployment.project_events()

    assert completed(deployment, job_id)
    assert not any(completed(deployment, claim.job_id) for claim in poisoned.values())
    assert deployment.jobs.count_skipped_events() == len(POISON) - 1  # one of the last two was damaged
    with deployment.engine.begin() as connection:  # their workers are silent
        connection.execute(text("UPDATE jobs SET lease_until = now() - interval '1 second' WHERE status = 'running'"))
    deployment.project_events()

    assert {deployment.job(claim.job_id).status for claim in poisoned.values()} <= {Status.PENDING, Status.FAILED}


@pytest.fixture
def distant(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ApiServices, LossyProxy]]:
    """The same service by way of a proxy, and connections that are tried soon."""
    monkeypatch.setattr(notifications, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(notifications, "PROBE_SECONDS", 0.5)
    settings = deployment.settings
    with lossy_proxy(str(settings.database_url)) as proxy:
        services = api_services(settings.model_copy(update={"database_url": proxy.url}))
        yield services, proxy
        services.close()


def test_a_silent_connection_of_the_projection_thread_keeps_no_export_from_completing(
    deployment: Deployment, distant: tuple[ApiServices, LossyProxy], start_thread: Callable[..., ProjectionThread]
) -> None:
    services, proxy = distant
    start_thread(services)
    job_id = deployment.pending(deployment.user())
    proxy.fall_silent()
    deployment.export_batch()

    until(lambda: completed(deployment, job_id))


def test_who_waits_for_an_export_is_notified_though_the_connection_has_become_silent(
    deployment: Deployment, distant: tuple[ApiServices, LossyProxy]
) -> None:
    services, proxy = distant
    user = deployment.user()
    job_id = deployment.pending(user)
    listener = NotificationListener(services.change_hub, services.job_notifications)
    listener.start()
    until(lambda: deployment.scalar(LISTENING.replace("decided", "changed")))

    async def wait() -> bool:
        with services.change_hub.subscribe(job_id) as watch:
            await watch.wait(0.5)  # it tells everybody once, when it begins to listen
            proxy.fall_silent()
            deployment.jobs.cancel(user.user_id, job_id)
            return await watch.wait(LIMIT_SECONDS)

    assert asyncio.run(wait())
    listener.stop()
    listener.join()
