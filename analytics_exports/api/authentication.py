"""Who asks: from the token of a request to a Principal, by API token or by JWT.

The token is a bearer token; that of the web page comes in the cookie of ``session``.

A host application can put a dependency of its own in place of ``get_current_user``; nothing else asks for tokens.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from analytics_exports.api.deps import Entrance
from analytics_exports.api.errors import TooManyAttempts
from analytics_exports.api.session import session_token
from analytics_exports.domain.access import Principal
from analytics_exports.domain.errors import InvalidToken

bearer = HTTPBearer(auto_error=False, scheme_name="token", description="An API token, or a JWT where that is set up.")


def get_current_user(
    request: Request, gate: Entrance, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The caller. Every token that is not valid gets the same answer, and a valid one is never refused for others.

    Raises:
        InvalidToken: there is no token, or it is malformed, unknown, revoked or expired.
        TooManyAttempts: the same, and there were many from this address.
    """
    token = credentials.credentials if credentials else session_token(request)
    if token is None:
        raise InvalidToken
    principal = gate.services.directory.principal(token)
    if principal is None and gate.identity is not None:
        principal = gate.identity.principal(token)
    if principal is None:
        address = request.client.host if request.client else ""
        raise InvalidToken if gate.attempts.failed(address) else TooManyAttempts
    return principal
