"""What routes work with: the services of their router, the authenticated caller, and what the caller may do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.gate import Gate
from analytics_exports.bootstrap import Application
from analytics_exports.domain.access import Principal, Scope
from analytics_exports.domain.errors import InsufficientScope, InvalidToken


async def get_gate(request: Request) -> Gate:
    """What the router that answers this request keeps."""
    gate: Gate = request.state.analytics_gate
    return gate


async def get_services(request: Request) -> Application:
    """The services of the router that answers this request."""
    return (await get_gate(request)).services


async def get_caller(request: Request) -> Principal:
    """Who asks. Raises InvalidToken when nobody was authenticated."""
    caller: Principal | None = getattr(request.state, "analytics_caller", None)
    if caller is None:
        raise InvalidToken
    return caller


Entrance = Annotated[Gate, Depends(get_gate)]
Services = Annotated[Application, Depends(get_services)]
Caller = Annotated[Principal, Depends(get_caller)]


@dataclass(frozen=True)
class May:
    """A dependency that refuses callers without ``scope``. Raises InsufficientScope."""

    scope: Scope

    async def __call__(self, caller: Caller) -> None:
        """Check the caller."""
        if self.scope not in caller.scopes:
            raise InsufficientScope


def authenticated(get_current_user: Callable[..., Any], *, admit: bool) -> Callable[..., Any]:
    """A dependency that makes what ``get_current_user`` returns, a Principal, the caller of the request.

    Args:
        admit: Make callers that are not known yet users; for those that a host application vouches for.
    """
    known: set[Principal] = set()

    async def authenticate(
        request: Request, services: Services, user: Annotated[Principal, Depends(get_current_user)]
    ) -> None:
        if admit and user not in known:
            await run_in_threadpool(services.directory.admit, user)
            known.add(user)
        request.state.analytics_caller = user

    return authenticate
