"""The jobs table for owners: create, read, list, cancel and discard their exports.

Every statement names the owner, so that an unknown id and another user's id take the same path.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, Select, Update, and_, case, false, func, insert, select, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from analytics_exports.database import transitions
from analytics_exports.database.codec import job_from_row, skip_malformed
from analytics_exports.database.engine import Transactions
from analytics_exports.database.models import Download, Job
from analytics_exports.database.queue import next_turn
from analytics_exports.domain.access import Principal, UserId
from analytics_exports.domain.errors import IdempotencyKeyInUse, IdempotencyKeyReused, TooManyExports
from analytics_exports.domain.export import LIVE, ExportFilter, ExportJob, ExportRequest, IdempotencyKey, JobId, Status
from analytics_exports.reconnecting import retry_while_away

PAST = func.coalesce(Job.expires_at <= func.now(), false())
"""Whether an export's retention is over, even if its status does not say so yet."""

LEASED = func.coalesce(Job.lease_until > func.now(), false())
"""Whether a claim on an export is alive."""

PLAIN_STATUS = case((and_(Job.status == Status.COMPLETED, PAST), Status.EXPIRED.value), else_=Job.status)


class PostgresOwnerJobs(Transactions):
    """Implements ``ports.OwnerJobs``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def create(
        self,
        principal: Principal,
        request: ExportRequest,
        *,
        idempotency_key: IdempotencyKey | None = None,
        max_unfinished: int | None = None,
        retry_of: JobId | None = None,
        request_id: str | None = None,
    ) -> ExportJob:
        """Store a new pending export. Exports of one user are counted and stored one after another."""
        origin = {"retry_of": retry_of and str(retry_of), "request_id": request_id}
        details = request.to_plain() | {name: value for name, value in origin.items() if value}
        new_id = JobId(uuid4())
        values: dict[Any, Any] = {
            "id": new_id,
            "user_id": principal.user_id,
            "owner_key": principal.owner_key,
            "entity_id": request.dataset_id,
            Job.turn: next_turn(principal.user_id),
            Job.details: details,
        }
        if idempotency_key:
            values |= {
                Job.idempotency_key: idempotency_key.key_digest,
                Job.request_digest: idempotency_key.request_digest,
            }
        return retry_while_away(
            self.retry_seconds, self._store, principal, new_id, values, idempotency_key, max_unfinished
        )

    def _store(
        self,
        principal: Principal,
        new_id: JobId,
        values: dict[Any, Any],
        idempotency_key: IdempotencyKey | None,
        max_unfinished: int | None,
    ) -> ExportJob:
        """Store these values, unless an earlier try of the same call did, whose response was lost."""
        user_id = principal.user_id
        new = (
            upsert(Job)
            .values(values)
            .on_conflict_do_nothing(
                index_elements=[Job.user_id, Job.idempotency_key], index_where=Job.idempotency_key.is_not(None)
            )
        )
        with self._transaction(principal.actor, user_id) as session:
            if self.retry_seconds and (stored := session.get(Job, new_id)):
                return job_from_row(stored)
            if idempotency_key and not session.scalar(
                select(func.pg_try_advisory_xact_lock(key_lock(user_id, idempotency_key)))
            ):
                raise IdempotencyKeyInUse
            if max_unfinished is not None:
                _count(session, user_id, max_unfinished)
            row = session.scalars(new.returning(Job)).one_or_none()
            if row is not None:
                return job_from_row(row)
        earlier = self.find_by_key(user_id, idempotency_key) if idempotency_key else None
        if earlier is None:
            raise RuntimeError("A job that was not stored is not there.")
        return earlier

    def find_by_key(self, user_id: UserId, idempotency_key: IdempotencyKey) -> ExportJob | None:
        """The export that was stored with this key."""
        statement = _jobs_of(user_id).where(Job.idempotency_key == idempotency_key.key_digest)
        with self._transaction() as session:
            found = session.execute(statement).one_or_none()
            if found is None:
                return None
            if found[0].request_digest != idempotency_key.request_digest:
                raise IdempotencyKeyReused
            return _job(found)

    def find(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """An export of this user: one query, so that an unknown id and another user's id take the same time."""
        with self._transaction() as session:
            found = session.execute(_jobs_of(user_id).where(Job.id == job_id)).one_or_none()
            return None if found is None else _job(found)

    def list_for_user(
        self, user_id: UserId, which: ExportFilter, limit: int, after: tuple[datetime, JobId] | None = None
    ) -> Sequence[ExportJob]:
        """Exports of this user, newest first."""
        statement = _jobs_of(user_id).where(*_conditions(which))
        if after is not None:
            statement = statement.where(tuple_(Job.created_at, Job.id) < tuple_(*after))
        statement = statement.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
        with self._transaction() as session:
            return list(skip_malformed((row[0].id, partial(_job, row)) for row in session.execute(statement)))

    def queue_position(self, job_id: JobId) -> int:
        """The position of this export in the queue as it is now."""
        place = select(Job.turn, Job.created_at).where(Job.id == job_id).subquery()
        before = tuple_(Job.turn, Job.created_at) < tuple_(place.c.turn, place.c.created_at)
        statement = select(func.count()).select_from(Job).join(place, before).where(Job.status == Status.PENDING)
        with self._transaction() as session:
            return (session.scalar(statement) or 0) + 1

    def cancel(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Pending or running becomes cancelled."""
        return self._change(user_id, job_id, transitions.cancel)

    def discard(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Completed becomes expired, before its retention is over."""
        return self._change(user_id, job_id, transitions.expire)

    def record_download(self, job_id: JobId, first_byte: int, byte_count: int, *, by_link: bool) -> None:
        """Record that a transfer begins."""
        values = {"job_id": job_id, "first_byte": first_byte, "byte_count": byte_count, "by_link": by_link}
        with self._transaction() as session:
            session.execute(insert(Download).values(values))

    def _change(
        self, user_id: UserId, job_id: JobId, transition: Callable[[ColumnElement[bool]], Update]
    ) -> ExportJob | None:
        """Make a transition if the export is in a state that allows it. Returns the export as it then is."""
        with self._transaction("owner", user_id) as session:
            session.execute(transition(and_(Job.id == job_id, Job.user_id == user_id)))
            found = session.execute(_jobs_of(user_id).where(Job.id == job_id)).one_or_none()
            return None if found is None else _job(found)


def key_lock(user_id: UserId, idempotency_key: IdempotencyKey) -> int:
    """Key of the advisory lock that is held while the first request with an idempotency key is processed."""
    return int.from_bytes(hashlib.sha256(user_id.bytes + idempotency_key.key_digest).digest()[:8], signed=True)


def _jobs_of(user_id: UserId) -> Select[Job, bool, bool]:
    return select(Job, PAST, LEASED).where(Job.user_id == user_id)


def _job(row: Row[Job, bool, bool]) -> ExportJob:
    job, past, leased = row
    return job_from_row(job, past=past, leased=leased)


def _count(session: Session, user_id: UserId, max_unfinished: int) -> None:
    """Serialise the creation of the user's exports. Raises TooManyExports when too many are unfinished."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(str(user_id), 0))))
    live = select(func.count()).where(Job.user_id == user_id, Job.status.in_(LIVE))
    if (session.scalar(live) or 0) >= max_unfinished:
        raise TooManyExports


def _conditions(which: ExportFilter) -> Iterator[ColumnElement[bool]]:
    if which.statuses:
        yield PLAIN_STATUS.in_(which.statuses)
    if which.dataset_id is not None:
        yield Job.entity_id == which.dataset_id
    if which.formats:
        yield Job.details["format"].astext.in_(which.formats)
    if which.created_after is not None:
        yield Job.created_at > which.created_after
    if which.created_before is not None:
        yield Job.created_at < which.created_before
