"""The journal of the pool: an append-only file with the runs that have not ended, read by the next pool after a crash.

Runs that were waiting can still be executed; runs that had started have to be marked as failed. The file only has to
survive the process, not the machine: after a reboot the runs have ended as well, and the file says so.
"""

import os
from pathlib import Path

WAITING, BACKFILL, STARTED, ENDED = "+", "~", ">", "-"


class Journal:
    """The runs that have not ended."""

    def __init__(self, path: Path) -> None:
        """Open the journal at ``path``, in an existing folder, and read what the previous pool recorded."""
        self.open_runs: dict[str, str] = {}
        """Each run that has not ended, in the order in which they came; BACKFILL is one of a backfill that waits."""

        for line in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
            self._apply(line[:1], line[1:])
        rewritten = path.with_suffix(".new")
        rewritten.write_text("".join(f"{step}{run_id}\n" for run_id, step in self.open_runs.items()), encoding="ascii")
        rewritten.replace(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def record(self, step: str, run_id: str) -> None:
        """Append one step of a run. The file is truncated when no run is left."""
        self._apply(step, run_id)
        os.write(self._file, f"{step}{run_id}\n".encode("ascii"))
        if not self.open_runs:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _apply(self, step: str, run_id: str) -> None:
        if step == ENDED:
            self.open_runs.pop(run_id, None)
        else:
            self.open_runs[run_id] = step
