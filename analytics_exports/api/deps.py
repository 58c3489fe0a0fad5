"""What routes work with: the services of this process, and the authenticated caller."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from analytics_exports.bootstrap import Application
from analytics_exports.domain.access import Principal, Scope
from analytics_exports.domain.errors import InsufficientScope, InvalidToken

bearer = HTTPBearer(auto_error=False, description="An API token.")


def get_application(request: Request) -> Application:
    """The services this process was started with."""
    application: Application = request.app.state.application
    return application


Services = Annotated[Application, Depends(get_application)]


def get_current_user(
    services: Services, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The caller. Every token that is not valid gets the same answer.

    Raises:
        InvalidToken: there is no token, or it is malformed, unknown, revoked or expired.
    """
    principal = services.directory.principal(credentials.credentials) if credentials else None
    if principal is None:
        raise InvalidToken
    return principal


def may(scope: Scope) -> Callable[[Principal], Principal]:
    """A dependency that gives the caller if their token carries ``scope``. Raises InsufficientScope otherwise."""

    def check(principal: Annotated[Principal, Depends(get_current_user)]) -> Principal:
        if scope not in principal.scopes:
            raise InsufficientScope
        return principal

    return check


DatasetReader = Annotated[Principal, Depends(may(Scope.DATASETS_READ))]
ExportCreator = Annotated[Principal, Depends(may(Scope.EXPORTS_CREATE))]
ExportReader = Annotated[Principal, Depends(may(Scope.EXPORTS_READ))]
ExportDownloader = Annotated[Principal, Depends(may(Scope.EXPORTS_DOWNLOAD))]
ExportCanceller = Annotated[Principal, Depends(may(Scope.EXPORTS_CANCEL))]
