"""The jobs table for owners: create, read, list, cancel and discard their exports.

Every statement names the owner, so that an unknown id and another user's id take the same path.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Insert,
    Integer,
    Row,
    Update,
    and_,
    bindparam,
    case,
    false,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from analytics_exports.database import transitions
from analytics_exports.database.codec import BY_ID, job_from_row, skip_malformed
from analytics_exports.database.engine import SET_ACTOR, Transactions
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


EXPORTS = select(Job, PAST.label("past"), LEASED.label("leased"))
FIND = EXPORTS.where(Job.user_id == bindparam("of_user"), Job.id == bindparam("of_job"))
FIND_BY_KEY = EXPORTS.where(Job.user_id == bindparam("of_user"), Job.idempotency_key == bindparam("of_key"))

QUEUED = select(Job.turn, Job.created_at).where(Job.id == bindparam("of_job")).subquery()
QUEUE_POSITION = (
    select(func.count() + 1)
    .select_from(Job)
    .join(QUEUED, tuple_(Job.turn, Job.created_at) < tuple_(QUEUED.c.turn, QUEUED.c.created_at))
    .where(Job.status == Status.PENDING)
)

BEGIN_CREATION = SET_ACTOR.add_columns(
    func.pg_advisory_xact_lock(func.hashtextextended(bindparam("of_user_text"), 0)).label("locked")
)
"""Begins the transaction in which an export is stored: the exports of one user are counted one after another."""

TRY_KEY = select(func.pg_try_advisory_xact_lock(bindparam("key_lock")))


def _create() -> Insert:
    """Store a pending export, unless its key is in use or the user has too many unfinished ones."""
    user_id = bindparam("of_user", type_=Job.user_id.type)
    most = bindparam("most", type_=Integer)
    live = select(func.count()).where(Job.user_id == user_id, Job.status.in_(LIVE)).scalar_subquery()
    values: dict[Any, ColumnElement[Any]] = {
        Job.id: bindparam("of_job", type_=Job.id.type),
        Job.user_id: user_id,
        Job.owner_key: bindparam("of_owner", type_=Job.owner_key.type),
        Job.entity_id: bindparam("of_dataset", type_=Job.entity_id.type),
        Job.turn: next_turn(user_id),
        Job.details: bindparam("request", type_=Job.details.type),
        Job.idempotency_key: bindparam("of_key", type_=Job.idempotency_key.type),
        Job.request_digest: bindparam("digest", type_=Job.request_digest.type),
    }
    row = select(*values.values()).where(func.coalesce(live < most, True))
    return (
        upsert(Job)
        .from_select([column.name for column in values], row)
        .on_conflict_do_nothing(
            index_elements=[Job.user_id, Job.idempotency_key], index_where=Job.idempotency_key.is_not(None)
        )
        .returning(Job)
    )


CREATE = _create()


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
        values: dict[str, Any] = {
            "of_job": JobId(uuid4()),
            "of_user": principal.user_id,
            "of_owner": principal.owner_key,
            "of_dataset": request.dataset_id,
            "of_key": idempotency_key and idempotency_key.key_digest,
            "digest": idempotency_key and idempotency_key.request_digest,
            "request": request.to_plain() | {name: value for name, value in origin.items() if value},
            "most": max_unfinished,
        }
        return retry_while_away(self.retry_seconds, self._store, principal, values, idempotency_key)

    def _store(self, principal: Principal, values: dict[str, Any], idempotency_key: IdempotencyKey | None) -> ExportJob:
        """Store these values, unless an earlier try of the same call did, whose response was lost."""
        user_id = principal.user_id
        begin = {"actor": principal.actor, "actor_id": str(user_id), "of_user_text": str(user_id)}
        with self._transaction() as connection:
            connection.execute(BEGIN_CREATION, begin)
            if self.retry_seconds and (stored := connection.execute(BY_ID, {"of_job": values["of_job"]}).one_or_none()):
                return job_from_row(stored)
            if idempotency_key and not connection.scalar(TRY_KEY, {"key_lock": key_lock(user_id, idempotency_key)}):
                raise IdempotencyKeyInUse
            if row := connection.execute(CREATE, values).one_or_none():
                return job_from_row(row)
        earlier = self.find_by_key(user_id, idempotency_key) if idempotency_key else None
        if earlier is None:
            raise TooManyExports
        return earlier

    def find_by_key(self, user_id: UserId, idempotency_key: IdempotencyKey) -> ExportJob | None:
        """The export that was stored with this key."""
        with self._statement() as connection:
            found = connection.execute(FIND_BY_KEY, {"of_user": user_id, "of_key": idempotency_key.key_digest})
            row = found.one_or_none()
        if row is None:
            return None
        if row.request_digest != idempotency_key.request_digest:
            raise IdempotencyKeyReused
        return _job(row)

    def find(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """An export of this user: one query, so that an unknown id and another user's id take the same time."""
        with self._statement() as connection:
            row = connection.execute(FIND, {"of_user": user_id, "of_job": job_id}).one_or_none()
        return None if row is None else _job(row)

    def list_for_user(
        self, user_id: UserId, which: ExportFilter, limit: int, after: tuple[datetime, JobId] | None = None
    ) -> Sequence[ExportJob]:
        """Exports of this user, newest first."""
        statement = EXPORTS.where(Job.user_id == user_id, *_conditions(which))
        if after is not None:
            statement = statement.where(tuple_(Job.created_at, Job.id) < tuple_(*after))
        statement = statement.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
        with self._statement() as connection:
            rows = connection.execute(statement).all()
        return list(skip_malformed((row.id, partial(_job, row)) for row in rows))

    def queue_position(self, job_id: JobId) -> int:
        """The position of this export in the queue as it is now."""
        with self._statement() as connection:
            return connection.execute(QUEUE_POSITION, {"of_job": job_id}).scalar_one()

    def cancel(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Pending or running becomes cancelled."""
        return self._change(user_id, job_id, transitions.cancel)

    def discard(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Completed becomes expired, before its retention is over."""
        return self._change(user_id, job_id, transitions.expire)

    def record_download(self, job_id: JobId, first_byte: int, byte_count: int, *, by_link: bool) -> None:
        """Record that a transfer begins."""
        values = {"job_id": job_id, "first_byte": first_byte, "byte_count": byte_count, "by_link": by_link}
        with self._statement() as connection:
            connection.execute(insert(Download), values)

    def _change(
        self, user_id: UserId, job_id: JobId, transition: Callable[[ColumnElement[bool]], Update]
    ) -> ExportJob | None:
        """Make a transition if the export is in a state that allows it. Returns the export as it then is."""
        with self._transaction("owner", user_id) as connection:
            connection.execute(transition(and_(Job.id == job_id, Job.user_id == user_id)))
            row = connection.execute(FIND, {"of_user": user_id, "of_job": job_id}).one_or_none()
        return None if row is None else _job(row)


def key_lock(user_id: UserId, idempotency_key: IdempotencyKey) -> int:
    """Key of the advisory lock that is held while the first request with an idempotency key is processed."""
    return int.from_bytes(hashlib.sha256(user_id.bytes + idempotency_key.key_digest).digest()[:8], signed=True)


def _job(row: Row[*tuple[Any, ...]]) -> ExportJob:
    return job_from_row(row, past=row.past, leased=row.leased)


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
