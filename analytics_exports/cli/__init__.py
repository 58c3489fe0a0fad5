"""The ``analytics-exports`` command: thin commands, one place where failures become exit codes.

    app.py            the commands and ``main``
    remote.py         ``export`` and ``exports``, which talk to a running service: ``arguments``, ``selecting``,
                      ``connection`` (exit codes), ``fetching``, ``history``
    users.py          ``users``, and ``tokens.py``, for operators: ``configuration``, ``records``
    listing.py        what ``settings`` and ``datasets`` print
    doctor.py         ``doctor``: what is wrong, and the remedy
    serving.py        ``serve``: the stack until Ctrl-C
    demonstration.py  ``demo``: one export for real, checked against the warehouse (``verification``)
    reference.py      the document about all this

Commands import what they need when they run, so that ``--help`` answers at once. Exit codes: 0 done, 2 wrong usage, 130
interrupted; the others are in ``connection``, each with a reason on standard error.
"""

from analytics_exports.cli.app import main

__all__ = ["main"]
