"""The ``analytics-exports`` command.

    app            the commands, and ``main``, which maps errors to exit codes
    arguments      arguments and options of the commands for users
    checks         what ``doctor`` checks besides the parts of the service
    configuration  settings and database of the commands for operators
    connection     connecting to a service, and exit codes
    demonstration  ``demo``: one export, verified; ``serve --demo``
    doctor         ``doctor``: problems and remedies
    fetching       waiting for an export and downloading its file
    history        formats exports and datasets of a service
    listing        formats settings and datasets
    records        formats users and tokens
    reference      generates the documents in docs/reference
    remote         ``export`` and ``exports``: the commands for users
    selecting      options of a command to options of the client
    serving        ``serve``: the service on this machine until Ctrl-C
    tokens         ``tokens``
    users          ``users``
    verification   compares a CSV file with the warehouse

Commands import what they need when they run, so that ``--help`` responds at once. Exit codes: 0 success, 2 wrong usage,
130 interrupted; the others are defined in ``connection``, each with a reason on standard error.
"""

from analytics_exports.cli.app import main

__all__ = ["main"]
