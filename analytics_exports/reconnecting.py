"""Surviving a restart of PostgreSQL: distinguishing a lost connection from a wrong statement, and retrying.

A statement whose connection is lost either had no effect, or only its response is lost. A method may be repeated when
the difference does not matter. A method that must not take effect twice first checks whether it already has.
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

FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 0.05, 1.0
"""The wait before a retry is random, up to a limit that doubles each time between these two."""

LOST_STATES = ("08", "57P", "53300")
"""SQLSTATE prefixes (PostgreSQL, appendix A): connection exception, operator intervention, too many connections."""

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")


class HasRetrySeconds(Protocol):
    """An adapter whose methods can be retried.

    Attributes:
        retry_seconds: How long; 0 when the caller does not wait.
    """

    retry_seconds: float


def connection_lost(error: BaseException) -> bool:
    """Whether ``error`` means that PostgreSQL cannot be reached now, rather than that a statement is wrong."""
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


def retry_while_away(seconds: float, do: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call ``do``, and repeat it for ``seconds`` while PostgreSQL is away; then raise its last error.

    Nested calls are not retried by themselves: the outermost call decides what is repeated, and for how long.
    """
    if _within.call:
        return do(*arguments, **named)
    _within.call = True
    try:
        if not seconds:
            return do(*arguments, **named)
        waits = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=MAX_WAIT_SECONDS)
        over = stop_after_delay(seconds)
        return Retrying(retry=retry_if_exception(connection_lost), wait=waits, stop=over, reraise=True)(
            partial(do, *arguments, **named)
        )
    finally:
        _within.call = False


def reconnecting(interface: type, excluding: Collection[Callable[..., object]] = ()) -> Callable[[type[C]], type[C]]:
    """Class decorator: retry each method of ``interface`` for the ``retry_seconds`` of its object.

    Args:
        interface: The port, or Dagster's abstract class, that the decorated class implements.
        excluding: Methods of ``interface`` that are not retried here: context managers, and what retries by itself.
    """

    def decorate(adapter: type[C]) -> type[C]:
        for name, method in inspect.getmembers(interface, inspect.isfunction):
            if not name.startswith("_") and method not in excluding:
                setattr(adapter, name, _repeated(getattr(adapter, name)))
        return adapter

    return decorate


def _repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: HasRetrySeconds, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as the method
        return retry_while_away(self.retry_seconds, method, self, *arguments, **named)

    return call


class _Within(threading.local):
    """Whether this thread is inside a call of ``retry_while_away``."""

    call = False


_within = _Within()
