"""The services of an API process."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from dagster import DagsterInstance
from sqlalchemy import Engine

from analytics_exports.artifacts.formats import check_options, describe_options
from analytics_exports.bootstrap.adapters import database_url, make_artifact_store
from analytics_exports.bootstrap.warehouse import export_warehouse, make_catalogue, query_warehouse
from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.notifications import CHANGED, listening
from analytics_exports.database.secrets import shared_secret
from analytics_exports.database.stats import PostgresStats
from analytics_exports.database.token_store import PostgresTokenStore
from analytics_exports.domain.formats import Format
from analytics_exports.gateway import EVENT_LOG_CHANNEL
from analytics_exports.gateway.dagster_gateway import DagsterGateway
from analytics_exports.identity import JwtVerifier
from analytics_exports.ports import (
    ArtifactStore,
    Catalogue,
    Directory,
    JobStore,
    Notifications,
    Orchestrator,
    Signal,
    Stats,
    TokenStore,
    Warehouse,
)
from analytics_exports.services.callers import Callers, VerifyJwt
from analytics_exports.services.change_hub import ChangeHub
from analytics_exports.services.datasets import DatasetReader
from analytics_exports.services.downloads import Downloads
from analytics_exports.services.event_log_projection import EventLogProjection
from analytics_exports.services.export_commands import ExportCommands
from analytics_exports.services.export_reader import ExportReader
from analytics_exports.services.health import Health
from analytics_exports.services.row_queries import RowQueries
from analytics_exports.services.signing import Signer
from analytics_exports.services.tokens import TokenService
from analytics_exports.settings import Settings

SIGNING_KEY_NAME = "seal"
"""Name of the signing secret in the database; it must not change, or cursors and links become invalid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAdapters:
    """The implementations of the ports that an API process has.

    Attributes:
        warehouse: With the limits of an export; for health and the catalogue.
        query_warehouse: With the limits of a request.
        signing_key: Returns the secret that signs cursors and links; the same in all replicas.
        job_notifications: Listens for changes of exports, with their ids, inside a block.
        event_log_signal: Listens for events in Dagster's log that decide the outcome of an export, inside a block.
        close: Closes the connections to PostgreSQL; they are opened again when needed.
    """

    catalogue: Catalogue
    warehouse: Warehouse
    query_warehouse: Warehouse
    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    directory: Directory
    tokens: TokenStore
    stats: Stats
    signing_key: Callable[[], bytes]
    job_notifications: Callable[[], AbstractContextManager[Notifications]]
    event_log_signal: Callable[[], AbstractContextManager[Signal]]
    close: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """What routes and the threads of the API use.

    Attributes:
        describe_options: Returns the options of each format as a JSON Schema.
        job_notifications, event_log_signal, close: As in ``ApiAdapters``.
    """

    settings: Settings
    callers: Callers
    datasets: DatasetReader
    describe_options: Callable[[], Mapping[Format, Mapping[str, Any]]]
    row_queries: RowQueries
    export_commands: ExportCommands
    export_reader: ExportReader
    downloads: Downloads
    tokens: TokenService
    health: Health
    stats: Stats
    change_hub: ChangeHub
    event_log_projection: EventLogProjection
    job_notifications: Callable[[], AbstractContextManager[Notifications]]
    event_log_signal: Callable[[], AbstractContextManager[Signal]]
    close: Callable[[], None]


def api_adapters(settings: Settings, engine: Engine | None = None) -> ApiAdapters:
    """The adapters that ``settings`` name. Nothing is retried while PostgreSQL is away, because a person waits.

    Args:
        engine: Connections to PostgreSQL; by default a pool with the settings' response timeout.
    """
    url = database_url(settings)
    engine = engine or make_engine(url, application="api", response_timeout=settings.database_seconds)
    warehouse = export_warehouse(settings)
    return ApiAdapters(
        catalogue=make_catalogue(settings, warehouse),
        warehouse=warehouse,
        query_warehouse=query_warehouse(settings),
        jobs=PostgresJobStore(engine),
        artifacts=make_artifact_store(settings),
        orchestrator=DagsterGateway(engine, DagsterInstance.get),
        directory=PostgresDirectory(engine),
        tokens=PostgresTokenStore(engine),
        stats=PostgresStats(engine),
        signing_key=partial(shared_secret, engine, SIGNING_KEY_NAME),
        job_notifications=partial(listening, url, CHANGED),
        event_log_signal=partial(listening, url, EVENT_LOG_CHANNEL),
        close=engine.dispose,
    )


def api_services(settings: Settings | None = None, adapters: ApiAdapters | None = None) -> ApiServices:
    """The services of an API process.

    Args:
        settings: By default those of the environment.
        adapters: By default those that the settings name.
    """
    settings = settings or Settings()
    made = adapters or api_adapters(settings)
    datasets = DatasetReader(made.catalogue, made.directory)
    signer = Signer(made.signing_key)
    jobs, artifacts, orchestrator = made.jobs, made.artifacts, made.orchestrator
    link_lifetime = timedelta(seconds=settings.download_link_seconds)
    return ApiServices(
        settings=settings,
        callers=Callers(made.directory, _verify_jwt(settings)),
        datasets=datasets,
        describe_options=describe_options,
        row_queries=RowQueries(datasets, made.query_warehouse),
        export_commands=ExportCommands(
            datasets=datasets,
            check_options=check_options,
            jobs=jobs,
            artifacts=artifacts,
            orchestrator=orchestrator,
            max_unfinished=settings.exports_per_user,
        ),
        export_reader=ExportReader(jobs, signer),
        downloads=Downloads(jobs, artifacts, made.directory, signer, link_lifetime),
        tokens=TokenService(made.tokens, timedelta(days=settings.token_days)),
        health=Health(made.catalogue, made.warehouse, jobs, artifacts, orchestrator),
        stats=made.stats,
        change_hub=ChangeHub(),
        event_log_projection=EventLogProjection(
            jobs, artifacts, orchestrator, settings.retention, settings.max_attempts
        ),
        job_notifications=made.job_notifications,
        event_log_signal=made.event_log_signal,
        close=made.close,
    )


def _verify_jwt(settings: Settings) -> VerifyJwt | None:
    if not settings.jwt_issuer:
        return None
    return JwtVerifier(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=settings.jwt_algorithms.split(","),
        key=settings.jwt_key,
        jwks_url=settings.jwt_jwks_url,
    ).verify
