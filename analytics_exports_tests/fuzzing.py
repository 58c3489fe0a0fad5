"""Schemathesis against a service that runs: all that the OpenAPI document names, tried with right and wrong input.

    python -m analytics_exports_tests.fuzzing --cases 10000 --seed 1

starts the whole demonstration and does so with the tokens of two users, each of whom must not get what is the other's.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analytics_exports.contract import BASE_PATH
from analytics_exports.development.demo import running_demo
from analytics_exports_tests.integration.operations import OPERATIONS
from analytics_exports_tests.journeys.conftest import settings_of
from analytics_exports_tests.scratch import scratch_folder

CONFIGURATION = """
[auth.wfc]
path = "tokens.json"
peers = {peers}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "401", "403", "404", "409", "410", "422", "429"]
"""
"""422 is a right answer to what the document allows: it does not know the columns, accounts and cursors of a user."""

LIMITS = {"failed_tokens_per_minute": 10**6, "exports_per_user": 10**6}
"""Settings under which a storm of requests by two users is not refused for being one."""


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What came out: the number of requests, and all that Schemathesis says about them."""

    passed: bool
    cases: int
    report: str


def fuzz(url: str, tokens: Mapping[str, str], folder: Path, *arguments: str) -> Fuzzed:
    """Run every check of Schemathesis; ``tokens`` are those of users who may not see each other's exports, by name."""
    people = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}
        for name, token in tokens.items()
    ]
    (folder / "tokens.json").write_text(json.dumps({"auth": people}))
    (folder / "schemathesis.toml").write_text(CONFIGURATION.format(peers=json.dumps(list(tokens))))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"]
    options = ["--no-color", "--checks", "all", "--report", "json", "--report-json-path", "report.json"]
    done = subprocess.run(
        [*command, *options, *arguments, f"{url}{BASE_PATH}/openapi.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    counted = json.loads((folder / "report.json").read_text())
    return Fuzzed(done.returncode == 0, counted["test_cases"]["generated"], done.stdout + done.stderr)


def main(cases: int, seed: int) -> int:
    """Fuzz the whole demonstration; returns the exit code."""
    with scratch_folder() as folder:
        settings = settings_of(folder / "state").model_copy(update=LIMITS)
        with running_demo(settings, print) as (stack, users):
            tokens = {user.label: user.token for user in users[:2]}
            each = str(cases * 5 // 4 // len(OPERATIONS))  # operations without input have few different requests
            found = fuzz(stack.api_url, tokens, folder, "--max-examples", each, "--seed", str(seed))
    sys.stdout.write(found.report)
    sys.stdout.write(json.dumps({"seed": seed, "cases": found.cases, "passed": found.passed}) + "\n")
    return 0 if found.passed and found.cases >= cases else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000, help="at least so many requests")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.exit(main(options.cases, options.seed))
