"""Random secrets that all replicas of the API share, created when first needed.

They sign cursors and download links. API tokens are not made from them.
"""

import secrets

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from analytics_exports.database.models import Secret
from analytics_exports.reconnecting import unavailable_when_away

BYTES = 32


def shared_secret(engine: Engine, name: str) -> bytes:
    """The secret with this name. Raises DatabaseUnavailable when PostgreSQL does not respond."""
    new = insert(Secret).values(name=name, value=secrets.token_bytes(BYTES)).on_conflict_do_nothing()
    with unavailable_when_away(), Session(engine) as session, session.begin():
        session.execute(new)
        return session.scalars(select(Secret.value).where(Secret.name == name)).one()
