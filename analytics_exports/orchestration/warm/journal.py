"""Which runs the pool has in hand: a file to which a line is added for each step, read by the pool that comes next.

A pool that is killed leaves runs behind that nobody works on. Those that were waiting can still be made; those that had
begun have to be declared failed. The file survives the process, which is all it has to survive: after a restart of the
machine the runs are as dead, and the file says so.
"""

import os
from pathlib import Path

WAITING, BACKFILL, BEGUN, ENDED = "+", "~", ">", "-"


class Journal:
    """The runs in hand, kept in a file."""

    def __init__(self, path: Path) -> None:
        """Go on with the journal at ``path``, in a folder that exists."""
        self.in_hand: dict[str, str] = {}
        """Each run that has not ended, in the order in which they came; BACKFILL is one of a backfill that waits."""

        for line in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
            self._note(line[:1], line[1:])
        rewritten = path.with_suffix(".new")
        rewritten.write_text("".join(f"{step}{run_id}\n" for run_id, step in self.in_hand.items()), encoding="ascii")
        rewritten.replace(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def add(self, step: str, run_id: str) -> None:
        """Note a step of a run. With nothing in hand the file begins anew."""
        self._note(step, run_id)
        os.write(self._file, f"{step}{run_id}\n".encode("ascii"))
        if not self.in_hand:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _note(self, step: str, run_id: str) -> None:
        if step == ENDED:
            self.in_hand.pop(run_id, None)
        else:
            self.in_hand[run_id] = step
