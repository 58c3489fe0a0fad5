"""Giving back what a tick of a launch sensor has taken when its result was lost.

A tick waits inside the code server, and goes on when the daemon that asked for it is killed. What it takes then is
launched by nobody, and would be held until the time for a launch is over. Therefore every result carries a cursor of
its own, which Dagster stores before it launches anything. A tick that is given another cursor knows that the result of
the tick before it was lost; and a tick takes nothing any more once the next one has begun.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from analytics_exports.domain.export import Launch


@dataclass(eq=False, slots=True)
class Tick:
    """One evaluation of a sensor: the cursor of its result, and what it took."""

    cursor: str = field(default_factory=lambda: uuid.uuid4().hex)
    launches: Sequence[Launch] = ()


class TickSequence:
    """The ticks of one sensor in this process, which may overlap; each of them has a thread of its own."""

    def __init__(self) -> None:
        """Begin with no tick."""
        self._lock = Lock()
        self._latest = Tick()

    def begin(self, stored_cursor: str | None) -> tuple[Tick, Sequence[Launch]]:
        """Begin a tick; returns it, and what the one before it took if its result was lost.

        Args:
            stored_cursor: The cursor of the last result that Dagster has stored.
        """
        tick = Tick()
        with self._lock:
            before, self._latest = self._latest, tick
            return tick, () if before.cursor == stored_cursor else before.launches

    def is_over(self, tick: Tick) -> bool:
        """Whether another tick has begun since."""
        return tick is not self._latest

    def take(self, tick: Tick, launches: Sequence[Launch]) -> bool:
        """Note what a tick took; false when it is over, so that its result would be lost."""
        with self._lock:
            if tick is not self._latest:
                return False
            tick.launches = launches
            return True
