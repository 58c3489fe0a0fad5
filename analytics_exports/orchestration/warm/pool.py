"""The pool: takes runs from launchers, gives them to workers, and sees to it that each comes to an end.

One thread and no waiting: it turns what it hears into tasks, and tasks into work for whoever is idle. The journal
says which runs are in hand, so that a pool that follows a kill takes up what was waiting and buries what had begun.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from analytics_exports.orchestration.warm.journal import BACKFILL, BEGUN, ENDED, WAITING, Journal
from analytics_exports.orchestration.warm.protocol import Message, listen, receive, send
from analytics_exports.orchestration.warm.staff import Staff, Worker
from analytics_exports.orchestration.warm.tasks import Task, WaitingTasks, burial_task, is_burial, run_task

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.2
CLIENT_SECONDS = 1.0
BURY_SECONDS = 3.0
"""How long burials may keep a pool that is told to stop; the next pool does what is left."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may take to end before its worker is killed: once it is cancelled, once the pool is to stop."""

    cancel: float = 10.0
    stop: float = 5.0


class Pool:
    """Serves one socket until it is told to stop."""

    def __init__(self, path: Path, staff: Staff, patience: Patience) -> None:
        """Listen at ``path``, and take up what the pool before left."""
        self._path = path
        self._listening = listen(path)
        self._staff = staff
        self._patience = patience
        self._stop_at: float | None = None
        self._tasks = WaitingTasks()
        self._journal = Journal(path.with_name("journal"))
        for run_id, step in self._journal.in_hand.items():
            lost = step == BEGUN
            self._tasks.add(
                burial_task(run_id, "The run workers were killed.")
                if lost
                else run_task(run_id, backfill=step == BACKFILL)
            )

    def serve(self) -> None:
        """Work until told to stop, then end in good order."""
        try:
            while not self._finished():
                self._staff.keep_up()
                self._dispatch()
                for source in wait([self._listening, *self._staff.sources()], TICK_SECONDS):
                    if source is self._listening:
                        self._accept()
                    elif heard := self._staff.listen(source):
                        self._note(*heard)
        finally:
            self._staff.close()
            self._listening.close()
            self._path.unlink(missing_ok=True)
            self._journal.close()

    def stop(self) -> None:
        """Take no more runs, let those in progress end for a while, then kill them. For signal handlers."""
        self._stop_at = self._stop_at or time.monotonic() + self._patience.stop

    def _accept(self) -> None:
        with Connection(self._listening.accept()[0].detach()) as client, suppress(OSError, ValueError, LookupError):
            if client.poll(CLIENT_SECONDS):
                send(client, self._answer(receive(client)))

    def _answer(self, message: Message) -> Message:
        if message["do"] == "check":
            return {"ok": self._staff.problem is None, "problem": self._staff.problem}
        run_id = str(message["run_id"])
        if message["do"] == "run":
            return {"ok": self._take(run_id, backfill=bool(message.get("backfill")))}
        if message["do"] == "cancel":
            return {"ok": self._cancel(run_id)}
        return {"ok": run_id in self._journal.in_hand}

    def _take(self, run_id: str, *, backfill: bool) -> bool:
        if self._stop_at:
            return False
        if run_id not in self._journal.in_hand:
            self._journal.add(BACKFILL if backfill else WAITING, run_id)
            self._tasks.add(run_task(run_id, backfill=backfill))
            self._staff.look()
        return True

    def _cancel(self, run_id: str) -> bool:
        """Stop a run that is in hand; whether it is."""
        if self._tasks.remove_run(run_id):
            self._tasks.add_first(burial_task(run_id, "Cancelled before a run worker had begun.", cancelled=True))
            return True
        busy = [worker for worker in self._staff.workers if worker.task and not is_burial(worker.task)]
        worker = next((worker for worker in busy if worker.task and worker.task["run_id"] == run_id), None)
        if worker:
            worker.interrupt(self._patience.cancel)
        return worker is not None

    def _dispatch(self) -> None:
        """Hand out what can be: burials at once, runs when a worker is idle and has the newest code."""
        while self._tasks.burials and (worker := self._staff.idle() or self._staff.extra()):
            self._assign(worker, self._tasks.burials.popleft())
        if self._stop_at or self._staff.renewing:
            return
        while worker := self._staff.idle():
            busy = [other.task for other in self._staff.workers if other.task]
            task = self._tasks.next_run(busy, self._staff.size)
            if task is None:
                return
            self._assign(worker, task)

    def _assign(self, worker: Worker, task: Task) -> None:
        self._journal.add(BEGUN, task["run_id"])
        worker.assign(task)

    def _note(self, worker: Worker, how: str | None) -> None:
        """A worker has done its task, or ended with it: then ``how``."""
        task, worker.task = worker.task or {}, None
        if how is None:
            self._journal.add(ENDED, task["run_id"])
        elif is_burial(task):
            self._tasks.add_first(task)
        else:
            cancelled = worker.kill_at is not None
            logger.error("Run worker %s %s", worker.pid, how)
            self._tasks.add_first(burial_task(task["run_id"], f"Run worker {worker.pid} {how}.", cancelled=cancelled))

    def _finished(self) -> bool:
        """Whether a pool that was told to stop can; kills what has not ended in time."""
        if self._stop_at is None:
            return False
        busy = [worker for worker in self._staff.workers if worker.task]
        now = time.monotonic()
        if now > self._stop_at:
            for worker in busy:
                if worker.task and not is_burial(worker.task):
                    worker.kill()
        return not (busy or self._tasks.burials) or now > self._stop_at + BURY_SECONDS
