"""The application: routes, middleware, and the background threads that run with it."""

import logging
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPMethod

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from analytics_exports.api.access_log import AccessLogMiddleware
from analytics_exports.api.docs_page import add_docs_page
from analytics_exports.api.errors import MethodNotAllowed
from analytics_exports.api.host_check import HostCheckMiddleware, allowed_hosts
from analytics_exports.api.metrics import Metrics
from analytics_exports.api.notification_listener import NotificationListener
from analytics_exports.api.page import page_router
from analytics_exports.api.problems import error_response, status_of
from analytics_exports.api.projection_thread import ProjectionThread
from analytics_exports.api.router import analytics_router
from analytics_exports.api.routes.metrics import add_metrics
from analytics_exports.bootstrap.api import ApiServices, api_services
from analytics_exports.contract import BASE_PATH
from analytics_exports.observability import configure_logging


def running(services: ApiServices) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """A lifespan during which exports are completed and waiting requests are notified."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threads = (
            ProjectionThread(services.event_log_projection, services.event_log_signal),
            NotificationListener(services.change_hub, services.job_notifications),
        )
        for thread in threads:
            thread.start()
        yield
        for thread in threads:
            thread.stop()
        for thread in threads:
            thread.join()

    return lifespan


def create_app(services: ApiServices | None = None) -> FastAPI:
    """The API over ``services``; by default those of the environment, for uvicorn's ``--factory``."""
    services = services or api_services()
    configure_logging()
    logging.getLogger("uvicorn.access").handlers.clear()  # AccessLogMiddleware logs without secrets
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
    app.add_exception_handler(HTTPException, _render_unrouted)
    metrics = Metrics(services.stats)
    add_metrics(app, metrics, services.settings.metrics_readers)
    app.add_middleware(HostCheckMiddleware, hosts=allowed_hosts(services.settings))
    app.add_middleware(AccessLogMiddleware, record_response=metrics.record_response)  # around the check, to log it
    return app


async def _render_unrouted(request: Request, error: Exception) -> Response:
    """Render an error of a request that matches no route."""
    response = error_response(request, error)
    if response.status_code == status_of(MethodNotAllowed):  # the framework names the methods of one route only
        response.headers["Allow"] = ", ".join(_methods(request))
    return response


def _methods(request: Request) -> list[str]:
    """The methods that the path of a request supports."""
    scopes = {method: {**request.scope, "method": method} for method in sorted(HTTPMethod)}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]


def _allow_many_files() -> None:
    """Raise the limit of open files to the maximum: each download has a file and a connection open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
