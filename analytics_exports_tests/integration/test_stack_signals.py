"""How a stack of real processes ends when its owner gets a signal, gets two, or is killed.

Run as a program, this module is that owner: it supervises one web server and writes down what it does.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from analytics_exports.stack.processes import ManagedProcess, Program
from analytics_exports.stack.supervisor import Supervisor, stopping_on_signals
from analytics_exports.stack.tcp import LOOPBACK, answers, free_port
from analytics_exports_tests.waiting import LIMIT_SECONDS, killed_at_end

OWNER = [sys.executable, "-m", "analytics_exports_tests.integration.test_stack_signals"]


def owner(folder: Path, port: int) -> None:
    """Supervise a web server until a signal comes; print the two pids, and leave a file ``ended`` when stopped."""
    program = Program(
        arguments=[sys.executable, "-m", "http.server", "--bind", LOOPBACK, str(port)],
        environment={"PATH": os.defpath},
        folder=folder,
        log=folder / "web.log",
    )
    web = ManagedProcess("web", program, partial(answers, port), port=port)
    supervisor = Supervisor(lambda _: None)
    with stopping_on_signals():
        try:
            supervisor.start(web)
            print(os.getpid(), web.pid, flush=True)  # noqa: T201
            supervisor.run()
        finally:
            supervisor.stop()
            (folder / "ended").touch()


def owner_process(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([*OWNER, folder, str(free_port())], stdout=subprocess.PIPE, text=True)


def started(owner: subprocess.Popen[str]) -> tuple[psutil.Process, psutil.Process]:
    """Wait for the owner's word; returns it and its web server."""
    assert owner.stdout is not None
    own, web = owner.stdout.readline().split()
    return psutil.Process(int(own)), psutil.Process(int(web))


def ended(process: psutil.Process) -> bool:
    _, alive = psutil.wait_procs([process], timeout=LIMIT_SECONDS)
    return not alive


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """Under nohup this process ignores SIGHUP, and would hand that on to those it starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGHUP, 128 + signal.SIGHUP), (signal.SIGINT, -signal.SIGINT)],
)
def test_a_signal_stops_everything_in_order(tmp_path: Path, number: signal.Signals, exit_code: int) -> None:
    with killed_at_end(owner_process(tmp_path)) as process:
        _, web = started(process)

        process.send_signal(number)

        assert process.wait(LIMIT_SECONDS) == exit_code
    assert ended(web)
    assert (tmp_path / "ended").exists()


def test_started_by_a_shell_that_ignores_sigint_it_still_stops_on_sigterm(tmp_path: Path) -> None:
    command = " ".join([*OWNER, str(tmp_path), str(free_port()), "&"])
    with killed_at_end(subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True)) as shell:
        background, web = started(shell)

        background.terminate()

        assert ended(background)
        assert ended(web)
    assert (tmp_path / "ended").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of a killed process")
def test_killing_the_owner_leaves_nothing(tmp_path: Path) -> None:
    with killed_at_end(owner_process(tmp_path)) as process:
        _, web = started(process)

        process.kill()

        assert ended(web)
    assert not (tmp_path / "ended").exists()


if __name__ == "__main__":
    owner(Path(sys.argv[1]), int(sys.argv[2]))
