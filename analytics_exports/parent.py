"""Ending with one's parent: no process outlives the one that started it, even if that is killed.

On Linux the kernel sees to it, without a thread. Elsewhere a process notices only when it next reads from its pipe.

    python parent.py PID PROGRAM ARGUMENTS…     any program that ends with the process PID
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when ``parent``, the process that started this one, ends; at once if it has already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def ending_with_us(command: Sequence[str]) -> list[str]:
    """``command``, to be started by this process, so that it ends with the thread that starts it."""
    return [sys.executable, "-P", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    die_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell
