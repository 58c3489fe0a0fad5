"""All settings: name, default, description. Read from environment variables with the prefix ``ANALYTICS_EXPORTS_``.

They are read once, by the composition root and the local stack; adapters and services receive plain values. The command
``analytics-exports settings`` prints this table, and the documentation is generated from it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "ANALYTICS_EXPORTS_"

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """The settings. Relative paths are relative to the working directory."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: str | None = Field(
        None, description="PostgreSQL server for jobs and for Dagster's storage; unset starts an embedded one."
    )
    state_dir: Path = Field(Path(".state"), description="Folder for everything the service writes by itself.")
    dbt_project: Path | None = Field(
        None, description="dbt project that the warehouse asset builds; unset: none is built."
    )
    dbt_manifest: Path = Field(Path("target/manifest.json"), description="The dbt project's manifest.json.")
    dbt_catalog: Path | None = Field(None, description="Its catalog.json; unset looks beside the manifest.")
    warehouse: Path = Field(
        Path("warehouse.duckdb"), description="The DuckDB file that dbt built, or a folder of Parquet files."
    )
    warehouse_url: str = Field(
        "",
        repr=False,
        description="PostgreSQL database (postgresql://) with the models instead; unset: the file or folder.",
    )
    artifact_store: str = Field(
        "",
        description="Folder or object store (s3://, gs://, az://) for finished files; unset: below the state folder.",
    )
    retention_hours: float = Field(24, gt=0, description="How long a finished file can be downloaded, in hours.")

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: Port = Field(8000, description="Port of the API.")
    public_url: str = Field("", description="Where people reach the API; unset: its address and port.")
    dagster_ui_port: Port = Field(3000, description="Port of the Dagster web page, on loopback only.")
    code_server_port: Port = Field(4266, description="Port of the Dagster code server, on loopback only.")
    dagster_preview: bool = Field(
        default=False, description="Show the first rows of each export in Dagster, to everybody who can open it."
    )
    postgres_port: Port = Field(5433, description="Port of the embedded PostgreSQL, on loopback only.")

    broker_url: str = Field(
        "", repr=False, description="Celery broker of run workers elsewhere; unset: runs are made on this machine."
    )
    results_url: str = Field("", repr=False, description="Where Celery keeps results; unset: with the broker (Redis).")
    launch_sensors: int = Field(4, ge=1, le=16, description="Identical sensors that wait for new exports.")
    launch_wait_seconds: float = Field(40, ge=0, le=50, description="How long one sensor tick waits for work.")
    run_workers: int = Field(4, ge=1, description="Dagster runs this machine makes at once, each in a warm process.")
    runs_per_worker: int = Field(500, ge=1, description="Runs a worker process makes before a new one takes its place.")
    run_worker_bytes: int = Field(
        2**30, gt=0, description="Memory after a run at which a worker is replaced, in bytes."
    )
    run_drain_seconds: float = Field(5, ge=0, description="Time runs may take to end when the service is stopped.")
    burst_exports: int = Field(6, ge=1, description="More pending exports than this at once are made together.")
    burst_runs: int = Field(2, ge=1, description="Runs at most among which pending exports are divided then.")
    launch_seconds: float = Field(
        60, gt=0, description="Time a launch may take until a worker has begun; then the export is launched anew."
    )
    max_attempts: int = Field(
        3, ge=1, description="Attempts an export gets before it fails for good; causes that pass have five minutes."
    )
    lease_seconds: float = Field(20, gt=0, description="A worker that is silent this long has lost its export.")
    export_memory: str = Field("256MB", description="Memory DuckDB may use for one export.")
    export_threads: int = Field(2, ge=1, description="Threads DuckDB may use for one export.")
    export_seconds: float = Field(3600, gt=0, description="Time one export may take.")
    export_bytes: int = Field(64 * 2**30, gt=0, description="Size a file may have, in bytes.")
    query_memory: str = Field("256MB", description="Memory DuckDB may use for one query of the API.")
    query_seconds: float = Field(20, gt=0, description="Time one query of the API may take.")
    disk_reserve_bytes: int = Field(2**30, ge=0, description="Free disk space that exports leave alone, in bytes.")

    allowed_hosts: str = Field(
        "", description="Host names the API answers to, by commas; unset: on loopback those of this machine, else any."
    )
    metrics_readers: str = Field(
        "127.0.0.1,::1", description="Addresses and networks that /metrics is answered to, by commas."
    )
    max_body_bytes: int = Field(256 * 2**10, gt=0, description="Size a request body may have, in bytes.")
    body_seconds: float = Field(10, gt=0, description="Time a request body may take to arrive.")
    max_wait_seconds: int = Field(30, ge=0, description="Longest that a request with Prefer: wait is held back.")
    database_seconds: float = Field(2.5, gt=0, description="How long the API waits for an answer of PostgreSQL.")
    queries_at_once: int = Field(4, ge=1, description="Queries and estimates one API process runs at once.")
    query_queue_seconds: float = Field(5, ge=0, description="How long a query waits for its turn.")
    exports_per_user: int = Field(2000, ge=1, description="Unfinished exports one user may have.")
    downloads_per_user: int = Field(250, ge=1, description="Downloads one user may have running on one API process.")
    download_stall_seconds: float = Field(120, gt=0, description="A download that takes nothing for so long is ended.")
    download_link_seconds: int = Field(300, ge=1, le=3600, description="How long a download link works.")
    download_redirect: bool = Field(
        default=False, description="Send downloads on to the object store, by an address that works for a few minutes."
    )
    accel_redirect: str = Field(
        "", description="Location of the artifact store in nginx, which then sends the files; unset: the API does."
    )
    failed_tokens_per_minute: int = Field(60, ge=1, description="Wrong tokens one address may send in a minute.")
    token_days: int = Field(90, ge=1, le=3650, description="How long a new API token is valid at most, in days.")
    jwt_issuer: str = Field("", description="Issuer (iss) of accepted JSON Web Tokens; unset: none are accepted.")
    jwt_audience: str = Field("", description="Audience (aud) they must be for.")
    jwt_jwks_url: str = Field("", description="Where the issuer publishes its keys.")
    jwt_key: str = Field("", repr=False, description="Key to check them with instead: a secret or a public key.")
    jwt_algorithms: str = Field("RS256,ES256", description="Signature algorithms they may use, by commas.")

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value and not value.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            raise ValueError("The database URL must begin with postgresql://.")
        return value or None

    @model_validator(mode="after")
    def _jwt_complete(self) -> Self:
        if self.jwt_issuer and not (self.jwt_audience and (self.jwt_jwks_url or self.jwt_key)):
            raise ValueError("JSON Web Tokens need JWT_AUDIENCE, and JWT_JWKS_URL or JWT_KEY.")
        return self

    @property
    def retention(self) -> timedelta:
        """How long a finished file can be downloaded."""
        return timedelta(hours=self.retention_hours)

    @property
    def history(self) -> timedelta:
        """How long Dagster keeps the history of an export: a day longer than its file."""
        return self.retention + timedelta(days=1)

    @property
    def launch_ttl(self) -> timedelta:
        """How long a leased export may wait to be claimed."""
        return timedelta(seconds=self.launch_seconds)

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def api_url(self) -> str:
        """The URL of the API, without a trailing slash."""
        return self.public_url.rstrip("/") or f"http://{self.api_host}:{self.api_port}"

    @property
    def artifact_root(self) -> str:
        """Folder or URL of the artifact store."""
        return self.artifact_store or str(self.state_dir.absolute() / "artifacts")
