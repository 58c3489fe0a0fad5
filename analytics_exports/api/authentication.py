"""Authentication: from the token of a request to a Principal, by API token or by JWT.

The token is a bearer token; the web page sends it in the cookie of ``session``. A host application can replace
``get_current_user`` by its own dependency; nothing else reads tokens.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from analytics_exports.api.deps import ApiStateDep
from analytics_exports.api.errors import TooManyAttempts
from analytics_exports.api.session import session_token
from analytics_exports.domain.access import Principal
from analytics_exports.domain.errors import InvalidToken

bearer = HTTPBearer(auto_error=False, scheme_name="token", description="An API token, or a JWT where that is set up.")


def get_current_user(
    request: Request, state: ApiStateDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The caller. Every invalid token gets the same response, and a valid one is never refused because of others.

    Raises:
        InvalidToken: there is no token, or it is malformed, unknown, revoked or expired.
        TooManyAttempts: the same, after many invalid tokens from this address.
    """
    token = credentials.credentials if credentials else session_token(request)
    if token is None:
        raise InvalidToken
    principal = state.services.callers.authenticate(token)
    if principal is None:
        address = request.client.host if request.client else ""
        raise InvalidToken if state.failed_attempts.record(address) else TooManyAttempts
    return principal
