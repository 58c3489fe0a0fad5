"""Turning a database that does not answer into the error that says so.

Only failures of the connection are translated; a wrong statement is a defect and stays what it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from analytics_exports.domain.errors import DatabaseUnavailable


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Raise DatabaseUnavailable for a refused, lost or timed-out connection."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout):
        raise DatabaseUnavailable from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from None
        raise
