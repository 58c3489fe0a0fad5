"""A FastAPI application of your own with the exports inside it, for the users it knows already.

    uvicorn examples.host_application:create_app --factory

The settings are those of the service itself, in the environment. Whoever ``current_user`` returns is admitted when they
come for the first time; tokens of the service play no part. Download links are secrets in addresses: keep them out
of the log of your server (``--no-access-log``).
"""

from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Header

from analytics_exports.api.app import running
from analytics_exports.api.router import analytics_router
from analytics_exports.bootstrap.api import ApiServices, api_services
from analytics_exports.domain.access import USER_SCOPES, Principal, UserId
from analytics_exports.domain.errors import InvalidToken

SESSIONS = {
    "session-of-one": UUID("00000000-0000-4000-8000-000000000001"),
    "session-of-two": UUID("00000000-0000-4000-8000-000000000002"),
}
"""In place of the sessions that your application keeps."""


def current_user(x_session: Annotated[str, Header()] = "") -> Principal:
    """Who calls, as your application knows it; ``owner_key`` is their value in the warehouse's owner column."""
    user_id = SESSIONS.get(x_session)
    if user_id is None:
        raise InvalidToken
    return Principal(UserId(user_id), owner_key=str(user_id), scopes=USER_SCOPES)


def create_app(services: ApiServices | None = None) -> FastAPI:
    """Your application. ``running`` keeps exports up to date for as long as it runs."""
    services = services or api_services()
    app = FastAPI(title="Host", lifespan=running(services))
    app.include_router(analytics_router(services, get_current_user=current_user))

    @app.get("/")
    def home() -> dict[str, str]:
        return {"hello": "from the host"}

    return app
