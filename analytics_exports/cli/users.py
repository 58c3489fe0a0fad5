"""``users``: users, for operators, directly in the database.

Statements belong to ``database.users``, output to ``records``.
"""

from typing import Annotated
from uuid import UUID

import typer

from analytics_exports.cli import records
from analytics_exports.cli.configuration import administered
from analytics_exports.cli.connection import AsJson

users = typer.Typer(help="Who may call.", no_args_is_help=True, rich_markup_mode=None)

Who = Annotated[str, typer.Argument(metavar="USER", help="Id, owner key or label.")]


@users.command(name="list")
def list_users(*, json: AsJson = False) -> None:
    """List all users."""
    with administered() as services:
        found = [records.of_user(item) for item in services.users.all()]
    records.print_all("users", found, as_json=json)


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
    with administered() as services:
        user = services.users.add(label, owner_key, user_id)
    records.print_one(records.of_user(user), str(user.id), as_json=json)


@users.command()
def disable(*, user: Who, json: AsJson = False) -> None:
    """Refuse a user from now on; their unfinished exports are cancelled, and their files expire. Prints their id."""
    _switch(user, enabled=False, as_json=json)


@users.command()
def enable(*, user: Who, json: AsJson = False) -> None:
    """Accept the tokens of a user again. Prints their id."""
    _switch(user, enabled=True, as_json=json)


def _switch(who: str, *, enabled: bool, as_json: bool) -> None:
    with administered() as services:
        user_id = services.users.find(who).id
        (services.users.enable if enabled else services.users.disable)(user_id)
        user = services.users.find(str(user_id))
    records.print_one(records.of_user(user), str(user_id), as_json=as_json)
