"""The command line against the running service, through connections that break: people, files and exit codes."""

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from uuid import UUID

import duckdb
import polars as pl
import pytest

from analytics_exports.client import Client
from analytics_exports.settings import PREFIX
from analytics_exports_tests.journeys.conftest import Service

COMMAND = [sys.executable, "-m", "analytics_exports"]
YEAR = ["--from", "2024-01-01", "--to", "2024-12-31"]
CUT_BYTES = 100_000


@pytest.fixture
def environment(service: Service) -> dict[str, str]:
    """The shell of somebody with many rows."""
    environment = {"ANALYTICS_EXPORTS_URL": service.stack.api_url, "ANALYTICS_EXPORTS_TOKEN": service.users[0].token}
    return os.environ | environment


def run(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def warehouse_rows(service: Service, owner: UUID) -> int:
    """How many rows there are, by another way."""
    query = "SELECT count(*) FROM fct_transactions WHERE user_id = $owner AND year(booking_date) = 2024"
    with duckdb.connect(str(service.stack.settings.warehouse), read_only=True) as connection:
        (count,) = connection.execute(query, {"owner": owner}).fetchone() or (0,)
        return int(count)


@contextmanager
def cutting_proxy(port: int, after: int) -> Iterator[int]:
    """A port that leads to ``port``; each connection is lost once so many bytes came back."""

    connections: list[socket.socket] = []
    carriers: list[Thread] = []

    def carry(source: socket.socket, target: socket.socket, most: int | None) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(65536 if most is None else min(65536, most - carried)):
                target.sendall(data)
                carried += len(data)
                if carried == most:
                    break
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", port))
                connections.extend((near, far))
                for ends in ((near, far, None), (far, near, after)):
                    carrier = Thread(target=carry, args=ends, daemon=True)
                    carrier.start()
                    carriers.append(carrier)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for carrier in carriers:
        carrier.join()
    for connection in connections:
        connection.close()


def test_an_export_becomes_a_file_with_every_row(service: Service, environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, tmp_path, "export", "fct_transactions", *YEAR, "-o", "a.csv")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "a.csv\n"
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as lines:
        assert len(list(csv.DictReader(lines))) == warehouse_rows(service, service.users[0].id) > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv"]


def test_connections_that_break_do_not_matter(service: Service, environment: dict[str, str], tmp_path: Path) -> None:
    whole = run(environment, tmp_path, "export", "fct_transactions", *YEAR, "-o", "a.csv", "--json")
    facts = json.loads(whole.stdout)
    assert facts["file_size_bytes"] > 3 * CUT_BYTES
    with cutting_proxy(service.stack.settings.api_port, CUT_BYTES) as port:
        broken = environment | {"ANALYTICS_EXPORTS_URL": f"http://127.0.0.1:{port}"}
        done = run(broken, tmp_path, "exports", "download", facts["job_id"], "-o", "b.csv")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()


def test_an_export_is_listed_shown_removed_and_asked_for_anew(environment: dict[str, str], tmp_path: Path) -> None:
    job_id = run(environment, tmp_path, "export", "dim_accounts", "-f", "parquet", "--no-wait").stdout.strip()

    listed = json.loads(run(environment, tmp_path, "exports", "list", "--limit", "1", "--json").stdout)
    assert [item["job_id"] for item in listed["exports"]] == [job_id]
    fetched = run(environment, tmp_path, "exports", "download", job_id, "-o", "first.parquet")
    assert fetched.returncode == 0, fetched.stderr
    assert "completed" in run(environment, tmp_path, "exports", "show", job_id).stdout

    assert run(environment, tmp_path, "exports", "cancel", job_id).returncode == 0
    assert run(environment, tmp_path, "exports", "download", job_id).returncode == 6
    again = run(environment, tmp_path, "exports", "retry", job_id, "-o", "second.parquet")
    assert again.returncode == 0, again.stderr
    assert pl.read_parquet(tmp_path / "first.parquet").equals(pl.read_parquet(tmp_path / "second.parquet"))


def test_refusals_are_exit_codes(environment: dict[str, str], tmp_path: Path) -> None:
    nobody = environment | {"ANALYTICS_EXPORTS_TOKEN": "aex_nobody"}
    nowhere = environment | {"ANALYTICS_EXPORTS_URL": "http://127.0.0.1:1"}

    with ThreadPoolExecutor() as pool:
        refused = pool.submit(run, nowhere, tmp_path, "exports", "list")  # which tries again for some seconds
        assert run(environment, tmp_path, "export", "no_such_dataset").returncode == 4
        wrong = run(environment, tmp_path, "export", "dim_accounts", "--range", "height=1..2")
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "/numeric_filters: " in wrong.stderr
        assert run(nobody, tmp_path, "exports", "list").returncode == 3
        assert refused.result().returncode == 5


def test_the_doctor_finds_nothing_wrong_with_a_running_service(service: Service, tmp_path: Path) -> None:
    environment = {
        f"{PREFIX}{name.upper()}": str(value) for name, value in service.stack.settings if value not in {None, ""}
    }
    operator = os.environ | environment | {"ANALYTICS_EXPORTS_DATABASE_URL": service.stack.database_url}
    done = run(operator, tmp_path, "doctor", "--json")

    assert done.returncode == 0, done.stdout
    assert "service" in {finding["part"] for finding in json.loads(done.stdout)}


def test_a_new_user_sees_nobody_elses_rows(service: Service, tmp_path: Path) -> None:
    operator = os.environ | {"ANALYTICS_EXPORTS_DATABASE_URL": service.stack.database_url}
    assert run(operator, tmp_path, "users", "create", "Newcomer").returncode == 0
    token = run(operator, tmp_path, "tokens", "create", "Newcomer", "--days", "1").stdout.strip()

    with Client(service.stack.api_url, token) as client:
        assert client.export("fct_transactions").to_polars().height == 0
        assert [export.facts.row_count for export in client.exports()] == [0]
