"""The ``analytics-exports`` command: thin commands, one place where failures become exit codes.

    app.py            the commands and ``main``
    listing.py        what ``settings`` and ``datasets`` print
    doctor.py         ``doctor``: what is wrong, and the remedy
    serving.py        ``serve``: the stack until Ctrl-C
    demonstration.py  ``demo``: one export for real, checked against the warehouse

Commands import what they need when they run, so that ``--help`` answers at once. Exit codes: 0 done, 1 failed with a
reason on standard error, 2 wrong usage, 130 interrupted.
"""

from analytics_exports.cli.app import main

__all__ = ["main"]
