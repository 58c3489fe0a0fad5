"""``tokens``: API tokens, for operators, directly in the database.

How long a token may be valid belongs to ``services.tokens``.
"""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from analytics_exports.cli import records
from analytics_exports.cli.configuration import administered
from analytics_exports.cli.connection import AsJson
from analytics_exports.cli.users import Who
from analytics_exports.domain.access import USER_SCOPES, Scope

tokens = typer.Typer(help="API tokens.", no_args_is_help=True, rich_markup_mode=None)

TokenId = Annotated[UUID, typer.Argument(metavar="ID", help="As `tokens list` shows it.")]
Days = Annotated[
    float | None, typer.Option(min=0, help="How long it is valid; by default as long as the settings allow.")
]


@tokens.command(name="create")
def create_token(
    *,
    user: Who,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    days: Days = None,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may be used for; repeat for more.")] = None,
    json: AsJson = False,
) -> None:
    """Make a token; prints its secret, this once."""
    with administered() as services:
        secret, token = services.tokens.issue(services.users.find(user).id, name, scope or USER_SCOPES, _lifetime(days))
    records.print_one({**records.of_token(token), "token": secret}, secret, as_json=json)


@tokens.command(name="list")
def list_tokens(*, user: Who, json: AsJson = False) -> None:
    """List the tokens of a user, newest first, without their secrets."""
    with administered() as services:
        found = [records.of_token(item) for item in services.tokens.list_for_user(services.users.find(user).id)]
    records.print_all("tokens", found, as_json=json)


@tokens.command()
def rotate(
    *,
    token_id: TokenId,
    overlap: Annotated[float, typer.Option(min=0, help="Hours for which the old one works beside the new one.")] = 24,
    days: Days = None,
    json: AsJson = False,
) -> None:
    """Replace a token by one like it; prints the secret of the new one, this once."""
    with administered() as services:
        secret, token = services.tokens.rotate(token_id, timedelta(hours=overlap), _lifetime(days))
    records.print_one({**records.of_token(token), "token": secret}, secret, as_json=json)


@tokens.command()
def revoke(*, token_id: TokenId, json: AsJson = False) -> None:
    """Refuse a token from now on; prints its id."""
    with administered() as services:
        services.tokens.revoke(token_id)
    records.print_one({"id": str(token_id), "revoked": True}, str(token_id), as_json=json)


def _lifetime(days: float | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)
