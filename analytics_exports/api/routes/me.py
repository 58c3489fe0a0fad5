"""The caller, and sign-in and sign-out of the web page."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials

from analytics_exports.api.authentication import bearer, close_session, open_session
from analytics_exports.api.deps import CallerDep, ServicesDep
from analytics_exports.contract.fields import MAX_VALUES
from analytics_exports.contract.profile import ProfileOut
from analytics_exports.domain.errors import InvalidToken


def get_me(services: ServicesDep, caller: CallerDep) -> ProfileOut:
    """Who you are, what your token may do, and your accounts and tags to filter by."""
    return ProfileOut.of(caller, services.callers.profile(caller, MAX_VALUES))


def sign_in(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Response:
    """Let this browser keep the bearer token in a cookie that counts for requests of the web page only."""
    if credentials is None:  # authenticated by the cookie only
        raise InvalidToken
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    open_session(request, response, credentials.credentials)
    return response


def sign_out(request: Request) -> Response:
    """Let this browser forget the token. The token itself stays valid."""
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    close_session(request, response)
    return response
