"""Who calls: authentication by API token or JSON Web Token, and the profile of a caller."""

from collections.abc import Callable
from dataclasses import dataclass, field

from analytics_exports.domain.access import Principal, Profile, Scope, UserId
from analytics_exports.ports import Directory

VerifyJwt = Callable[[str], tuple[UserId, frozenset[Scope]] | None]
"""The user and the scopes of a JSON Web Token; ``None`` unless it is valid now."""


@dataclass(frozen=True, slots=True)
class Callers:
    """Finds the user behind a request.

    Attributes:
        verify_jwt: Verifies tokens of an external issuer; ``None`` when none are accepted.
    """

    directory: Directory
    verify_jwt: VerifyJwt | None = None
    _known: set[Principal] = field(default_factory=set)

    def authenticate(self, token: str) -> Principal | None:
        """The user that a token belongs to; ``None`` unless the token is valid now and the user is not disabled.

        Raises:
            DatabaseUnavailable: PostgreSQL does not respond.
            IdentityUnavailable: the keys of the external issuer cannot be fetched.
        """
        found = self.directory.authenticate(token)
        if found is None and self.verify_jwt is not None and (claims := self.verify_jwt(token)):
            return self.directory.get_active_user(*claims)
        return found

    def is_registered(self, caller: Principal) -> bool:
        """Whether ``register`` has been called for this caller before."""
        return caller in self._known

    def register(self, caller: Principal) -> None:
        """Create a user for a caller that a host application authenticated, unless it exists."""
        if not self.is_registered(caller):
            self.directory.ensure_user(caller)
            self._known.add(caller)

    def profile(self, caller: Principal, limit: int) -> Profile:
        """The caller's profile, with at most ``limit`` accounts and tags. Raises UserNotFound."""
        return self.directory.profile(caller.user_id, limit)
