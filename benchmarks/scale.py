"""What grows with the service: tables of any size, queries, files for an object store, workers on other machines.

    python -m benchmarks.scale [--rows 1000,1000000] [--repeat 200] [--mebibytes 64] [--celery 1,2,4] [--exports 100]

Tables are made anew in a scratch PostgreSQL, mostly of ended exports, as in life, with ten pending and ten running;
statements, requests over HTTP and ticks of a real sensor are measured on each. Queries are those of ``queries``. Files
go to a server that speaks S3 in a process of its own, once with the real adapter, which reads back what it wrote, and
once with the client that everybody uses. So many exports are made by each number of Celery workers. Figures go to
stdout as JSON lines.
"""
# ruff: noqa: PLC0415 - libraries are loaded where they are measured

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine, text

from analytics_exports.database import migrations
from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.stats import PostgresStats
from analytics_exports.database.token_store import PostgresTokenStore
from analytics_exports.domain.access import USER_SCOPES, Principal
from analytics_exports.domain.export import ExportFilter, JobId
from analytics_exports.stack.tcp import answers, free_port
from analytics_exports_tests import factories
from analytics_exports_tests.scratch import scratch_folder, scratch_postgres
from benchmarks.figures import CELERY, OURS, percentile, print_figure, print_times, say, say_what_is_busy
from benchmarks.queries import measure_queries

THEIRS = "boto3"
USERS = 1_000
QUERY_ROWS = 1_000_000
MEBIBYTE = 2**20
DETAILS = factories.artifact().to_plain()

FILL = text("""
    INSERT INTO jobs (user_id, owner_key, entity_id, status, metadata, attempt, created_at, started_at, completed_at,
                      expires_at, file_removed_at, file_bytes)
    SELECT users.id, users.id::text, gen_random_uuid(),
           CASE WHEN age < interval '1 day' THEN 'completed' ELSE 'expired' END,
           template.metadata || CAST(:details AS jsonb), 1,
           now() - age, now() - age, now() - age, now() - age + interval '1 day',
           CASE WHEN age < interval '1 day' THEN NULL ELSE now() END, 1000
    FROM (SELECT number, number * interval '30 days' / :rows AS age FROM generate_series(1, :rows) AS number) AS series
    JOIN (SELECT id, row_number() OVER (ORDER BY id) AS turn FROM users) AS users ON users.turn = 1 + number % :users
    CROSS JOIN (SELECT metadata FROM jobs LIMIT 1) AS template
""")


def measure(figure: str, call: Callable[[], object], repeat: int) -> None:
    """Print the median and the 99th percentile of the time of a call."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    print_times(figure, OURS, times, (0.5,))
    print_figure(figure.replace("_s_", "_p99_s_"), OURS, "p99", percentile(times, 0.99), "s", n=repeat)


def tables(sizes: list[int], repeat: int) -> None:
    """Measure every statement at every size."""
    with scratch_postgres() as server:
        for rows in sizes:
            name = f"rows_{rows}"
            server.create_database(name)
            migrations.upgrade_schema(server.url_of(name))
            engine = make_engine(server.url_of(name), application="benchmark")
            statements(engine, rows, repeat)
            engine.dispose()


def statements(engine: Engine, rows: int, repeat: int) -> None:
    """Fill a table and measure on it."""
    jobs, figures = PostgresJobStore(engine), PostgresStats(engine)
    people = [factories.principal(uuid4()) for _ in range(USERS)]
    for person in people:
        PostgresDirectory(engine).ensure_user(person)
    owner = people[0]
    one = jobs.create(owner, factories.request())
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica; SET LOCAL statement_timeout = 0"))
        connection.execute(FILL.bindparams(details=json.dumps(DETAILS), rows=rows, users=USERS))
    for _ in range(10):
        jobs.create(owner, factories.request())
        jobs.claim(jobs.create(owner, factories.request()).id, "run", timedelta(hours=1))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: jobs.create(owner, factories.request()),
        "find": lambda: jobs.find(owner.user_id, one.id),
        "list": lambda: jobs.list_for_user(owner.user_id, ExportFilter(), 50),
        "lease": lambda: jobs.unlease(jobs.lease_pending(4, timedelta(minutes=1))),
        "expired_leases": lambda: jobs.expired_leases(100),
        "metrics": figures.snapshot,
    }
    for statement, call in calls.items():
        measure(f"{statement}_s_{rows}", call, repeat)
    with tempfile.TemporaryDirectory() as folder:
        requests(engine, owner, one.id, rows=rows, repeat=repeat, folder=Path(folder))
        sensor_ticks(engine, rows=rows, repeat=repeat, folder=Path(folder))


def requests(engine: Engine, owner: Principal, job_id: JobId, *, rows: int, repeat: int, folder: Path) -> None:
    """Measure what owners look at, over HTTP, by one client after another request."""
    import httpx

    from analytics_exports.api.app import create_app
    from analytics_exports.bootstrap.api import api_adapters, api_services
    from analytics_exports.settings import Settings
    from analytics_exports_tests.live_service import serving

    token, _ = PostgresTokenStore(engine).issue(owner.user_id, "benchmark", timedelta(days=1), USER_SCOPES)
    settings = Settings(state_dir=folder, database_url=engine.url.render_as_string(hide_password=False))
    services = api_services(settings, api_adapters(settings, engine))
    with (
        serving(create_app(services)) as url,
        httpx.Client(base_url=f"{url}/api/analytics", headers={"Authorization": f"Bearer {token}"}) as client,
    ):
        for figure, address in (("api", f"/exports/{job_id}"), ("api_list", "/exports")):
            client.get(address).raise_for_status()
            measure(f"{figure}_s_{rows}", partial(client.get, address), repeat)


def sensor_ticks(engine: Engine, *, rows: int, repeat: int, folder: Path) -> None:
    """Measure a real sensor that launches the ten pending exports, again and again: its cursor is never stored."""
    import pytest
    from dagster import DagsterInstance, build_sensor_context

    from analytics_exports import PROJECT
    from analytics_exports.bootstrap.adapters import make_artifact_store
    from analytics_exports.bootstrap.sensor import sensor_services
    from analytics_exports.orchestration.build import build_definitions
    from analytics_exports.settings import Settings
    from analytics_exports.stack.environment import child_environment, dagster_home

    repository = build_definitions(launch_sensors=1, launch_wait_seconds=0).get_repository_def()
    url = engine.url.render_as_string(hide_password=False)
    settings = Settings(state_dir=folder, database_url=url)
    dagster_home(settings).mkdir()
    shutil.copy(PROJECT / "dagster.yaml", dagster_home(settings))
    make_artifact_store(settings).prepare()
    services = sensor_services(settings)
    sensor = repository.get_sensor_def("launch_exports_1")

    def tick() -> None:
        context = build_sensor_context(instance, None, repository_def=repository, resources={"sensor": services})
        assert sensor.evaluate_tick(context).run_requests

    with pytest.MonkeyPatch.context() as patched:
        for name, value in child_environment(settings, url).items():
            patched.setenv(name, value)
        with DagsterInstance.get() as instance:
            measure(f"tick_s_{rows}", tick, repeat)
    services.close()


def celery(sizes: list[int], exports: int) -> None:
    """Measure many exports at once on so many Celery workers, with a broker of their own."""
    from benchmarks.launch import burst
    from benchmarks.launch.stacks import BROKER, CeleryStack, running

    if shutil.which(BROKER) is None:
        say("redis-server is not installed: nothing is measured on Celery workers")
        return
    for workers in sizes:
        with scratch_folder() as folder, running(CeleryStack, folder, say, run_workers=workers) as service:
            found = burst.stored(service, exports)
            print_figure(f"burst_{exports}_s_on_{workers}_workers", CELERY, "total", found.seconds, "s", n=exports)
            each = found.cpu_seconds_each
            print_figure(f"burst_{exports}_cpu_s_on_{workers}_workers", CELERY, "mean", each, "s", n=exports)


def files(mebibytes: int) -> None:
    """Measure a file to the store and back, by our adapter and by the store's own client."""
    import boto3

    os.environ.update(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_REGION="us-east-1")
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not answers(port):
            time.sleep(0.05)
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="files")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "plain"
            size = ours(f"s3://files?endpoint={endpoint}", mebibytes)
            path.write_bytes(os.urandom(size))
            rate("upload", THEIRS, size, lambda: client.upload_file(str(path), "files", "plain"))
            rate("download", THEIRS, size, lambda: client.download_file("files", "plain", str(path)))
    finally:
        server.terminate()
        server.wait()


def ours(url: str, mebibytes: int) -> int:
    """Export a table of about that size; returns the size of the file."""
    import polars as pl

    from analytics_exports.artifacts.objects import ObjectArtifactStore
    from analytics_exports.domain.formats import Format
    from analytics_exports_tests.rows import FrameRows

    store = ObjectArtifactStore(url, max_bytes=2**36)
    store.prepare()
    key = f"exports/{uuid4()}/{uuid4()}.csv"
    rows = mebibytes * MEBIBYTE // 110
    frame = pl.LazyFrame({"number": pl.int_range(rows, eager=True)}).with_columns(text=pl.lit("x" * 100))
    began = time.perf_counter()
    with store.stage(key, 1) as staging:
        size = staging.write(FrameRows(frame), Format.CSV, {}, lambda *_: None).file_size_bytes
        staging.publish()
    print_rate("upload", OURS, size, time.perf_counter() - began)

    def read() -> None:
        file = store.open(key)
        assert file is not None
        with file.content as content:
            while content.read(MEBIBYTE):
                pass

    rate("download", OURS, size, read)
    return size


def rate(transfer: str, arm: str, size: int, call: Callable[[], object]) -> None:
    """Time a transfer."""
    began = time.perf_counter()
    call()
    print_rate(transfer, arm, size, time.perf_counter() - began)


def print_rate(transfer: str, arm: str, size: int, seconds: float) -> None:
    """Print the rate of a transfer; an upload of ours is read back, too."""
    print_figure(f"object_store_{transfer}_mb_per_s", arm, "mean", size / seconds / 1e6, "MB/s", n=1)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1000,1000000")
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("--celery", default="1,2,4", help="numbers of Celery workers; none when it is empty")
    parser.add_argument("--exports", type=int, default=100, help="exports for the Celery workers")
    arguments = parser.parse_args()
    say_what_is_busy()
    tables(numbers(arguments.rows), arguments.repeat)
    measure_queries(QUERY_ROWS, arguments.repeat // 5)
    files(arguments.mebibytes)
    celery(numbers(arguments.celery), arguments.exports)


def numbers(text: str) -> list[int]:
    """Numbers apart by commas."""
    return [int(number) for number in text.split(",") if number]


if __name__ == "__main__":
    main()
