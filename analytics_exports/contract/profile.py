"""The caller, and what they can filter by."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from analytics_exports.contract import examples
from analytics_exports.domain.access import Named, Principal, Profile, Scope


class NamedOut(BaseModel):
    """An account or a tag."""

    id: str = Field(description="For account_ids or tag_ids.")
    name: str


class ProfileOut(BaseModel):
    """The caller."""

    model_config = examples.example_config(examples.PROFILE)

    user_id: UUID
    label: str
    scopes: list[Scope] = Field(description="What the token may be used for.")
    accounts: list[NamedOut] = Field(description="Your accounts by name, 1,000 at most.")
    tags: list[NamedOut] = Field(description="Your tags by name, 1,000 at most.")

    @classmethod
    def of(cls, caller: Principal, profile: Profile) -> Self:
        """From the domain's values."""
        return cls(
            user_id=caller.user_id,
            label=profile.label,
            scopes=sorted(caller.scopes),
            accounts=_named(profile.accounts),
            tags=_named(profile.tags),
        )


def _named(items: tuple[Named, ...]) -> list[NamedOut]:
    return [NamedOut(id=item.id, name=item.name) for item in items]
