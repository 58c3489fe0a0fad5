"""Which exports to launch now."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.export import Launch
from analytics_exports.ports import JobStore, Signal

LOOK_SECONDS = 5.0
"""How often to look although nothing was announced: retries become due by time alone."""


@dataclass(frozen=True, slots=True)
class Launching:
    """Hands out attempts to launch.

    Attributes:
        hold: How long an attempt that was handed out may take to be claimed; then it is handed out again, as a new one.
    """

    jobs: JobStore
    hold: timedelta = timedelta(seconds=60)

    def wait(self, signal: Signal, seconds: float, limit: int) -> Sequence[Launch]:
        """Attempts to launch, as soon as there are any; none when there were none for so long."""
        deadline = time.monotonic() + seconds
        while not (launches := self.jobs.due(limit, self.hold)):
            left = deadline - time.monotonic()
            if left <= 0:
                break
            signal.wait(min(left, LOOK_SECONDS))
        return launches
