"""``docs/reference/cli.md``: the help of every command and the exit codes."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from analytics_exports.cli import connection
from analytics_exports.cli.app import app

PROGRAM = "analytics-exports"
WIDTH = 100

INTRODUCTION = """\
# The command line

`analytics-exports`, or `python -m analytics_exports`. Every command that prints facts knows `--json`; what is said to
people meanwhile goes to standard error, so that standard output can be piped. `--install-completion` teaches the Tab
key commands, options, formats, names of datasets and ids of exports.

`export`, `exports` and `datasets --service` talk to a running service and work where only the client is installed
(`pip install analytics-exports`); every other command is for operators, on the machine of the service
(`pip install 'analytics-exports[server]'`).

## Exit codes

0 done, 2 wrong usage, 130 interrupted. Every other one comes with a reason on standard error, as JSON where `--json`
was given:

| exit code | meaning | error codes, and all of their kind |
|---|---|---|
"""
MEANINGS = {
    connection.FAILED: "anything else",
    connection.WRONG: "the request is wrong, naming each field",
    connection.FORBIDDEN: "the token is missing, not valid, or may not do this",
    connection.NOT_FOUND: "there is no such dataset, user or token, or no such export of yours",
    connection.NOT_NOW: "not now; the same command may work later",
    connection.NO_FILE: "the export has no file: it failed, was cancelled or has expired",
    connection.DAMAGED: "(the client itself) the file did not arrive as promised; nothing was kept",
}


def document() -> str:
    """The whole document."""
    codes: dict[int, list[str]] = {}
    for error, code in connection.EXIT_CODES.items():
        codes.setdefault(code, []).append(f"`{error}`")
    table = "".join(f"| {code} | {MEANINGS[code]} | {', '.join(names)} |\n" for code, names in sorted(codes.items()))
    return "\n".join([INTRODUCTION + table, *_sections(get_command(app), (PROGRAM,))])


def _sections(command: Any, path: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401 - Typer's own classes
    """One section for each command, groups before their commands."""
    context = command.make_context(path[-1], [], resilient_parsing=True, max_content_width=WIDTH, terminal_width=WIDTH)
    context.info_name = " ".join(path)
    yield f"## {' '.join(path)}\n\n```text\n{command.get_help(context).strip()}\n```\n"
    for name in sorted(getattr(command, "commands", {})):
        yield from _sections(command.commands[name], (*path, name))
