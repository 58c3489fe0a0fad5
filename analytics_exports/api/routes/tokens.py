"""API tokens, for administrators."""

from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from fastapi import Response

from analytics_exports.api.deps import ServicesDep
from analytics_exports.contract.tokens import NewTokenOut, TokenCreate, TokenList, TokenOut, TokenRotate
from analytics_exports.domain.access import UserId


def list_tokens(user_id: UUID, services: ServicesDep) -> TokenList:
    """The tokens of a user, also those that are not valid any more."""
    return TokenList(tokens=[TokenOut.of(token) for token in services.tokens.list_for_user(UserId(user_id))])


def issue_token(user_id: UUID, body: TokenCreate, services: ServicesDep) -> NewTokenOut:
    """Make a token for a user. Its secret is in this answer and nowhere else."""
    lifetime = _days(body.expires_in_days)
    return NewTokenOut.new(*services.tokens.issue(UserId(user_id), body.name, body.scopes, lifetime))


def rotate_token(token_id: UUID, body: TokenRotate, services: ServicesDep) -> NewTokenOut:
    """Make a token like this one; the old one still works for a while."""
    overlap = timedelta(seconds=body.overlap_seconds)
    return NewTokenOut.new(*services.tokens.rotate(token_id, overlap, _days(body.expires_in_days)))


def revoke_token(token_id: UUID, services: ServicesDep) -> Response:
    """Refuse a token from the next request on."""
    services.tokens.revoke(token_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _days(days: int | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)
