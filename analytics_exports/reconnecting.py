"""Going on after a restart of PostgreSQL: telling a lost connection from a wrong statement, and repeating.

A statement whose connection is lost had no effect, or its effect is there and only the answer is not. A method may be
repeated when that makes no difference. One that must not happen twice looks first whether it has happened.
"""

import inspect
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, ParamSpec, Protocol, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from analytics_exports.domain.errors import DatabaseUnavailable

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.05, 1.0
"""The wait before a repetition is random, up to a limit that doubles each time between these two."""

LOST_STATES = ("08", "57P", "53300")
"""SQLSTATE prefixes (PostgreSQL, appendix A): connection exception, operator intervention, too many connections."""

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")


class Reconnecting(Protocol):
    """An adapter whose methods can be repeated.

    Attributes:
        retry_seconds: For how long; 0 for those whose caller does not wait.
    """

    retry_seconds: float


def connection_lost(error: BaseException) -> bool:
    """Whether ``error`` says that PostgreSQL cannot be reached now; a wrong statement does not."""
    if isinstance(error, DatabaseUnavailable | PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None)
    lost = state.startswith(LOST_STATES) if state else isinstance(error, OperationalError | InterfaceError)
    return error.connection_invalidated or lost


@contextmanager
def unavailable_when_away() -> Iterator[None]:
    """Raise DatabaseUnavailable for a connection that is refused, lost or timed out, without the driver's text."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout):
        raise DatabaseUnavailable from None
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable from None
        raise


def persist(seconds: float, do: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call ``do``, again and again for ``seconds`` while PostgreSQL is away; then raise what it raised.

    Calls within ``do`` are not repeated by themselves: what is repeated, and for how long, the outermost call decides.
    """
    if _within.call:
        return do(*arguments, **named)
    _within.call = True
    try:
        if not seconds:
            return do(*arguments, **named)
        waits = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)
        over = stop_after_delay(seconds)
        return Retrying(retry=retry_if_exception(connection_lost), wait=waits, stop=over, reraise=True)(
            partial(do, *arguments, **named)
        )
    finally:
        _within.call = False


def reconnecting(interface: type, but: Collection[str] = ()) -> Callable[[type[C]], type[C]]:
    """Class decorator: repeat each method of ``interface`` for the ``retry_seconds`` of its object.

    Args:
        interface: The port, or Dagster's abstract class, that the decorated class implements.
        but: Methods that are not repeated from outside: context managers, and those that see to it themselves.
    """

    def decorate(adapter: type[C]) -> type[C]:
        for name, _ in inspect.getmembers(interface, inspect.isfunction):
            if not name.startswith("_") and name not in but:
                setattr(adapter, name, _repeated(getattr(adapter, name)))
        return adapter

    return decorate


def _repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Reconnecting, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the method
        return persist(self.retry_seconds, method, self, *arguments, **named)

    return call


class _Within(threading.local):
    """Whether this thread is in a call of ``persist``."""

    call = False


_within = _Within()
