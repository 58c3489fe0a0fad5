"""``users …`` and ``tokens …``: who may call, for operators, in the database itself.

What belongs here: arguments, help texts and what is printed. Statements belong to ``database``.
"""

import json as json_format
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from analytics_exports.cli.configuration import database
from analytics_exports.cli.text import aligned
from analytics_exports.domain.access import USER_SCOPES, Scope

if TYPE_CHECKING:
    from analytics_exports.database.users import UserRecord
    from analytics_exports.domain.access import Token

users = typer.Typer(help="Who may call.", no_args_is_help=True, rich_markup_mode=None)
tokens = typer.Typer(help="API tokens.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Who = Annotated[str, typer.Argument(metavar="USER", help="Id, owner key or label.")]


@users.command(name="list")
def list_users(*, json: AsJson = False) -> None:
    """List all users."""
    from analytics_exports.database.users import PostgresUserStore

    with database() as engine:
        found = [_user(item) for item in PostgresUserStore(engine).all()]
    _print_all("users", found, as_json=json)


@users.command(name="create")
def create_user(
    *,
    label: Annotated[str, typer.Argument(help="What people call them.")],
    owner_key: Annotated[
        str | None, typer.Option(help="Their value in the warehouse's owner column; the id by default.")
    ] = None,
    user_id: Annotated[UUID | None, typer.Option("--id", help="Their id; a new one by default.")] = None,
    json: AsJson = False,
) -> None:
    """Admit somebody; prints their id."""
    from analytics_exports.database.users import PostgresUserStore

    with database() as engine:
        user = PostgresUserStore(engine).add(label, owner_key, user_id)
    typer.echo(_json(_user(user)) if json else user.id)


@users.command()
def disable(*, user: Who) -> None:
    """Refuse a user from now on; their unfinished exports are cancelled, and their files expire."""
    from analytics_exports.database.users import PostgresUserStore

    with database() as engine:
        store = PostgresUserStore(engine)
        store.disable(store.find(user).id)


@users.command()
def enable(*, user: Who) -> None:
    """Accept the tokens of a user again."""
    from analytics_exports.database.users import PostgresUserStore

    with database() as engine:
        store = PostgresUserStore(engine)
        store.enable(store.find(user).id)


@tokens.command(name="create")
def create_token(
    *,
    user: Who,
    name: Annotated[str, typer.Option(help="What the token is for.")] = "command line",
    days: Annotated[float, typer.Option(min=0, help="How long it is valid.")] = 30,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may be used for; repeat for more.")] = None,
    json: AsJson = False,
) -> None:
    """Make a token; prints its secret, this once."""
    from analytics_exports.database.token_store import PostgresTokenStore
    from analytics_exports.database.users import PostgresUserStore

    with database() as engine:
        owner = PostgresUserStore(engine).find(user)
        lifetime = timedelta(days=days)
        secret, token = PostgresTokenStore(engine).issue(owner.id, name, lifetime, scope or USER_SCOPES)
    typer.echo(_json({**_token(token), "token": secret}) if json else secret)


@tokens.command(name="list")
def list_tokens(*, user: Who, json: AsJson = False) -> None:
    """List the tokens of a user, newest first, without their secrets."""
    from analytics_exports.database.token_store import PostgresTokenStore
    from analytics_exports.database.users import PostgresUserStore

    with database() as engine:
        owner = PostgresUserStore(engine).find(user)
        found = [_token(item) for item in PostgresTokenStore(engine).of_user(owner.id)]
    _print_all("tokens", found, as_json=json)


@tokens.command()
def revoke(*, token_id: Annotated[UUID, typer.Argument(metavar="ID", help="As `tokens list` shows it.")]) -> None:
    """Refuse a token from now on."""
    from analytics_exports.database.token_store import PostgresTokenStore

    with database() as engine:
        PostgresTokenStore(engine).revoke(token_id)


@tokens.command()
def rotate(
    *,
    token_id: Annotated[UUID, typer.Argument(metavar="ID", help="As `tokens list` shows it.")],
    overlap: Annotated[float, typer.Option(min=0, help="Hours for which the old token still works.")] = 24,
    days: Annotated[float, typer.Option(min=0, help="How long the new one is valid.")] = 30,
    json: AsJson = False,
) -> None:
    """Make a token like this one, which itself ends after the overlap; prints the new secret, this once."""
    from analytics_exports.database.token_store import PostgresTokenStore

    with database() as engine:
        store = PostgresTokenStore(engine)
        secret, token = store.rotate(token_id, timedelta(days=days), timedelta(hours=overlap))
    typer.echo(_json({**_token(token), "token": secret}) if json else secret)


def _user(user: "UserRecord") -> dict[str, Any]:
    return {
        "id": str(user.id),
        "label": user.label,
        "owner_key": user.owner_key,
        "created_at": _time(user.created_at),
        "disabled_at": _time(user.disabled_at),
    }


def _token(token: "Token") -> dict[str, Any]:
    return {
        "id": str(token.id),
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": _time(token.created_at),
        "expires_at": _time(token.expires_at),
        "revoked_at": _time(token.revoked_at),
        "last_used_at": _time(token.last_used_at),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _json(value: Mapping[str, Any]) -> str:
    return json_format.dumps(value, indent=2, ensure_ascii=False)


def _print_all(noun: str, found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Everything as JSON, or a line each below a header."""
    if as_json:
        typer.echo(_json({noun: found}))
    elif found:
        rows = [tuple(_cell(value) for value in item.values()) for item in found]
        typer.echo(aligned([tuple(name.removesuffix("_at").replace("_", " ") for name in found[0]), *rows]))
    else:
        typer.echo(f"There are no {noun}.")


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")
