"""A command with a database of its own, which is gone when the command is."""

import subprocess
import sys
from pathlib import Path

SCRATCH = [sys.executable, "-m", "analytics_exports_tests.scratch"]

COMMAND = """
import os, sys, psycopg
with psycopg.connect(os.environ["ANALYTICS_EXPORTS_DATABASE_URL"]) as connection:
    print(connection.execute("SHOW data_directory").fetchone()[0])
sys.exit(7)
"""


def test_the_command_gets_a_database_and_decides_the_exit_code() -> None:
    done = subprocess.run([*SCRATCH, "--", sys.executable, "-c", COMMAND], capture_output=True, text=True, check=False)

    assert done.returncode == 7, done.stderr
    assert not Path(done.stdout.strip()).parent.parent.exists()


def test_without_a_command_it_says_how_it_is_used() -> None:
    done = subprocess.run([*SCRATCH, "--"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "usage" in done.stderr
