"""``serve`` as a production machine has it: the wheel with the extra ``server``, and a PostgreSQL of its own."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from analytics_exports.settings import PREFIX
from analytics_exports.stack.tcp import free_port
from analytics_exports_tests.demo_warehouse import built_demo, place_demo
from analytics_exports_tests.scratch import scratch_folder
from analytics_exports_tests.waiting import LIMIT_SECONDS
from analytics_exports_tests.wheels import build_wheel, install

PORTS = ("API_PORT", "DAGSTER_UI_PORT", "CODE_SERVER_PORT", "POSTGRES_PORT")
DATASET, OWNER = "fct_transactions", "Demo household 4"
UP = "Ctrl-C stops everything"


@dataclass(frozen=True)
class Installation:
    """The console script of an environment, and the variables that it is run with."""

    program: Path
    variables: Mapping[str, str]

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [self.program, *arguments]
        return subprocess.run(
            command, env={**self.variables, **more}, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS
        )

    def output(self, *arguments: str, **more: str) -> str:
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Inside, the service is up; at the end it has stopped by itself."""
        with subprocess.Popen(
            [str(self.program), "serve"], env=self.variables, stderr=subprocess.PIPE, text=True
        ) as serve:
            assert serve.stderr is not None
            said = ""
            while UP not in said:
                line = serve.stderr.readline()
                assert line, said
                said += line
            try:
                yield
            finally:
                serve.send_signal(signal.SIGTERM)
            assert serve.wait(LIMIT_SECONDS) == 128 + signal.SIGTERM


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    python = install(build_wheel(tmp_path), tmp_path / "venv", ["server"])
    with scratch_folder() as state:
        demo = state / "demo"
        place_demo(demo)
        settings = {
            "STATE_DIR": state,
            "DBT_MANIFEST": demo / "manifest.json",
            "DBT_CATALOG": demo / "catalog.json",
            "WAREHOUSE": demo / "analytics.duckdb",
            **{name: free_port() for name in PORTS},
        }
        given = {f"{PREFIX}{name}": str(value) for name, value in settings.items()}
        yield Installation(python.with_name("analytics-exports"), os.environ | given)


def test_the_wheel_serves_without_anything_of_development(
    installation: Installation, database_url: str, tmp_path: Path
) -> None:
    refused = installation.run("serve")
    assert refused.returncode == 1
    assert "install analytics-exports[demo], or set ANALYTICS_EXPORTS_DATABASE_URL" in refused.stderr

    (development,) = tmp_path.glob("venv/lib/*/site-packages/analytics_exports/development")
    shutil.rmtree(development)
    production = Installation(installation.program, {**installation.variables, f"{PREFIX}DATABASE_URL": database_url})
    (owner_key,) = pl.read_parquet(built_demo().sources / "users.parquet").filter(pl.col("label") == OWNER)["id"]
    production.output("users", "create", OWNER, "--owner-key", str(owner_key))
    token = production.output("tokens", "create", OWNER).strip()
    with production.serving():
        url = f"http://127.0.0.1:{production.variables[f'{PREFIX}API_PORT']}"
        file = tmp_path / "out.csv"
        variables = {f"{PREFIX}TOKEN": token, f"{PREFIX}URL": url}
        production.output("export", DATASET, "--output", str(file), **variables)
        assert set(pl.read_csv(file, columns="user_id")["user_id"]) == {str(owner_key)}
        assert "problem" not in production.output("doctor")
