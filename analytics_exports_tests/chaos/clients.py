"""Clients that request exports, retry until they get a response, poll, cancel and download."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx

from analytics_exports.contract import BASE_PATH
from analytics_exports.development.demo import DemoUser
from analytics_exports_tests.chaos.truth import COLUMNS

FORMATS = ("csv", "parquet", "ndjson")
ENDED = frozenset({"completed", "failed", "cancelled", "expired"})
FIRST_DAY, DAYS = date(2022, 1, 1), 1200
PAUSE = 0.2


@dataclass(slots=True)
class Ask:
    """An export that was acknowledged."""

    job_id: str
    owner: UUID
    start: date
    end: date
    format: str
    removed: bool = False
    ended: str = ""
    at: float = field(default_factory=time.monotonic)


@dataclass
class Seen:
    """What all clients saw. ``wrong`` are the things that must never be, in words."""

    asks: list[Ask] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Client(threading.Thread):
    """One user who makes exports, some at a time, until told to stop; then finishes what it has begun."""

    def __init__(
        self, url: str, user: DemoUser, dataset: str, random: Random, seen: Seen, *, expire: Callable[[str], bool]
    ) -> None:
        super().__init__(daemon=True)
        self._user, self._dataset, self._random, self._seen, self._expire = user, dataset, random, seen, expire
        self._http = httpx.Client(
            base_url=f"{url}{BASE_PATH}", headers={"Authorization": f"Bearer {user.token}"}, timeout=20
        )
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def run(self) -> None:
        """Ask for some, follow them all, and so on."""
        while not self._stopping.is_set():
            asks = [self._ask() for _ in range(self._random.choice((2, 15, 80)))]
            for ask in asks:
                if self._random.random() < 0.08:
                    self._remove(ask)
            for ask in asks:
                self._follow(ask)
        self._http.close()

    def _ask(self) -> Ask:
        start = FIRST_DAY + timedelta(days=self._random.randrange(DAYS))
        end = start + timedelta(days=self._random.choice((3, 30, 400, 1500)))
        kind = self._random.choice(FORMATS)
        body = {
            "dataset_id": self._dataset,
            "format": kind,
            "columns": COLUMNS,
            "start_date": str(start),
            "end_date": str(end),
        }
        key = uuid4().hex
        job_id = self._posted(body, key)
        if self._random.random() < 0.1:
            self._seen.counts["duplicate_posts"] += 1
            if self._posted(body, key) != job_id:
                self._seen.wrong.append(f"duplicated: {job_id} was made again for the same key")
        ask = Ask(job_id, self._user.id, start, end, kind)
        self._seen.asks.append(ask)
        return ask

    def _posted(self, body: dict[str, Any], key: str) -> str:
        answer = self._until(
            lambda: self._http.post("/exports", json=body, headers={"Idempotency-Key": key}),
            lambda answer: answer.status_code == 202,
        )
        return str(answer.json()["job_id"])

    def _remove(self, ask: Ask) -> None:
        ask.removed = True
        self._seen.counts["cancels"] += 1
        self._until(
            lambda: self._http.delete(f"/exports/{ask.job_id}"), lambda answer: answer.status_code in {202, 204}
        )

    def _follow(self, ask: Ask) -> None:
        ended = self._until(
            lambda: self._http.get(f"/exports/{ask.job_id}"),
            lambda answer: answer.status_code == 200 and answer.json()["status"] in ENDED,
        ).json()
        ask.ended = ended["status"]
        self._seen.counts[f"seen_{ask.ended}"] += 1
        if ask.ended == "completed":
            self._download(ask, ended["sha256"])

    def _download(self, ask: Ask, sha256: str) -> None:
        """Take the file; now and then it expires between the first byte and the last."""
        expires, expired = self._random.random() < 0.1, False
        digest = hashlib.sha256()
        try:
            with self._http.stream("GET", f"/exports/{ask.job_id}/download") as answer:
                if answer.status_code != 200:
                    self._seen.counts[f"download_{answer.status_code}"] += 1
                    return
                for number, chunk in enumerate(answer.iter_bytes(16_384)):
                    digest.update(chunk)
                    if number == 0 and expires:
                        ask.removed = True
                        expired = self._expire(ask.job_id)
        except httpx.HTTPError:
            self._seen.counts["download_broken"] += 1
            return
        self._seen.counts["downloads"] += 1
        if digest.hexdigest() != sha256:
            self._seen.wrong.append(f"corrupt: what was downloaded of {ask.job_id} is not its file")
        if expired:
            self._seen.counts["expiries_during_download"] += 1
            self._until(
                lambda: self._http.get(f"/exports/{ask.job_id}/download"), lambda answer: answer.status_code == 410
            )

    def _until(self, send: Callable[[], httpx.Response], enough: Callable[[httpx.Response], bool]) -> httpx.Response:
        """Ask until the answer will do. What a client must never be told is written down."""
        while True:
            try:
                answer = send()
            except httpx.HTTPError:
                self._seen.counts["no_answer"] += 1
            else:
                if enough(answer):
                    return answer
                if answer.status_code not in {200, 409, 429, 503}:
                    self._seen.wrong.append(
                        f"answered: {answer.request.method} got {answer.status_code}: {answer.text}"
                    )
                code = answer.json().get("code", "") if answer.content else ""
                self._seen.counts[f"answer_{answer.status_code} {code}".rstrip()] += 1
            time.sleep(PAUSE)
