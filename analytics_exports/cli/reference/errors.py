"""``docs/reference/http-errors.md``: every error that the HTTP interface answers with, from the classes themselves."""

from analytics_exports.api.problems import status_of, tree
from analytics_exports.cli.reference.tables import table

INTRODUCTION = """\
# Errors over HTTP

Every error is an `application/problem+json` (RFC 9457) with a `code` that is never reused for another meaning, a
sentence on the remedy, and the `request_id` to give to an operator. Fields that are wrong are listed under `errors`,
each with a JSON pointer. No answer repeats what the caller sent, and none holds the text of an exception.

The running service tells the same at `GET /api/analytics/errors/{code}`. "Again later" says that the same request can
succeed without a change; such an answer has a `Retry-After`. Codes of exports that failed stand in `error.code` of the
export, whose own answer is 200.

"""


def document() -> str:
    """The whole document."""
    rows = [
        (f"`{error.code}`", str(status_of(error).value), "yes" if error.retryable else "", error.sentence())
        for error in sorted(tree(), key=lambda error: (status_of(error), error.code))
    ]
    return INTRODUCTION + table(("code", "status", "again later", "what it means"), rows)
