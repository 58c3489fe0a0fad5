"""Every setting: name, default, help. One table, read from the environment with the prefix ``ANALYTICS_EXPORTS_``.

Read once, by the composition root and the local stack; adapters and services receive plain values. ``analytics-exports
settings`` prints this table, and the documentation is generated from it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "ANALYTICS_EXPORTS_"

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """What can be set. Paths that are not absolute are taken from the working directory."""

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
    warehouse: Path = Field(Path("warehouse.duckdb"), description="The DuckDB file that dbt built.")
    artifact_store: str = Field(
        "", description="Folder for finished files; unset uses a folder below the state folder."
    )
    retention_hours: float = Field(24, gt=0, description="How long a finished file can be downloaded, in hours.")

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: Port = Field(8000, description="Port of the API.")
    dagster_ui_port: Port = Field(3000, description="Port of the Dagster web page, on loopback only.")
    code_server_port: Port = Field(4266, description="Port of the Dagster code server, on loopback only.")
    postgres_port: Port = Field(5433, description="Port of the embedded PostgreSQL, on loopback only.")

    launch_sensors: int = Field(4, ge=1, le=16, description="Identical sensors that wait for new exports.")
    launch_wait_seconds: float = Field(40, ge=0, le=50, description="How long one sensor tick waits for work.")
    max_attempts: int = Field(3, ge=1, description="Attempts an export gets before it fails for good.")
    lease_seconds: float = Field(20, gt=0, description="A worker that is silent this long has lost its export.")
    export_memory: str = Field("256MB", description="Memory DuckDB may use for one export.")
    export_threads: int = Field(2, ge=1, description="Threads DuckDB may use for one export.")
    export_seconds: float = Field(3600, gt=0, description="Time one export may take.")
    export_bytes: int = Field(64 * 2**30, gt=0, description="Size a file may have, in bytes.")
    query_memory: str = Field("256MB", description="Memory DuckDB may use for one query of the API.")
    query_seconds: float = Field(20, gt=0, description="Time one query of the API may take.")
    disk_reserve_bytes: int = Field(2**30, ge=0, description="Free disk space that exports leave alone, in bytes.")

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value and not value.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
            raise ValueError("The database URL must begin with postgresql://.")
        return value or None

    @property
    def retention(self) -> timedelta:
        """How long a finished file can be downloaded."""
        return timedelta(hours=self.retention_hours)

    @property
    def lease(self) -> timedelta:
        """How long a claim lasts without a heartbeat."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def artifact_root(self) -> str:
        """Folder or URL of the artifact store."""
        return self.artifact_store or str(self.state_dir.absolute() / "artifacts")
