"""Processes that exit with the process that started them, even if that is killed.

On Linux the kernel ensures this, without a thread. Elsewhere a process notices only when it next reads from its pipe.

    python parent_death.py PID PROGRAM ARGUMENTS…     run a program that exits with the process PID
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def exit_with_parent(parent: int) -> None:
    """Have this process killed when ``parent``, its parent process, exits; exit at once if it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def bound_to_this_process(command: Sequence[str]) -> list[str]:
    """``command``, extended so that its process exits with the thread that starts it."""
    return [sys.executable, "-P", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    exit_with_parent(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell
