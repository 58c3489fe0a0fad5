"""Returning the exports that a tick of a launch sensor leased when the result of the tick was lost.

A tick waits inside the code server and continues when the daemon that asked for it is killed. What it leases then is
launched by nobody, and stays leased until its time to live is over. Therefore every result carries a cursor of its own,
which Dagster stores before it launches anything: a tick that is given another cursor knows that the result of the tick
before it was lost. A tick leases nothing once the next one has begun.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from analytics_exports.domain.export import Launch


@dataclass(eq=False, slots=True)
class Tick:
    """One evaluation of a sensor: the cursor of its result, and the exports it leased."""

    cursor: str = field(default_factory=lambda: uuid.uuid4().hex)
    launches: Sequence[Launch] = ()


class TickSequence:
    """The ticks of one sensor in this process. They may overlap, each in a thread of its own."""

    def __init__(self) -> None:
        """Begin with no tick."""
        self._lock = Lock()
        self._latest = Tick()

    def begin(self, stored_cursor: str | None) -> tuple[Tick, Sequence[Launch]]:
        """Begin a tick. Returns it, and the launches of the previous tick if its result was lost.

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

    def record(self, tick: Tick, launches: Sequence[Launch]) -> bool:
        """Record what a tick leased; ``False`` when another tick has begun, so that its result would be lost."""
        with self._lock:
            if tick is not self._latest:
                return False
            tick.launches = launches
            return True
