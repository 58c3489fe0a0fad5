"""How Alembic reaches the database: a connection handed in by ``database.migrations``, or the setting."""

from alembic import context
from sqlalchemy import Connection

from analytics_exports.database.engine import make_engine
from analytics_exports.database.models import Base
from analytics_exports.settings import Settings


def migrate(connection: Connection) -> None:
    """Run the migrations that the command asks for, one transaction for all."""
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    migrate(given)
else:
    url = Settings().database_url
    if not url:
        raise SystemExit("Set ANALYTICS_EXPORTS_DATABASE_URL to the database to migrate.")
    with make_engine(url).connect() as connection:
        migrate(connection)
        connection.commit()
