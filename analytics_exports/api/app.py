"""The application: the router, what is around it, and the threads that run for as long as it does."""

import logging
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPMethod

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from analytics_exports.api.announcer import Announcer
from analytics_exports.api.docs_page import add_docs_page
from analytics_exports.api.edge import Edge, allowed_hosts
from analytics_exports.api.errors import MethodNotAllowed
from analytics_exports.api.follower import Follower
from analytics_exports.api.metrics import Metrics
from analytics_exports.api.page import page_router
from analytics_exports.api.problems import render, status_of
from analytics_exports.api.router import analytics_router
from analytics_exports.api.routes.metrics import add_metrics
from analytics_exports.bootstrap import Application, application
from analytics_exports.contract import BASE_PATH
from analytics_exports.observability import configure_logging


def running(services: Application) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan in which exports complete and those who wait for them are told."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threads = (Follower(services), Announcer(services))
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.stop()

    return lifespan


def create_app(services: Application | None = None) -> FastAPI:
    """The API over ``services``; those of the environment by default, which is how uvicorn calls it."""
    services = services or application("api")
    configure_logging()
    logging.getLogger("uvicorn.access").handlers.clear()  # Edge writes a line without anybody's secrets
    logging.getLogger("uvicorn.access").propagate = False
    _allow_many_files()
    app = FastAPI(
        title="Analytics Exports",
        summary="Bulk exports of your own rows, as files.",
        version="1",
        openapi_url=f"{BASE_PATH}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=running(services),
    )
    app.include_router(analytics_router(services))
    add_docs_page(app)
    app.include_router(page_router())
    app.add_exception_handler(HTTPException, _outside)
    metrics = Metrics(lambda: services.figures)
    add_metrics(app, metrics, services.settings.metrics_readers)
    app.add_middleware(Edge, hosts=allowed_hosts(services.settings), answered=metrics.answered)
    return app


async def _outside(request: Request, error: Exception) -> Response:
    """What is wrong with a request that no route answers."""
    response = render(request, error)
    if response.status_code == status_of(MethodNotAllowed):  # the framework names the methods of one route only
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """The methods that the address of a request knows."""
    scopes = {method: {**request.scope, "method": method} for method in sorted(HTTPMethod)}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]


def _allow_many_files() -> None:
    """Each download has a file and a connection open; systems begin with few and allow more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
