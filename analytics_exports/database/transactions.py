"""The base of all parts of the JobStore: the engine, and transactions that record who makes a change."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from analytics_exports.reconnecting import unavailable_when_away


class Transactions:
    """Transactions over the connections of one engine."""

    def __init__(self, engine: Engine, retry_seconds: float = 0) -> None:
        """Use the database of ``engine``.

        Args:
            retry_seconds: How long a method is retried while PostgreSQL is away.
        """
        self.retry_seconds = retry_seconds
        self._engine = engine

    @contextmanager
    def _transaction(self, actor: str = "", actor_id: object = "") -> Iterator[Session]:
        """One transaction. Raises DatabaseUnavailable when PostgreSQL does not respond.

        Args:
            actor, actor_id: Who makes the change, for the audit trail (see ``models.JobEvent``); by default this
                process.
        """
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            if actor:
                names = {"analytics_exports.actor": actor, "analytics_exports.actor_id": str(actor_id)}
                settings = [func.set_config(name, value, True) for name, value in names.items()]  # noqa: FBT003
                session.execute(select(*settings))
            yield session
