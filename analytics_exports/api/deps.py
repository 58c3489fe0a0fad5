"""Dependencies of routes: the state and services of their router, the authenticated caller, and required scopes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.state import ApiState
from analytics_exports.bootstrap.api import ApiServices
from analytics_exports.domain.access import Principal, Scope
from analytics_exports.domain.errors import InsufficientScope, InvalidToken


async def get_state(request: Request) -> ApiState:
    """The state of the router that handles this request."""
    state: ApiState = request.state.analytics_state
    return state


async def get_services(request: Request) -> ApiServices:
    """The services of the router that handles this request."""
    return (await get_state(request)).services


async def get_caller(request: Request) -> Principal:
    """The authenticated caller. Raises InvalidToken when there is none."""
    caller: Principal | None = getattr(request.state, "analytics_caller", None)
    if caller is None:
        raise InvalidToken
    return caller


ApiStateDep = Annotated[ApiState, Depends(get_state)]
ServicesDep = Annotated[ApiServices, Depends(get_services)]
CallerDep = Annotated[Principal, Depends(get_caller)]


@dataclass(frozen=True)
class RequireScope:
    """A dependency that refuses callers without ``scope``. Raises InsufficientScope."""

    scope: Scope

    async def __call__(self, caller: CallerDep) -> None:
        """Check the caller's scopes."""
        if self.scope not in caller.scopes:
            raise InsufficientScope


def caller_dependency(get_current_user: Callable[..., Any], *, register: bool) -> Callable[..., Any]:
    """A dependency that stores the Principal returned by ``get_current_user`` as the caller of the request.

    Args:
        register: Create a user for unknown callers; for callers that a host application authenticates.
    """

    async def authenticate(
        request: Request, services: ServicesDep, user: Annotated[Principal, Depends(get_current_user)]
    ) -> None:
        if register:
            await run_in_threadpool(services.callers.register, user)
        request.state.analytics_caller = user

    return authenticate
