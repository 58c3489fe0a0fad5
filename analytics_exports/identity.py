"""JSON Web Tokens of an external issuer, signed with a shared key or one of the issuer's published keys.

The claim ``sub`` is the id of a user; ``scope`` lists scopes separated by spaces, by default those of every user.
"""

from collections.abc import Sequence
from uuid import UUID

import jwt

from analytics_exports.domain.access import USER_SCOPES, Scope, UserId
from analytics_exports.domain.errors import IdentityUnavailable

FETCH_SECONDS = 2.0
KEYS_SECONDS = 300
LEEWAY_SECONDS = 10


class JwtVerifier:
    """Verifies tokens of one issuer for one audience."""

    def __init__(self, *, issuer: str, audience: str, algorithms: Sequence[str], key: str, jwks_url: str) -> None:
        """Verify with ``key``, or with the keys at ``jwks_url``, which are fetched when needed and cached."""
        self._issuer = issuer
        self._audience = audience
        self._algorithms = list(algorithms)
        self._key = key
        self._published = jwt.PyJWKClient(jwks_url, lifespan=KEYS_SECONDS, timeout=FETCH_SECONDS) if jwks_url else None

    def verify(self, token: str) -> tuple[UserId, frozenset[Scope]] | None:
        """The user and the scopes of a token; ``None`` unless it is valid now.

        Raises:
            IdentityUnavailable: the issuer's keys cannot be fetched.
        """
        try:
            claims = jwt.decode(
                token,
                self._key_of(token),
                algorithms=self._algorithms,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return UserId(UUID(claims["sub"])), _scopes(claims.get("scope"))
        except jwt.PyJWKClientConnectionError:
            raise IdentityUnavailable from None
        except (jwt.PyJWTError, ValueError):
            return None

    def _key_of(self, token: str) -> jwt.PyJWK | str:
        return self._published.get_signing_key_from_jwt(token) if self._published else self._key


def _scopes(claim: object) -> frozenset[Scope]:
    """The known scopes in a claim."""
    if claim is None:
        return USER_SCOPES
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[word] for word in str(claim).split() if word in known)
