"""The commands that talk to a service, against one in memory behind a real socket: files, words and exit codes."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from threading import main_thread
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from analytics_exports.cli.app import app
from analytics_exports.cli.connection import EXIT_CODES, exit_code
from analytics_exports.cli.reference import stale
from analytics_exports.client.errors import CODES
from analytics_exports_tests.fakes.http import listening
from analytics_exports_tests.fakes.service import CONTENT, DATASET, TOKEN, FakeService, problem

COMMAND = [sys.executable, "-m", "analytics_exports"]
SERVER = ("dagster", "duckdb", "fastapi", "polars", "psycopg", "pyarrow", "pydantic_settings", "sqlalchemy")
HEAVY = (*SERVER, "httpx", "rich.console", "analytics_exports.contract")

Run = Callable[..., Result]


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def run(service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in an empty folder, with the address and the token in the environment."""
    monkeypatch.chdir(tmp_path)
    with listening(service) as url:
        monkeypatch.setenv("ANALYTICS_EXPORTS_URL", url)
        monkeypatch.setenv("ANALYTICS_EXPORTS_TOKEN", TOKEN)
        yield lambda *arguments: CliRunner().invoke(app, list(arguments))


def asked_for(service: FakeService) -> dict[str, object]:
    body: dict[str, object] = json.loads(service.asked("POST", "/exports")[0].content)
    return body


def test_an_export_becomes_a_file(run: Run, service: FakeService) -> None:
    result = run("export", DATASET, "-o", "sales.parquet")

    assert (result.exit_code, result.stdout) == (0, "sales.parquet\n")
    assert Path("sales.parquet").read_bytes() == CONTENT
    assert hashlib.sha256(CONTENT).hexdigest() in result.stderr


def test_without_an_output_the_file_gets_its_own_name(run: Run) -> None:
    assert run("export", DATASET).stdout == "sales.parquet\n"
    assert Path("sales.parquet").exists()


def test_every_option_reaches_the_service(run: Run, service: FakeService) -> None:
    account, tag = str(uuid4()), str(uuid4())
    words = f"--from 2024-01-01 --to 2024-12-31 --account {account} --tag {tag} --columns a,b --columns c"
    filters = "--where kind=x --where kind=y=z --range amount=-1.5.. --range n=..3 --no-wait --format ndjson"
    result = run("export", DATASET, *words.split(), *filters.split())

    assert result.stdout == f"{service.job_id}\n"
    body = asked_for(service)
    body.pop("dataset_id")
    assert body == {
        "format": "ndjson",
        "start_date": "2024-01-01",
        "end_date": "2024-12-31",
        "account_ids": [account],
        "tag_ids": [tag],
        "columns": ["a", "b", "c"],
        "enum_filters": {"kind": ["x", "y=z"]},
        "numeric_filters": {"amount": {"min": "-1.5"}, "n": {"max": "3"}},
    }


@pytest.mark.parametrize(
    ("arguments", "format"),
    [
        ([], "csv"),
        (["-o", "a.parquet"], "parquet"),
        (["-o", "a.XLSX"], "xlsx"),
        (["-o", "a.txt"], "csv"),
        (["-o", "a.csv", "-f", "arrow"], "arrow"),
        (["-o", "a.ndjson.gz"], "ndjson"),
    ],
)
def test_the_name_of_the_file_says_the_format(
    run: Run, service: FakeService, arguments: list[str], format: str
) -> None:
    run("export", DATASET, "--no-wait", *arguments)

    assert asked_for(service)["format"] == format


@pytest.mark.parametrize(("name", "compression"), [("a.csv.gz", "gzip"), ("a.ndjson.zst", "zstd"), ("a.csv", None)])
def test_the_name_of_the_file_says_the_compression(
    run: Run, service: FakeService, name: str, compression: str | None
) -> None:
    run("export", DATASET, "--no-wait", "-o", name)

    assert asked_for(service).get("compression") == compression
    assert asked_for(service)["format"] == name.split(".")[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--from", "yesterday"],
        ["--where", "kind"],
        ["--range", "amount=3"],
        ["--range", "=1..2"],
        ["--format", "pdf"],
        ["--url", "localhost:8000"],
    ],
)
def test_wrong_words_are_exit_code_2_and_nothing_is_asked(run: Run, service: FakeService, arguments: list[str]) -> None:
    assert run("export", DATASET, *arguments).exit_code == 2
    assert service.requests == []


