"""The server of the worker pool: accepts runs from launchers, assigns them to workers, and sees that each run ends.

It is a single-threaded event loop that never blocks on a worker. The journal records which runs have not ended, so that
a pool started after a crash resumes the runs that were waiting and marks those that had started as failed.
"""

import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from analytics_exports.worker_pool.journal import BACKFILL, ENDED, STARTED, WAITING, Journal
from analytics_exports.worker_pool.pool import Worker, WorkerPool
from analytics_exports.worker_pool.protocol import Message, listen, receive, send
from analytics_exports.worker_pool.task_queue import Task, TaskQueue, failure_task, is_failure, run_task

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.2
CLIENT_SECONDS = 1.0
MARK_FAILED_SECONDS = 3.0
"""Time for marking runs as failed during a shutdown, in seconds; the next pool does what is left."""


@dataclass(frozen=True, slots=True)
class GracePeriods:
    """Seconds a run may take to end before its worker is killed.

    Attributes:
        cancel: After the run was cancelled.
        stop: After the pool was stopped.
    """

    cancel: float = 10.0
    stop: float = 5.0


class PoolServer:
    """Serves one Unix socket until it is stopped."""

    def __init__(self, path: Path, workers: WorkerPool, grace: GracePeriods) -> None:
        """Listen at ``path`` and resume the runs in the journal of the previous pool."""
        self._path = path
        self._listening = listen(path)
        self._workers = workers
        self._grace = grace
        self._stop_at: float | None = None
        self._tasks = TaskQueue()
        self._journal = Journal(path.with_name("journal"))
        for run_id, step in self._journal.open_runs.items():
            if step == STARTED:
                self._tasks.add(failure_task(run_id, "The run workers were killed."))
            else:
                self._tasks.add(run_task(run_id, backfill=step == BACKFILL))

    def serve(self) -> None:
        """Run the event loop until ``stop`` is called, then shut down."""
        try:
            while not self._finished():
                self._workers.maintain()
                self._dispatch()
                for source in wait([self._listening, *self._workers.connections()], TICK_SECONDS):
                    if source is self._listening:
                        self._serve_client()
                    elif ended := self._workers.handle(source):
                        self._record_end(*ended)
        finally:
            self._workers.close()
            self._listening.close()
            self._path.unlink(missing_ok=True)
            self._journal.close()

    def stop(self) -> None:
        """Accept no more runs, wait for the current ones, then kill them. Safe to call from a signal handler."""
        self._stop_at = self._stop_at or time.monotonic() + self._grace.stop

    def _serve_client(self) -> None:
        with Connection(self._listening.accept()[0].detach()) as client, suppress(OSError, ValueError, LookupError):
            if client.poll(CLIENT_SECONDS):
                send(client, self._respond(receive(client)))

    def _respond(self, message: Message) -> Message:
        if message["do"] == "check":
            return {"ok": self._workers.problem is None, "problem": self._workers.problem}
        run_id = str(message["run_id"])
        if message["do"] == "run":
            return {"ok": self._accept_run(run_id, backfill=bool(message.get("backfill")))}
        if message["do"] == "cancel":
            return {"ok": self._cancel(run_id)}
        return {"ok": run_id in self._journal.open_runs}

    def _accept_run(self, run_id: str, *, backfill: bool) -> bool:
        if self._stop_at:
            return False
        if run_id not in self._journal.open_runs:
            self._journal.record(BACKFILL if backfill else WAITING, run_id)
            self._tasks.add(run_task(run_id, backfill=backfill))
            self._workers.check_source()
        return True

    def _cancel(self, run_id: str) -> bool:
        """Stop a run that has not ended. Returns whether there was such a run."""
        if self._tasks.remove_run(run_id):
            self._tasks.add_first(failure_task(run_id, "Cancelled before a run worker had begun.", cancelled=True))
            return True
        busy = [worker for worker in self._workers.workers if worker.task and not is_failure(worker.task)]
        worker = next((worker for worker in busy if worker.task and worker.task["run_id"] == run_id), None)
        if worker:
            worker.interrupt(self._grace.cancel)
        return worker is not None

    def _dispatch(self) -> None:
        """Assign tasks: failures at once, runs when a worker with the current source is idle."""
        while self._tasks.failures and (worker := self._workers.idle() or self._workers.spawn_extra()):
            self._assign(worker, self._tasks.failures.popleft())
        if self._stop_at or self._workers.reloading:
            return
        while worker := self._workers.idle():
            busy = [other.task for other in self._workers.workers if other.task]
            task = self._tasks.next_run(busy, self._workers.size)
            if task is None:
                return
            self._assign(worker, task)

    def _assign(self, worker: Worker, task: Task) -> None:
        self._journal.record(STARTED, task["run_id"])
        worker.assign(task)

    def _record_end(self, worker: Worker, ending: str | None) -> None:
        """Record that a worker finished its task, or that it exited during the task: then ``ending`` says how."""
        task, worker.task = worker.task or {}, None
        if ending is None:
            self._journal.record(ENDED, task["run_id"])
        elif is_failure(task):
            self._tasks.add_first(task)
        else:
            cancelled = worker.kill_at is not None
            logger.error("Run worker %s %s", worker.pid, ending)
            self._tasks.add_first(
                failure_task(task["run_id"], f"Run worker {worker.pid} {ending}.", cancelled=cancelled)
            )

    def _finished(self) -> bool:
        """Whether a stopping pool is done. Kills workers whose grace period is over."""
        if self._stop_at is None:
            return False
        busy = [worker for worker in self._workers.workers if worker.task]
        now = time.monotonic()
        if now > self._stop_at:
            for worker in busy:
                if worker.task and not is_failure(worker.task):
                    worker.kill()
        return not (busy or self._tasks.failures) or now > self._stop_at + MARK_FAILED_SECONDS
