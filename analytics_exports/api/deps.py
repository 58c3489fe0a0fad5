"""Dependencies of routes: the state and services of their router, the authenticated caller, and required scopes.

Dependencies call the plain functions here in place of depending on one another: each that FastAPI resolves costs about
as much as a tenth of a database query.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.state import ApiState
from analytics_exports.bootstrap.api import ApiServices
from analytics_exports.domain.access import Principal, Scope
from analytics_exports.domain.errors import InsufficientScope, InvalidToken


def state_of(request: Request) -> ApiState:
    """The state of the router that handles this request."""
    state: ApiState = request.state.analytics_state
    return state


def caller_of(request: Request) -> Principal:
    """The authenticated caller. Raises InvalidToken when there is none."""
    caller: Principal | None = getattr(request.state, "analytics_caller", None)
    if caller is None:
        raise InvalidToken
    return caller


async def get_state(request: Request) -> ApiState:
    """``state_of``, for routes."""
    return state_of(request)


async def get_services(request: Request) -> ApiServices:
    """The services of the router that handles this request."""
    return state_of(request).services


async def get_caller(request: Request) -> Principal:
    """``caller_of``, for routes."""
    return caller_of(request)


ApiStateDep = Annotated[ApiState, Depends(get_state)]
ServicesDep = Annotated[ApiServices, Depends(get_services)]
CallerDep = Annotated[Principal, Depends(get_caller)]


@dataclass(frozen=True)
class RequireScope:
    """A dependency that refuses callers without ``scope``. Raises InsufficientScope."""

    scope: Scope

    async def __call__(self, request: Request) -> None:
        """Check the caller's scopes."""
        if self.scope not in caller_of(request).scopes:
            raise InsufficientScope


def caller_dependency(get_current_user: Callable[..., Any], *, register: bool) -> Callable[..., Any]:
    """A dependency that stores the Principal returned by ``get_current_user`` as the caller of the request.

    Args:
        register: Create a user for unknown callers; for callers that a host application authenticates.
    """

    async def authenticate(request: Request, user: Annotated[Principal, Depends(get_current_user)]) -> None:
        callers = state_of(request).services.callers
        if register and not callers.is_registered(user):
            await run_in_threadpool(callers.register, user)
        request.state.analytics_caller = user

    return authenticate
