"""``demo`` and ``serve`` as people run them: again and again in one folder, interrupted, killed, and started twice."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from analytics_exports.stack.environment import MARK
from analytics_exports.stack.leftovers import marked, working_in
from analytics_exports.stack.tcp import free_port
from analytics_exports_tests.demo_warehouse import place_demo
from analytics_exports_tests.scratch import scratch_folder
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

COMMAND = [sys.executable, "-m", "analytics_exports"]
PORTS = ("API_PORT", "DAGSTER_UI_PORT", "CODE_SERVER_PORT", "POSTGRES_PORT")
UP = "paste this"
SERVICES = 5
"""Processes that the stack starts beside PostgreSQL."""


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """One state folder for all tests of this module, with the warehouse already built, and ports of its own."""
    with scratch_folder() as state:
        place_demo(state / "demo")
        ports = {f"ANALYTICS_EXPORTS_{name}": str(free_port()) for name in PORTS}
        yield os.environ | ports | {"ANALYTICS_EXPORTS_STATE_DIR": str(state)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)


def started(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], env=environment, stderr=subprocess.PIPE, text=True)


def starting(environment: dict[str, str]) -> subprocess.Popen[str]:
    """A demo that has begun to start its services, which is when it has the most to leave behind half done."""
    demo = started(environment, "demo")
    until(lambda: len(marked(MARK, environment["ANALYTICS_EXPORTS_STATE_DIR"])) >= SERVICES)
    return demo


def said(process: subprocess.Popen[str], words: str) -> str:
    """What the process says on standard error, up to and with the line that has ``words`` in it."""
    assert process.stderr is not None
    text = ""
    for line in process.stderr:
        text += line
        if words in line:
            return text
    pytest.fail(f"it ended without saying {words!r}:\n{text}")


def processes(environment: dict[str, str]) -> list[psutil.Process]:
    """Everything that runs for this state folder, PostgreSQL included."""
    state = environment["ANALYTICS_EXPORTS_STATE_DIR"]
    return marked(MARK, state) + working_in(Path(state, "postgres").resolve() / "data")


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"{pattern} is not in {text}"
    return match[1]


def test_serve_is_up_until_it_is_interrupted_and_has_folder_and_ports_to_itself(environment: dict[str, str]) -> None:
    with started(environment, "serve", "--demo") as serve, scratch_folder() as elsewhere:
        text = said(serve, UP) + said(serve, "dataset_id")
        address, token, body = (found(pattern, text) for pattern in (r"POST (\S+)", r"Bearer ([^']+)'", r"-d '(.+)'"))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        assert httpx.post(address, headers=headers, content=body, timeout=LIMIT_SECONDS).status_code == 202

        with ThreadPoolExecutor() as pool:
            states = (environment["ANALYTICS_EXPORTS_STATE_DIR"], str(elsewhere))
            second, other = pool.map(
                lambda state: run(environment | {"ANALYTICS_EXPORTS_STATE_DIR": state}, "serve", "--demo"), states
            )
        assert (second.returncode, second.stdout) == (1, "")
        assert re.fullmatch(r"error: Another process uses .+\n", second.stderr)

        port = environment["ANALYTICS_EXPORTS_API_PORT"]
        assert (other.returncode, other.stdout) == (1, "")
        assert re.fullmatch(rf"error: Port {port} .+ANALYTICS_EXPORTS_API_PORT.+\n", other.stderr)

        serve.send_signal(signal.SIGINT)
        assert serve.wait(LIMIT_SECONDS) == 0
    assert processes(environment) == []


def test_demo_exports_and_checks_after_one_was_interrupted_and_one_was_killed_with_everything(
    environment: dict[str, str],
) -> None:
    with starting(environment) as demo:
        demo.send_signal(signal.SIGINT)
        assert demo.wait(LIMIT_SECONDS) == 128 + signal.SIGINT
    assert processes(environment) == []

    with starting(environment) as demo:
        for process in [psutil.Process(demo.pid), *processes(environment)]:
            with suppress(psutil.NoSuchProcess):  # it may have gone with its parent
                process.kill()
        assert demo.wait(LIMIT_SECONDS) == -signal.SIGKILL

    done = run(environment, "demo")
    assert done.returncode == 0, done.stderr
    assert "every row against a query of the warehouse" in done.stdout
    assert Path(found(r"File +(\S+)", done.stdout)).read_text(encoding="utf-8").startswith("user_id,")
    assert processes(environment) == []
