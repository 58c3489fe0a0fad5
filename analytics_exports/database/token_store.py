"""The port ``TokenStore`` on PostgreSQL: administrators create, list, rotate and revoke API tokens.

A token is ``aex_<43 characters>_<8 hex digits>``: 256 random bits, and a CRC-32 of the part before it, so that a
mistyped or truncated token is refused without a query, and secret scanners can recognise one.

Authentication, on each request, belongs to ``directory``.
"""

import hashlib
import secrets
import zlib
from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from analytics_exports.database.models import ApiToken
from analytics_exports.domain.access import Scope, Token, UserId
from analytics_exports.domain.errors import TokenNotFound, UserNotFound
from analytics_exports.reconnecting import unavailable_when_away

MARK = "aex_"


def new_token() -> str:
    """A new secret. It is shown once; only its digest is stored."""
    body = MARK + secrets.token_urlsafe(32)
    return f"{body}_{_checksum(body)}"


def token_digest(token: str) -> bytes | None:
    """The SHA-256 digest under which a token is stored; ``None`` when it does not have the format of a token."""
    body, _, checksum = token.rpartition("_")
    if not (token.isascii() and body.startswith(MARK) and checksum == _checksum(body)):
        return None
    return hashlib.sha256(token.encode()).digest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'surrogatepass')):08x}"


class PostgresTokenStore:
    """Implements ``ports.TokenStore``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def __init__(self, engine: Engine) -> None:
        """Use the database of ``engine``."""
        self._engine = engine

    def issue(self, user_id: UserId, name: str, lifetime: timedelta, scopes: Collection[Scope]) -> tuple[str, Token]:
        """Create a token. Returns its secret, which cannot be read again, and its description."""
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            try:
                return _insert(session, user_id, name, lifetime, scopes)
            except IntegrityError:
                raise UserNotFound from None

    def list_for_user(self, user_id: UserId) -> Sequence[Token]:
        """All tokens of a user, newest first."""
        statement = select(ApiToken).where(ApiToken.user_id == user_id)
        with unavailable_when_away(), Session(self._engine) as session:
            rows = session.scalars(statement.order_by(ApiToken.created_at.desc(), ApiToken.id))
            return [_token(row) for row in rows]

    def rotate(self, token_id: UUID, lifetime: timedelta, overlap: timedelta) -> tuple[str, Token]:
        """Create a token like this one, which itself expires after ``overlap``."""
        end = func.least(ApiToken.expires_at, func.now() + overlap)
        valid = (ApiToken.id == token_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > func.now())
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            old = session.scalars(update(ApiToken).where(*valid).values(expires_at=end).returning(ApiToken))
            row = old.one_or_none()
            if row is None:
                raise TokenNotFound
            return _insert(session, UserId(row.user_id), row.name, lifetime, [Scope(scope) for scope in row.scopes])

    def revoke(self, token_id: UUID) -> None:
        """Revoke this token; nothing changes when it is revoked already."""
        at = func.coalesce(ApiToken.revoked_at, func.now())
        statement = update(ApiToken).where(ApiToken.id == token_id).values(revoked_at=at).returning(ApiToken.id)
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            if session.scalar(statement) is None:
                raise TokenNotFound


def _insert(
    session: Session, user_id: UserId, name: str, lifetime: timedelta, scopes: Collection[Scope]
) -> tuple[str, Token]:
    secret = new_token()
    values = {
        "user_id": user_id,
        "name": name,
        "digest": token_digest(secret),
        "scopes": sorted(scope.value for scope in scopes),
        "expires_at": func.now() + lifetime,
    }
    return secret, _token(session.scalars(insert(ApiToken).values(values).returning(ApiToken)).one())


def _token(row: ApiToken) -> Token:
    return Token(
        id=row.id,
        user_id=UserId(row.user_id),
        name=row.name,
        scopes=frozenset(map(Scope, row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
