"""Several services of this machine: started in groups, watched, restarted when they die, stopped in reverse.

Which services there are belongs to ``stack``; running a single process to ``processes``. Why not a library:
docs/decisions/0004-own-supervisor.md.
"""

import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Protocol

from analytics_exports.stack.errors import ServiceFailed

POLL_SECONDS = 0.05
READY_SECONDS = 120.0
RESTARTS, RESTART_WINDOW_SECONDS = 3, 120.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Service(Protocol):
    """Something that runs until it is stopped."""

    @property
    def name(self) -> str:
        """Name for people."""

    @property
    def log(self) -> Path:
        """Its log file."""

    @property
    def exit_code(self) -> int | None:
        """Exit code of its process, negative for a signal; ``None`` while it runs."""

    def start(self) -> None:
        """Start it; it may take a while to become ready."""

    def is_ready(self) -> bool:
        """Whether it is ready."""

    def ask_to_stop(self) -> None:
        """Request a graceful stop, without waiting. Does nothing when it is not running."""

    def stop(self) -> None:
        """Stop it with its process group, by force if it takes too long. Does nothing when it is not running."""


class DatabaseServer(Service, Protocol):
    """A PostgreSQL server that runs as long as the services that use it."""

    @property
    def url(self) -> str:
        """URL of the application's database, including the password. Known once the server is started."""


class Supervisor:
    """Keeps services running, without a thread of its own: everything happens in the calls."""

    def __init__(self, say: Callable[[str], None], ready_seconds: float = READY_SECONDS) -> None:
        """Supervise nothing yet; ``say`` is called with messages for people."""
        self._say = say
        self._ready_seconds = ready_seconds
        self._groups: list[list[Service]] = []
        self._restarts: dict[str, deque[float]] = {}

    def start(self, *services: Service) -> None:
        """Start services concurrently and wait until all are ready.

        Raises:
            ServiceFailed: One ended, or was not ready in time; whatever was started still has to be stopped.
        """
        group: list[Service] = []
        self._groups.append(group)
        for service in services:
            group.append(service)
            service.start()
        deadline = time.monotonic() + self._ready_seconds
        waiting = list(services)
        while waiting := [service for service in waiting if not service.is_ready()]:
            self._refuse_dead(waiting)
            if time.monotonic() > deadline:
                raise ServiceFailed(f"{waiting[0].name} was not ready in time; see {waiting[0].log}.")
            time.sleep(POLL_SECONDS)

    def check(self) -> None:
        """Restart services that have died.

        Raises:
            ServiceFailed: A service died too often in a short time.
        """
        for group in self._groups:
            for service in group:
                if service.exit_code is not None:
                    self._restart(service)

    def run(self) -> None:
        """Check for ever; ends only by an exception: a signal converted to one, or ServiceFailed."""
        while True:
            self.check()
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop everything in reverse order; services that were started concurrently are stopped concurrently."""
        while self._groups:
            group = list(reversed(self._groups.pop()))
            for service in group:
                service.ask_to_stop()
            for service in group:
                service.stop()

    @staticmethod
    def _refuse_dead(services: list[Service]) -> None:
        for service in services:
            if service.exit_code is not None:
                raise ServiceFailed(f"{service.name} ended while starting ({_ending(service)}); see {service.log}.")

    def _restart(self, service: Service) -> None:
        ending = _ending(service)
        times = self._restarts.setdefault(service.name, deque(maxlen=RESTARTS))
        now = time.monotonic()
        if len(times) == RESTARTS and now - times[0] < RESTART_WINDOW_SECONDS:
            raise ServiceFailed(f"{service.name} keeps dying ({ending}); see {service.log}.")
        times.append(now)
        self._say(f"{service.name} died ({ending}); starting it again. Its log: {service.log}.1")
        service.stop()
        service.start()


def _ending(service: Service) -> str:
    code = service.exit_code or 0
    if code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Leave the block by an exception on Ctrl-C, SIGTERM and SIGHUP, even if a shell's ``&`` made them ignored.

    A second signal has no effect: the orderly stop continues. ``nohup`` is respected.
    """
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {number: signal.signal(number, _stop) for number in STOP_SIGNALS if number not in ignored}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)
