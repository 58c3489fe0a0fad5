"""Ending with one's parent: no process of the pool outlives the one that started it.

On Linux the kernel sees to it, without a thread. Elsewhere a process notices only when it next reads from its pipe.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Be killed when ``parent``, the process that started this one, ends; at once if it has already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
