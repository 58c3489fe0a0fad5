"""What grows with the service: statements and requests on a jobs table of any size, and files for an object store.

    python -m benchmarks.scale [--rows 1000,100000] [--repeat 200] [--mebibytes 64]

Tables are made anew in a scratch PostgreSQL, mostly of ended exports, as in life, with ten pending and ten running.
Files go to a server that speaks S3 in a process of its own, once with the real adapter, which reads back what it wrote,
and once with the client that everybody uses. Figures go to stdout as JSON lines.
"""
# ruff: noqa: PLC0415 - libraries are loaded where they are measured

import argparse
import json
import os
import statistics
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
from analytics_exports_tests.scratch import scratch_postgres

USERS = 1_000
MEBIBYTE = 2**20
DETAILS = factories.artifact().to_plain()

FILL = text("""
    INSERT INTO jobs (user_id, owner_key, entity_id, status, metadata, attempt, created_at, started_at, completed_at,
                      expires_at, file_removed_at)
    SELECT users.id, users.id::text, gen_random_uuid(),
           CASE WHEN age < interval '1 day' THEN 'completed' ELSE 'expired' END,
           template.metadata || CAST(:details AS jsonb), 1,
           now() - age, now() - age, now() - age, now() - age + interval '1 day',
           CASE WHEN age < interval '1 day' THEN NULL ELSE now() END
    FROM (SELECT number, number * interval '30 days' / :rows AS age FROM generate_series(1, :rows) AS number) AS series
    JOIN (SELECT id, row_number() OVER (ORDER BY id) AS turn FROM users) AS users ON users.turn = 1 + number % :users
    CROSS JOIN (SELECT metadata FROM jobs LIMIT 1) AS template
""")


def measured(call: Callable[[], object], repeat: int) -> dict[str, float]:
    """Median and 99th percentile of the time of a call, in milliseconds."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return {"p50_ms": round(statistics.median(times), 2), "p99_ms": round(statistics.quantiles(times, n=100)[98], 2)}


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
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE jobs"))
    for _ in range(10):
        jobs.create(owner, factories.request())
        jobs.claim(jobs.create(owner, factories.request()).id, "run", timedelta(hours=1))
    calls: dict[str, Callable[[], object]] = {
        "create": lambda: jobs.create(owner, factories.request()),
        "find": lambda: jobs.find(owner.user_id, one.id),
        "list": lambda: jobs.list_for_user(owner.user_id, ExportFilter(), 50),
        "due": lambda: jobs.unlease(jobs.lease_pending(4, timedelta(minutes=1))),
        "overdue": lambda: jobs.expired_leases(100),
        "metrics": figures.snapshot,
    }
    for statement, call in calls.items():
        line = {"benchmark": "jobs", "rows": rows, "statement": statement, **measured(call, repeat)}
        print(json.dumps(line), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        requests(engine, owner, one.id, rows=rows, repeat=repeat, folder=Path(folder))


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
        for address in (f"/exports/{job_id}", "/exports"):
            client.get(address).raise_for_status()
            line = {"benchmark": "http", "rows": rows, "request": f"GET {address.replace(str(job_id), '{job_id}')}"}
            print(json.dumps({**line, **measured(partial(client.get, address), repeat)}), flush=True)


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
            rate("boto3_upload", size, lambda: client.upload_file(str(path), "files", "plain"))
            rate("boto3_download", size, lambda: client.download_file("files", "plain", str(path)))
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
    print_figure("ours_upload_and_read_back", size, time.perf_counter() - began)

    def read() -> None:
        file = store.open(key)
        assert file is not None
        with file.content as content:
            while content.read(MEBIBYTE):
                pass

    rate("ours_download", size, read)
    return size


def rate(name: str, size: int, call: Callable[[], object]) -> None:
    """Time a transfer."""
    began = time.perf_counter()
    call()
    print_figure(name, size, time.perf_counter() - began)


def print_figure(name: str, size: int, seconds: float) -> None:
    """Print the rate of a transfer."""
    line = {"benchmark": "files", "transfer": name, "bytes": size, "mb_per_s": round(size / seconds / 1e6, 1)}
    print(json.dumps(line), flush=True)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="1000,100000")
    parser.add_argument("--repeat", type=int, default=200)
    parser.add_argument("--mebibytes", type=int, default=64)
    arguments = parser.parse_args()
    tables([int(rows) for rows in arguments.rows.split(",")], arguments.repeat)
    files(arguments.mebibytes)


if __name__ == "__main__":
    main()
