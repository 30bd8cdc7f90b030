"""The person who asks: an OIDC token, signed by the organization's issuer, checked by each holder.

Claims beside the registered ones of RFC 7519: `organization_id`, `role` and `training_valid_to`
(the last day, YYYY-MM-DD, of the training that 34 CFR 300.623 and agreements ask for).
"""

import datetime as dt
import json
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from homeroom.errors import CallerUnknownError

_ALGORITHMS = ["EdDSA", "Ed25519"]


@dataclass(frozen=True, slots=True)
class User:
    """A person, as the organization's issuer describes them.

    Attributes:
        user_id: the issuer's name for the person (`sub`).
        training_valid_to: None if the person was never trained.
    """

    user_id: str
    organization_id: str
    role: str
    training_valid_to: dt.date | None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose tokens an organization's users bring: the issuer's name and its public keys.

    Attributes:
        keys: a JSON Web Key Set, as JSON.
    """

    name: str
    keys: str


def audience_of(federation: str) -> str:
    """What a token must be made out to."""
    return f"homeroom:{federation}"


def read_user(token: str, issuer: Issuer, federation: str, now: dt.datetime) -> User:
    """Checks a token and returns the person it describes.

    Raises:
        CallerUnknownError: if it is not a current token of this issuer for this federation.
    """
    registry = jwt.JWTClaimsRegistry(
        now=lambda: int(now.timestamp()),
        iss={"essential": True, "value": issuer.name},
        aud={"essential": True, "value": audience_of(federation)},
        sub={"essential": True},
        exp={"essential": True},
        organization_id={"essential": True},
        role={"essential": True},
    )
    try:
        keys = KeySet.import_key_set(json.loads(issuer.keys))
        claims = jwt.decode(token, keys, algorithms=_ALGORITHMS).claims
        registry.validate(claims)
        trained_to = claims.get("training_valid_to")
        return User(
            user_id=str(claims["sub"]),
            organization_id=str(claims["organization_id"]),
            role=str(claims["role"]),
            training_valid_to=dt.date.fromisoformat(trained_to) if trained_to else None,
        )
    except (JoseError, ValueError, KeyError, TypeError):
        raise CallerUnknownError("the user's token is not accepted") from None


@dataclass(frozen=True, slots=True)
class DevelopmentIssuer:
    """Signs tokens on a laptop, where no identity provider is at hand; never for production."""

    name: str
    key: OKPKey

    def public(self) -> Issuer:
        """What the organization's record says of this issuer."""
        return Issuer(self.name, json.dumps({"keys": [self.key.as_dict(private=False)]}))

    def token(self, user: User, federation: str, now: dt.datetime, hours: float = 8) -> str:
        """A token for one person, good for some hours."""
        claims = {
            "iss": self.name,
            "aud": audience_of(federation),
            "sub": user.user_id,
            "iat": int(now.timestamp()),
            "exp": int((now + dt.timedelta(hours=hours)).timestamp()),
            "organization_id": user.organization_id,
            "role": user.role,
        }
        if user.training_valid_to:
            claims["training_valid_to"] = user.training_valid_to.isoformat()
        return jwt.encode({"alg": "Ed25519"}, claims, self.key, algorithms=_ALGORITHMS)