def test_as_json_there_is_everything_and_nothing_else(run: Run, service: FakeService) -> None:
    result = run("export", DATASET, "-o", "a", "--json")

    said = json.loads(result.stdout)
    assert (said["job_id"], said["path"], said["status"]) == (str(service.job_id), "a", "completed")


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_export_says_how_to_go_on(run: Run, service: FakeService) -> None:
    service.status = "running"
    service.then("running", "running")
    service.instead.append(_interrupt)
    result = run("export", DATASET, "-o", "a")

    assert result.exit_code == 130
    assert f"analytics-exports exports download {service.job_id} -o a" in result.stderr


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As at a terminal: whoever starts the tests in the background makes them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _interrupt() -> None:
    """Ctrl-C."""
    signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)


def test_a_broken_download_goes_on(run: Run, service: FakeService) -> None:
    service.cuts.append(1000)

    assert run("exports", "download", str(service.job_id), "-o", "a").exit_code == 0
    assert Path("a").read_bytes() == CONTENT
    assert len(service.asked("GET", "/download")) == 2


def test_a_retry_fetches_the_new_file(run: Run, service: FakeService) -> None:
    service.status = "expired"
    service.then("expired", "completed")

    assert run("exports", "retry", str(service.job_id), "-o", "a").exit_code == 0
    assert Path("a").read_bytes() == CONTENT


def test_the_history_is_a_table(run: Run, service: FakeService) -> None:
    service.history = [uuid4() for _ in range(5)]
    lines = run("exports", "list", "--limit", "3").stdout.splitlines()

    assert lines[0].split() == ["id", "dataset", "format", "status", "rows", "size", "created", "expires"]
    assert [line.split()[0] for line in lines[1:]] == [str(job_id) for job_id in service.history[:3]]


def test_the_history_is_json(run: Run, service: FakeService) -> None:
    said = json.loads(run("exports", "list", "--json").stdout)

    assert [item["job_id"] for item in said["exports"]] == [str(service.job_id)]


def test_an_empty_history_says_so(run: Run, service: FakeService) -> None:
    service.history = []

    assert run("exports", "list").stdout == "There are no exports.\n"


def test_one_export_is_shown_with_its_reason(run: Run, service: FakeService) -> None:
    service.status = "failed"
    service.error = {"code": "out_of_memory", "message": "Too much.", "retryable": False}
    result = run("exports", "show", str(service.job_id))

    assert result.exit_code == 0
    assert "out_of_memory: Too much." in result.stdout


def test_cancelling_shows_what_came_of_it(run: Run, service: FakeService) -> None:
    service.status = "running"

    assert json.loads(run("exports", "cancel", str(service.job_id), "--json").stdout)["status"] == "cancelled"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", 2),
        (HTTPStatus.UNAUTHORIZED, "invalid_token", 3),
        (HTTPStatus.FORBIDDEN, "insufficient_scope", 3),
        (HTTPStatus.NOT_FOUND, "export_not_found", 4),
        (HTTPStatus.SERVICE_UNAVAILABLE, "warehouse_busy", 5),
        (HTTPStatus.GONE, "export_expired", 6),
        (HTTPStatus.CONFLICT, "a_code_of_tomorrow", 1),
    ],
)
def test_a_refusal_is_an_exit_code(
    run: Run, service: FakeService, status: HTTPStatus, code: str, expected: int
) -> None:
    service.instead.append(problem(status, code, retry_after="9999"))
    result = run("exports", "show", str(service.job_id))

    assert (result.exit_code, result.stdout) == (expected, "")
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(("status", "expected"), [("failed", 6), ("cancelled", 6), ("expired", 6)])
def test_an_export_without_a_file_is_an_exit_code(run: Run, service: FakeService, status: str, expected: int) -> None:
    service.status = status

    assert run("exports", "download", str(service.job_id)).exit_code == expected


