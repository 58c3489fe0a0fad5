"""The application: routes, error handlers, and the read-back loop for as long as it runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from analytics_exports.api import problems
from analytics_exports.api.follower import Follower
from analytics_exports.api.routes import datasets, downloads, exports, queries, status
from analytics_exports.bootstrap import Application, application
from analytics_exports.contract import BASE_PATH
from analytics_exports.observability import configure_logging


def create_app(services: Application | None = None) -> FastAPI:
    """The API over ``services``; those of the environment by default, which is how uvicorn calls it."""
    services = services or application("api")
    configure_logging()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        follower = Follower(services)
        follower.start()
        yield
        follower.stop()

    app = FastAPI(
        title="Analytics Exports",
        summary="Bulk exports of your own rows, as files.",
        openapi_url=f"{BASE_PATH}/openapi.json",
        docs_url=f"{BASE_PATH}/docs",
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.application = services
    router = APIRouter(prefix=BASE_PATH)
    for routes in (status, datasets, queries, exports, downloads):
        router.include_router(routes.router)
    app.include_router(router)
    problems.install(app)
    return app
