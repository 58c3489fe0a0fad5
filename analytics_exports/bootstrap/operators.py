"""What commands of operators and the local stack use: the dbt project, the artifact store, users and tokens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

from analytics_exports.bootstrap.adapters import make_artifact_store
from analytics_exports.bootstrap.warehouse import export_warehouse, make_catalogue
from analytics_exports.catalogue.lineage import read_lineage
from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.engine import make_engine
from analytics_exports.database.migrations import revision
from analytics_exports.database.seeding import seed
from analytics_exports.database.token_store import PostgresTokenStore
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.ports import ArtifactStore, Catalogue, Directory, UserStore, Warehouse
from analytics_exports.services.tokens import TokenService
from analytics_exports.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What can be looked at without the database.

    Attributes:
        lineage_problems: Returns what Dagster's asset graph cannot show of the dbt project.
    """

    catalogue: Catalogue
    warehouse: Warehouse
    artifacts: ArtifactStore
    lineage_problems: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """Users and tokens.

    Attributes:
        seed: Inserts the users, accounts and tags of the Parquet files in a folder; returns ids by label.
        schema_revision: Returns the revision of the database's schema.
    """

    users: UserStore
    tokens: TokenService
    directory: Directory
    seed: Callable[[Path], Mapping[str, UUID]]
    schema_revision: Callable[[], str]


def project(settings: Settings) -> Project:
    """The dbt project, the warehouse and the artifact store that ``settings`` name."""
    warehouse = export_warehouse(settings)
    return Project(
        catalogue=make_catalogue(settings, warehouse),
        warehouse=warehouse,
        artifacts=make_artifact_store(settings),
        lineage_problems=lambda: read_lineage(settings.dbt_manifest).problems,
    )


@contextmanager
def administration(database_url: str, longest_token: timedelta) -> Iterator[Administration]:
    """Users and tokens in a database with the current schema.

    Args:
        longest_token: How long a token may be valid; also the default.
    """
    engine = make_engine(database_url, application="analytics-exports cli")
    try:
        yield Administration(
            users=PostgresUserStore(engine),
            tokens=TokenService(PostgresTokenStore(engine), longest_token),
            directory=PostgresDirectory(engine),
            seed=partial(seed, engine),
            schema_revision=partial(revision, engine),
        )
    finally:
        engine.dispose()
