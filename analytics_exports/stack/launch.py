"""Replaces itself by another program: with default signals, optionally under another account, bound to its parent.

    python -I -S launch.py PARENT_PID DEATH_SIGNAL UID:GID|- PROGRAM [ARGUMENT...]

Run as a script, never imported: it is executed between ``fork`` and ``exec``, where a threaded parent must not run
Python. A shell's ``&`` makes its children ignore SIGINT, and some programs (Dagster) then ignore SIGTERM too, so every
signal is reset to its default. The kernel's parent-death signal exists on Linux only, and is sent when the *thread*
that started the process ends: start processes from the main thread.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
EXIT_NOT_FOUND = 127


def reset_signals() -> None:
    """Reset every signal to its default action and unblock it."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):  # reserved by the C library
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def switch_user(account: str) -> None:
    """Drop to ``UID:GID`` permanently; ``-`` keeps the current account."""
    if account == "-":
        return
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with_parent(parent: int, death_signal: int) -> None:
    """Request ``death_signal`` when the parent exits. Must follow ``switch_user``, which would reset it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # it was gone before we asked
        sys.exit(0)


def main(parent: str, death_signal: str, account: str, *command: str) -> None:
    """Never returns: it becomes ``command`` or exits with 127."""
    reset_signals()
    switch_user(account)
    die_with_parent(int(parent), int(death_signal))
    try:
        os.execvp(command[0], command)  # noqa: S606 (being replaced by a program without a shell is the point)
    except OSError as reason:
        sys.stderr.write(f"{command[0]}: {reason.strerror}\n")
        sys.exit(EXIT_NOT_FOUND)


if __name__ == "__main__":
    main(*sys.argv[1:])