def test_a_damaged_file_is_an_exit_code(run: Run, service: FakeService, tmp_path: Path) -> None:
    service.promised = "0" * 64

    assert run("exports", "download", str(service.job_id), "-o", "a").exit_code == 7
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_exit_code(run: Run, service: FakeService) -> None:
    result = run("exports", "download", str(service.job_id), "-o", "missing/a")

    assert result.exit_code == 1
    assert result.stderr.endswith("No such file or directory: " + result.stderr.rsplit(" ", 1)[1])


def test_every_error_has_an_exit_code() -> None:
    assert {exit_code(error) for error in CODES.values()} <= set(EXIT_CODES.values())


def test_wrong_fields_are_named_as_words_and_as_json(run: Run, service: FakeService) -> None:
    fields = [{"pointer": "/end_date", "detail": "It is before the start date."}]
    wrong = problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", errors=fields)
    service.instead.extend([wrong, wrong])

    assert "  /end_date: It is before the start date.\n" in run("export", DATASET).stderr
    said = json.loads(run("export", DATASET, "--json").stderr)
    assert said["error"]["errors"] == fields
    assert said["error"]["request_id"] == "r1"


def test_a_missing_token_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANALYTICS_EXPORTS_TOKEN")
    result = run("exports", "list")

    assert result.exit_code == 3
    assert "ANALYTICS_EXPORTS_TOKEN" in result.stderr


def test_the_token_is_never_shown(run: Run, service: FakeService) -> None:
    service.instead.append(problem(HTTPStatus.UNAUTHORIZED, "invalid_token"))
    shown = [run("exports", "list"), run("exports", "list", "--help"), run("exports", "list", "--json")]

    assert TOKEN not in "".join(result.output for result in shown)


def test_callers_see_what_a_service_offers(run: Run) -> None:
    assert run("datasets", "--service").stdout.startswith(DATASET)
    (offered,) = json.loads(run("datasets", "--service", "--json").stdout)["datasets"]
    assert offered["dataset_name"] == DATASET


def test_a_command_for_operators_says_what_is_missing(tmp_path: Path) -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({SERVER!r}))"
    (tmp_path / "sitecustomize.py").write_text(blocked, encoding="utf-8")
    variables = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [*COMMAND, "users", "list"], env=os.environ | variables, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr == (
        "error: This command is for the machine of the service: install analytics-exports[server].\n"
    )


def test_only_the_client_is_needed(service: FakeService, tmp_path: Path) -> None:
    """Libraries of the server cannot be imported here, and a whole export works."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({SERVER!r}))"
    (tmp_path / "sitecustomize.py").write_text(blocked, encoding="utf-8")
    with listening(service) as url:
        variables = {"PYTHONPATH": str(tmp_path), "ANALYTICS_EXPORTS_URL": url, "ANALYTICS_EXPORTS_TOKEN": TOKEN}
        command = [*COMMAND, "export", DATASET, "-o", str(tmp_path / "a")]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == f"{service.job_id} completed"
    assert (tmp_path / "a").read_bytes() == CONTENT


@pytest.mark.parametrize("command", ["export", "exports", "users", "tokens"])
def test_help_loads_nothing_heavy(command: str) -> None:
    probe = (
        f"import sys; sys.argv = ['x', {command!r}, '--help']\n"
        "from analytics_exports.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[]"


def completed(shell: str, line: str) -> list[str]:
    """What the Tab key offers at the end of ``line``, as the shell's own script asks for it."""
    words = line.split(" ")
    variables = {
        "_ANALYTICS_EXPORTS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
    }
    program = str(Path(sys.executable).with_name("analytics-exports"))
    done = subprocess.run([program], env=os.environ | variables, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


def test_the_tab_key_knows_commands_formats_datasets_and_exports(run: Run, service: FakeService) -> None:
    assert "download" in completed("bash", "analytics-exports exports ")
    assert completed("bash", "analytics-exports export x --format pa") == ["parquet"]
    assert completed("bash", "analytics-exports export fct") == [DATASET]
    assert completed("bash", "analytics-exports exports show ") == [str(service.job_id)]
    assert completed("bash", "analytics-exports export nothing") == []


def test_the_tab_key_is_silent_without_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_EXPORTS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("ANALYTICS_EXPORTS_TOKEN", TOKEN)

    assert completed("bash", "analytics-exports export fct") == []


def test_the_reference_is_what_the_code_says() -> None:
    assert stale() == [], "run: python -m analytics_exports.cli.reference"
