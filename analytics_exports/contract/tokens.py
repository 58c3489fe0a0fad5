"""API tokens, for administrators."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from analytics_exports.contract import examples
from analytics_exports.contract.fields import Text
from analytics_exports.domain.access import USER_SCOPES, Scope, Token

Days = Annotated[int, Field(ge=1, le=3650, strict=True)]
DAY_SECONDS = 24 * 60 * 60


class TokenCreate(BaseModel):
    """What a token should be like."""

    model_config = examples.example_config(examples.TOKEN_CREATE) | ConfigDict(extra="forbid")

    name: Text = Field(description="For people, to know it again.")
    scopes: list[Scope] = Field(sorted(USER_SCOPES), min_length=1, description="What it may be used for.")
    expires_in_days: Days | None = Field(None, description="How long it is valid; as long as tokens may be by default.")


class TokenRotate(BaseModel):
    """How a token is replaced."""

    model_config = examples.example_config(examples.TOKEN_ROTATE) | ConfigDict(extra="forbid")

    overlap_seconds: int = Field(
        DAY_SECONDS, ge=0, le=30 * DAY_SECONDS, strict=True, description="How long the old one still works."
    )
    expires_in_days: Days | None = Field(None, description="How long the new one is valid.")


class TokenOut(BaseModel):
    """What is known of a token."""

    id: UUID
    user_id: UUID
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")

    @classmethod
    def of(cls, token: Token) -> Self:
        """From the domain's value."""
        return cls.model_validate(_facts(token))


class NewTokenOut(TokenOut):
    """A new token with its secret, which is shown this once."""

    model_config = examples.example_config(examples.NEW_TOKEN)

    token: str

    @classmethod
    def new(cls, secret: str, token: Token) -> Self:
        """From the secret and what is known of it from now on."""
        return cls.model_validate({**_facts(token), "token": secret})


class TokenList(BaseModel):
    """The tokens of a user, newest first."""

    model_config = examples.example_config(examples.TOKEN_LIST)

    tokens: list[TokenOut]


def _facts(token: Token) -> dict[str, object]:
    return {**asdict(token), "scopes": sorted(token.scopes)}
