"""When to retry, and how long to wait: as the Retry-After header says, otherwise with exponential backoff.

Every request of this client is safe to repeat: those that create something carry an Idempotency-Key.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

JITTER = 0.5
"""Fraction by which a pause is randomised, so that clients do not retry at the same time."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Retry policy for one request.

    Attributes:
        attempts: Maximum number of attempts.
        first_seconds: Pause after the first attempt; doubled after each further one.
        longest_seconds: Maximum pause; when the service asks for a longer one, its response is final.
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
    """The seconds in a Retry-After header, a number or a date; ``None`` without a valid one."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
