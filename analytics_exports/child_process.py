"""Processes that exit with the process that started them, even if that is killed.

    python -I -S child_process.py PARENT_PID DEATH_SIGNAL UID:GID|- PROGRAM [ARGUMENT...]

replaces itself by another program, with default signals and optionally under another account. It runs between ``fork``
and ``exec``, where a threaded parent must not run Python. A shell's ``&`` makes its children ignore SIGINT, and some
programs (Dagster) then ignore SIGTERM too, so every signal is reset to its default.

The kernel's parent-death signal exists on Linux only, and is sent when the *thread* that started the process ends.
Elsewhere a child outlives a parent that was killed.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
EXIT_NOT_FOUND = 127
CURRENT_ACCOUNT = "-"


def bound_to_this_process(
    command: Sequence[str], death_signal: signal.Signals = signal.SIGKILL, account: str = CURRENT_ACCOUNT
) -> list[str]:
    """``command``, extended so that its process receives ``death_signal`` when the thread that starts it ends.

    Args:
        account: ``UID:GID`` to run under.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(death_signal)), account, *command]


def exit_with_parent(parent: int, death_signal: int = signal.SIGKILL) -> None:
    """Have ``death_signal`` sent to this process when ``parent``, its parent, exits; exit at once if it already has.

    A change of the account afterwards would undo it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        os._exit(1)


def reset_signals() -> None:
    """Reset every signal to its default action and unblock it."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):  # reserved by the C library
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def switch_account(account: str) -> None:
    """Drop to ``UID:GID`` permanently."""
    if account == CURRENT_ACCOUNT:
        return
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(parent: str, death_signal: str, account: str, *command: str) -> None:
    """Never returns: it becomes ``command``, or exits with 127 when there is no such program."""
    reset_signals()
    switch_account(account)
    exit_with_parent(int(parent), int(death_signal))
    try:
        os.execvp(command[0], command)  # noqa: S606 (being replaced by a program without a shell is the point)
    except OSError as reason:
        sys.stderr.write(f"{command[0]}: {reason.strerror}\n")
        sys.exit(EXIT_NOT_FOUND)


if __name__ == "__main__":
    main(*sys.argv[1:])
