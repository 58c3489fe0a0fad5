"""Supervision of real small processes: readiness, death, busy ports, and stopping with everything that was started."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from analytics_exports.stack.errors import AlreadyRunning, PortBusy, ServiceFailed
from analytics_exports.stack.leftovers import marked, stop_processes
from analytics_exports.stack.locks import FolderLock
from analytics_exports.stack.processes import Child, ManagedProcess, Program
from analytics_exports.stack.supervisor import Supervisor
from analytics_exports.stack.tcp import LOOPBACK, answers, free_port, is_free
from analytics_exports_tests.waiting import LIMIT_SECONDS

SERVER = ("-m", "http.server", "--bind", LOOPBACK)
EVER = "import signal\nwhile True: signal.pause()"
STUBBORN = f"""
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", {EVER!r}])
print(child.pid, flush=True)
{EVER}
"""
READY = f"print('ready', flush=True)\n{EVER}"
LAST_WORDS = """
import signal, sys
def end(*_):
    with open(sys.argv[1], "a") as file: file.write(sys.argv[2] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("armed", flush=True)
while True: signal.pause()
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(said.append, ready_seconds=20)
    yield supervisor
    supervisor.stop()


def program(folder: Path, *arguments: str, name: str = "service", stop_seconds: float = 10) -> Program:
    return Program(
        arguments=[sys.executable, *arguments],
        environment={"PATH": os.defpath},
        folder=folder,
        log=folder / "logs" / f"{name}.log",
        stop_seconds=stop_seconds,
    )


def web_server(folder: Path, port: int) -> ManagedProcess:
    return ManagedProcess("web", program(folder, *SERVER, str(port)), partial(answers, port), port=port, setting="PORT")


def written(log: Path) -> bool:
    return log.exists() and log.read_text() != ""


def test_a_started_service_can_be_used_and_a_stopped_one_is_gone(supervisor: Supervisor, tmp_path: Path) -> None:
    port = free_port()

    supervisor.start(web_server(tmp_path, port))
    assert answers(port)

    supervisor.stop()
    assert is_free(port)


def test_a_service_that_dies_is_started_again(supervisor: Supervisor, said: list[str], tmp_path: Path) -> None:
    port = free_port()
    web = web_server(tmp_path, port)
    supervisor.start(web)
    first = web.pid
    assert first is not None

    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    supervisor.check()

    assert web.pid != first
    assert web.exit_code is None
    assert len(said) == 1
    assert "web died (SIGKILL)" in said[0]


def test_a_service_that_keeps_dying_is_given_up(supervisor: Supervisor, tmp_path: Path) -> None:
    brief = ManagedProcess("brief", program(tmp_path, "-c", "raise SystemExit(3)"), lambda: True)
    supervisor.start(brief)

    with pytest.raises(ServiceFailed, match=r"brief keeps dying \(exit code 3\).*service\.log"):
        supervisor.run()


def test_a_service_that_ends_before_it_is_ready_names_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    broken = ManagedProcess("broken", program(tmp_path, "-c", "raise SystemExit('no')"), lambda: False)

    with pytest.raises(ServiceFailed, match=r"broken ended while starting \(exit code 1\).*service\.log"):
        supervisor.start(broken)

    assert broken.log.read_text() == "no\n"


def test_waiting_for_a_service_ends(said: list[str], tmp_path: Path) -> None:
    supervisor = Supervisor(said.append, ready_seconds=0)
    silent = ManagedProcess("silent", program(tmp_path, "-c", EVER), lambda: False)
    try:
        with pytest.raises(ServiceFailed, match="silent was not ready in time"):
            supervisor.start(silent)
    finally:
        supervisor.stop()

    assert silent.pid is None


@pytest.fixture
def ignored() -> Iterator[None]:
    """SIGTERM is ignored in this process, as Dagster leaves it in a process that ignores SIGINT."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("ignored")
def test_a_service_hears_that_it_is_to_stop_as_soon_as_it_is_started(tmp_path: Path) -> None:
    for _ in range(5):
        child = Child(program(tmp_path, "-c", EVER, stop_seconds=LIMIT_SECONDS))
        child.stop()
        assert child.exit_code == -signal.SIGTERM


@pytest.mark.parametrize("share", [False, True], ids=["exclusive", "with SO_REUSEPORT"])
def test_a_busy_port_is_refused_before_anything_starts(supervisor: Supervisor, tmp_path: Path, share: bool) -> None:
    with socket.create_server((LOOPBACK, 0), reuse_port=share) as other:
        port = other.getsockname()[1]
        web = web_server(tmp_path, port)

        with pytest.raises(PortBusy, match=f"Port {port} .*set PORT"):
            supervisor.start(web)

    assert web.pid is None


def test_a_bound_port_that_does_not_listen_is_busy_too() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind((LOOPBACK, 0))

        assert not is_free(other.getsockname()[1])


def test_services_are_stopped_last_started_first(supervisor: Supervisor, tmp_path: Path) -> None:
    words = tmp_path / "words"
    for name in ("first", "second", "third"):
        talker = program(tmp_path, "-c", LAST_WORDS, str(words), name, name=name)
        supervisor.start(ManagedProcess(name, talker, partial(written, talker.log)))

    supervisor.stop()

    assert words.read_text().split() == ["third", "second", "first"]


def test_what_does_not_stop_is_killed_with_its_children(supervisor: Supervisor, tmp_path: Path) -> None:
    stubborn = program(tmp_path, "-c", STUBBORN, stop_seconds=0.2)
    service = ManagedProcess("stubborn", stubborn, partial(written, stubborn.log))
    supervisor.start(service)
    grandchild = psutil.Process(int(stubborn.log.read_text()))

    supervisor.stop()

    _, alive = psutil.wait_procs([grandchild], timeout=LIMIT_SECONDS)
    assert alive == []


def test_the_log_of_the_run_before_is_kept(supervisor: Supervisor, tmp_path: Path) -> None:
    for word in ("old", "new"):
        talker = program(tmp_path, "-c", f"print({word!r}, flush=True)\n{EVER}")
        service = ManagedProcess("talker", talker, partial(written, talker.log))
        supervisor.start(service)
        supervisor.stop()

    assert talker.log.read_text() == "new\n"
    assert talker.log.with_name("service.log.1").read_text() == "old\n"


def test_a_folder_is_locked_by_one_owner_at_a_time(tmp_path: Path) -> None:
    owner, second = FolderLock(tmp_path), FolderLock(tmp_path)
    owner.acquire()

    with pytest.raises(AlreadyRunning, match=str(tmp_path)):
        second.acquire()
    owner.release()
    second.acquire()
    second.release()


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes with exactly this environment, whose output can be read; they are killed after the test."""
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str, environment: dict[str, str]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        processes.append(process)
        return process

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_marked_processes_are_found_with_what_they_started(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    mark = {"PATH": os.defpath, "STACK_MARK": str(tmp_path)}
    parent = started(sys.executable, "-c", STUBBORN, environment=mark)
    grandchild = int(line_of(parent))

    found = marked("STACK_MARK", str(tmp_path))
    assert {process.pid for process in found} == {parent.pid, grandchild}

    stop_processes(found, signal.SIGKILL)
    assert marked("STACK_MARK", str(tmp_path)) == []


def test_a_process_is_found_although_its_environment_was_empty_at_first(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As within execve(2), where nothing can be held still: here the process replaces itself between the two looks."""
    mark = {"STACK_MARK": str(tmp_path)}
    replaced = f"import os, sys; input(); os.execve(sys.executable, [sys.executable, '-c', {READY!r}], {mark})"
    process = started(sys.executable, "-c", replaced, environment={})

    def proceed(_seconds: float) -> None:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert line_of(process) == "ready\n"

    monkeypatch.setattr("analytics_exports.stack.leftovers.time.sleep", proceed)

    assert [found.pid for found in marked("STACK_MARK", str(tmp_path))] == [process.pid]
