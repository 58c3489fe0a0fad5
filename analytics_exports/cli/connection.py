"""Connecting a command to a running service: its URL, the caller's token, and exit codes.

Exit codes: 1 failed, 2 wrong request, 3 not allowed, 4 not found, 5 not now (try again later), 6 the export has no
file, 7 the download was damaged. This works where only the client is installed, so settings of the server do not belong
here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from analytics_exports.domain import errors

if TYPE_CHECKING:
    from analytics_exports.client import Client

DEFAULT_URL = "http://127.0.0.1:8000"
URL_VARIABLE, TOKEN_VARIABLE = "ANALYTICS_EXPORTS_URL", "ANALYTICS_EXPORTS_TOKEN"
COMPLETION_SECONDS = 3.0
"""Timeout of shell completion, in seconds."""

Url = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="Where the service is.")]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar=TOKEN_VARIABLE,
        show_default=False,
        help="Your API token. Better set the variable: other users of a machine can see command lines.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

FAILED, WRONG, FORBIDDEN, NOT_FOUND, NOT_NOW, NO_FILE, DAMAGED = range(1, 8)

EXIT_CODES: Mapping[str, int] = {
    errors.ExportError.code: FAILED,
    errors.InvalidRequest.code: WRONG,
    errors.InvalidToken.code: FORBIDDEN,
    errors.InsufficientScope.code: FORBIDDEN,
    errors.DatasetNotFound.code: NOT_FOUND,
    errors.ExportNotFound.code: NOT_FOUND,
    errors.UserNotFound.code: NOT_FOUND,
    errors.TokenNotFound.code: NOT_FOUND,
    errors.TooManyExports.code: NOT_NOW,
    errors.Unavailable.code: NOT_NOW,
    errors.ExportUnavailable.code: NO_FILE,
    errors.ExportExpired.code: NO_FILE,
    errors.ProductionFailed.code: NO_FILE,
    "damaged_file": DAMAGED,
}
"""By the code of an error, or of its nearest ancestor."""


@contextmanager
def connected(url: str, token: str, *, as_json: bool) -> Iterator["Client"]:
    """A client for one command. An error in the block is reported and determines the exit code."""
    from analytics_exports.client import Client

    try:
        with Client(url, token) as client:
            yield client
    except errors.ExportError as error:
        report(error, as_json=as_json)
        raise typer.Exit(exit_code(type(error))) from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
    except OSError as error:
        typer.echo(f"error: The file cannot be written: {error.strerror}: {error.filename}", err=True)
        raise typer.Exit(FAILED) from None


def exit_code(error: type[errors.ExportError]) -> int:
    """The exit code for an error of the client."""
    codes = [getattr(ancestor, "code", "") for ancestor in error.__mro__]
    return next(EXIT_CODES[code] for code in codes if code in EXIT_CODES)


def report(error: errors.ExportError, *, as_json: bool) -> None:
    """Print an error on standard error: the sentence, each invalid field, and the request id for operators."""
    from analytics_exports.client import Answered

    answer = error.__cause__
    request_id = answer.problem.request_id if isinstance(answer, Answered) and answer.problem else None
    fields = error.problems if isinstance(error, errors.InvalidRequest) else ()
    if as_json:
        problems = [{"pointer": field.pointer, "detail": field.detail} for field in fields]
        said = {"code": error.code, "detail": str(error), "request_id": request_id, "errors": problems}
        typer.echo(json.dumps({"error": said}, ensure_ascii=False), err=True)
        return
    typer.echo(f"error: {error}", err=True)
    for field in fields:
        typer.echo(f"  {field.pointer}: {field.detail}", err=True)
    if isinstance(error, errors.InvalidToken):
        typer.echo(f"  Set {TOKEN_VARIABLE}, or give --token.", err=True)
    elif request_id:
        typer.echo(f"  (request {request_id})", err=True)


def completions(ask: "Callable[[Client], list[str]]") -> list[str]:
    """Values from the service for shell completion; none when it does not respond in time."""
    import os

    from analytics_exports.client import Client, Retries

    url, token = os.environ.get(URL_VARIABLE, DEFAULT_URL), os.environ.get(TOKEN_VARIABLE, "")
    try:
        with Client(url, token, timeout=COMPLETION_SECONDS, retries=Retries(attempts=1)) as client:
            return ask(client)
    except (errors.ExportError, ValueError):
        return []
