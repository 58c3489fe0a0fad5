"""``demo``: one export from request to file, over HTTP like any other client, and verified; and ``serve --demo``.

The service belongs to ``stack``, its data to ``development.demo``, and comparing the file with the warehouse to
``verification``.
"""

import hashlib
import json
import time
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from analytics_exports.cli.serving import EXIT_INTERRUPTED, addresses, foreground, say
from analytics_exports.cli.verification import differences, expected_rows
from analytics_exports.contract import BASE_PATH
from analytics_exports.development.demo import DemoFailed, running_demo
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.settings import Settings
from analytics_exports.stack.stack import Stack

DEMO_DATASET = "fct_transactions"
FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2024, 12, 31)
EXPORT_SECONDS = 120.0
POLL_SECONDS = 0.2
LINES_SHOWN = 4
LINE_WIDTH = 120
ENDED = frozenset({"completed", "failed", "cancelled", "expired"})


def demonstrate(settings: Settings, *, as_json: bool = False) -> None:
    """Start everything, export, download, verify, print, stop.

    Raises:
        DemoFailed: The export failed, or its file differs from the warehouse.
    """
    started = time.monotonic()
    with foreground(EXIT_INTERRUPTED), running_demo(settings, say) as (stack, users):
        user = users[0]
        say(f"The service is up after {time.monotonic() - started:.1f} s; exporting {DEMO_DATASET} for {user.label}.")
        headers = {"Authorization": f"Bearer {user.token}"}
        with httpx.Client(base_url=stack.api_url, headers=headers, timeout=30) as client:
            export = wait_for(client, create(client), stack)
            file = stack.settings.warehouse.with_name(f"{DEMO_DATASET}.csv")
            download(client, export, file)
        verify_file(file, export, stack.settings.warehouse, str(user.id))
        typer.echo(json.dumps({**export, "path": str(file)}, indent=2) if as_json else summary(stack, export, file))
    say("Everything is stopped again.")


def serve_demo(settings: Settings) -> None:
    """Run the service on the demonstration's data until Ctrl-C or SIGTERM."""
    with foreground(interrupted=0), running_demo(settings, say) as (stack, users):
        say(f"{addresses(stack)}\n\nThis is the token of {users[0].label} for the web page:\n\n{users[0].token}\n")
        say("To ask for an export without it, paste this:\n")
        say(request_to_paste(stack, users[0].token))
        stack.supervisor.run()


def request_to_paste(stack: Stack, token: str) -> str:
    """A curl command that requests an export."""
    body = f'{{"dataset_id": "{dataset_id(DEMO_DATASET)}", "format": "csv", "start_date": "2024-01-01"}}'
    return (
        f"curl -X POST {stack.api_url}{BASE_PATH}/exports \\\n"
        f"  -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'\n"
    )


def create(client: httpx.Client) -> str:
    """Request the export. Returns the path of its status."""
    body = {
        "dataset_id": str(dataset_id(DEMO_DATASET)),
        "format": "csv",
        "start_date": FIRST_DAY.isoformat(),
        "end_date": LAST_DAY.isoformat(),
    }
    answer = succeeded(client.post(f"{BASE_PATH}/exports", json=body))
    return f"{BASE_PATH}/exports/{answer.json()['job_id']}"


def wait_for(client: httpx.Client, status_path: str, stack: Stack) -> dict[str, Any]:
    """Poll the status until the export has ended, showing its progress. Returns the last status."""
    deadline = time.monotonic() + EXPORT_SECONDS
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("pending", total=None)
        while time.monotonic() < deadline:
            status: dict[str, Any] = succeeded(client.get(status_path)).json()
            progress.update(task, description=f"Export {status['job_id']} is {status['status']}")
            if status["status"] in ENDED:
                return completed(status, stack)
            stack.supervisor.check()
            time.sleep(POLL_SECONDS)
    raise DemoFailed(f"The export did not end within {EXPORT_SECONDS:.0f} s; see {stack.logs}.")


def completed(status: dict[str, Any], stack: Stack) -> dict[str, Any]:
    """The same status, if the export is completed. Raises DemoFailed otherwise."""
    if status["status"] != "completed":
        reason = (status.get("error") or {}).get("message", "no reason was given")
        raise DemoFailed(f"The export {status['status']}: {reason} Logs: {stack.logs}.")
    return status


def download(client: httpx.Client, export: dict[str, Any], file: Path) -> None:
    """Download the file and compare its size and checksum with the status."""
    digest = hashlib.sha256()
    with client.stream("GET", export["download_url"]) as answer, file.open("wb") as output:
        answer.raise_for_status()
        for chunk in answer.iter_raw():
            digest.update(chunk)
            output.write(chunk)
    if (file.stat().st_size, digest.hexdigest()) != (export["file_size_bytes"], export["sha256"]):
        raise DemoFailed(f"The downloaded file {file} is not the one that was promised.")


def verify_file(file: Path, export: dict[str, Any], warehouse: Path, owner: str) -> None:
    """Compare the file with the warehouse, and its number of rows with the status."""
    expected = expected_rows(warehouse, owner, FIRST_DAY, LAST_DAY)
    problems = differences(file, expected)
    if len(expected.rows) != export["row_count"]:
        problems.append(f"the status says {export['row_count']} rows, not {len(expected.rows)}")
    if problems:
        raise DemoFailed(f"{file} is not what the warehouse holds: {'; '.join(problems)}.")


def succeeded(answer: httpx.Response) -> httpx.Response:
    """The same response. Raises DemoFailed for an error response."""
    if answer.is_error:
        raise DemoFailed(f"{answer.request.method} {answer.request.url.path} was answered {answer.status_code}.")
    return answer


def summary(stack: Stack, export: dict[str, Any], file: Path) -> str:
    """What was exported and where it is."""
    with file.open(encoding="utf-8") as lines:
        shown = [line.rstrip("\n")[:LINE_WIDTH] for line in islice(lines, LINES_SHOWN)]
    return "\n".join(
        [
            *shown,
            "…",
            f"{export['row_count']:,} rows, {export['file_size_bytes']:,} bytes. Checked: the checksum of the file,",
            "and every row against a query of the warehouse that shares no code with the service.",
            f"  SHA-256   {export['sha256']}",
            f"  File      {file}",
            f"  Warehouse {stack.settings.warehouse}",
            f"  Logs      {stack.logs}",
            f"  While it ran: API {stack.api_url}{BASE_PATH}/docs, Dagster {stack.dagster_ui_url}",
        ]
    )
