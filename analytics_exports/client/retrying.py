"""When to try again, and how long to wait before: the service's word in Retry-After, or else longer each time.

What is safe to repeat is not decided here: every request of this client is, because those that create something carry
an Idempotency-Key.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

JITTER = 0.5
"""A pause is shortened, or prolonged when the service named one, by up to this part, so that callers spread out."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How patient to be with one request.

    Attributes:
        attempts: How often it is sent at most.
        first_seconds: The pause after the first attempt; each later one is twice as long.
        longest_seconds: No pause is longer; when the service asks for a longer one, its answer is final.
    """

    attempts: int = 5
    first_seconds: float = 0.5
    longest_seconds: float = 30

    def pause(self, attempt: int, asked: float | None = None) -> float | None:
        """Seconds to wait after attempt number ``attempt`` (from 1); ``None`` to give up.

        Args:
            asked: The service's Retry-After, in seconds.
        """
        if attempt >= self.attempts or (asked is not None and asked > self.longest_seconds):
            return None
        spread = JITTER * random.random()  # noqa: S311 (no secret)
        if asked is not None:
            return asked + spread * self.first_seconds
        return min(self.first_seconds * 2.0 ** (attempt - 1), self.longest_seconds) * (1 - spread)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After header asks for, a number or a date; ``None`` without a usable one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
