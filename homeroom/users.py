"""The person who asks: an OIDC token, signed by the organization's issuer, checked by each holder.

Claims beside the registered ones of RFC 7519:

- `organization_id` and `role`;
- `training_valid_to`: the last day, YYYY-MM-DD, of the training that 34 CFR 300.623 and agreements
  ask for;
- `reach`: `organization` for someone who works with every student of the organization, else
  `caseload`; without it the person works with nobody;
- `caseload`: the subject_refs of the students that the person works with;
- `delegation`: for someone who acts in another's place, `by` whom, `valid_to` (the last day),
  `withdrawn`, and what it `covers`: `all` or a list of elements.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from homeroom.errors import CallerUnknownError

_ALGORITHMS = ["EdDSA", "Ed25519"]
_ALL = "all"
_MOST_TOKENS = 512


class Reach(StrEnum):
    """With whom a person works."""

    ORGANIZATION = "organization"
    CASELOAD = "caseload"


@dataclass(frozen=True, slots=True)
class Delegation:
    """In whose place a person acts.

    Attributes:
        by: who delegated it.
        valid_to: the last day.
        covers: the elements it is about; None for everything that its giver may see.
    """

    by: str
    valid_to: dt.date
    withdrawn: bool
    covers: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class User:
    """A person, as the organization's issuer describes them.

    Attributes:
        user_id: the issuer's name for the person (`sub`).
        training_valid_to: None if the person was never trained.
        reach: with whom the person works.
        caseload: the subject_refs of those students, where that is not every one.
        delegation: None for someone who acts for themselves.
        authenticated: whether a person was identified at all; no token says otherwise.
    """

    user_id: str
    organization_id: str
    role: str
    training_valid_to: dt.date | None
    reach: Reach = Reach.ORGANIZATION
    caseload: tuple[str, ...] = field(default=(), repr=False)
    delegation: Delegation | None = None
    authenticated: bool = True


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
        claims = _signed_claims(token, issuer.keys)
        registry.validate(claims)
        trained_to = claims.get("training_valid_to")
        return User(
            user_id=str(claims["sub"]),
            organization_id=str(claims["organization_id"]),
            role=str(claims["role"]),
            training_valid_to=dt.date.fromisoformat(trained_to) if trained_to else None,
            reach=Reach(claims.get("reach", Reach.CASELOAD)),
            caseload=_names(claims.get("caseload", [])),
            delegation=_delegation(claims["delegation"]) if "delegation" in claims else None,
        )
    except (JoseError, ValueError, KeyError, TypeError):
        raise CallerUnknownError("the user's token is not accepted") from None


@lru_cache(_MOST_TOKENS)
def _signed_claims(token: str, keys: str) -> dict[str, Any]:
    """What a token says that one of these keys signed; when it ends is looked at each time.

    A person asks many questions with one token, and to check a signature takes longer than most of
    what else is done for one.
    """
    return dict(jwt.decode(token, KeySet.import_key_set(json.loads(keys)), _ALGORITHMS).claims)


def _delegation(claim: Mapping[str, Any]) -> Delegation:
    named = isinstance(claim["by"], str) and isinstance(claim["withdrawn"], bool)
    if not named or claim.keys() != {"by", "valid_to", "withdrawn", "covers"}:
        raise CallerUnknownError("the user's token is not accepted")
    covers = claim["covers"]
    return Delegation(
        by=claim["by"],
        valid_to=dt.date.fromisoformat(claim["valid_to"]),
        withdrawn=claim["withdrawn"],
        covers=None if covers == _ALL else frozenset(_names(covers)),
    )


def _names(claim: object) -> tuple[str, ...]:
    if not isinstance(claim, list) or not all(isinstance(name, str) for name in claim):
        raise CallerUnknownError("the user's token is not accepted")
    return tuple(claim)


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
            "reach": str(user.reach),
        }
        claims |= _claims_of(user)
        return jwt.encode({"alg": "Ed25519"}, claims, self.key, algorithms=_ALGORITHMS)


def _claims_of(user: User) -> dict[str, Any]:
    """The claims that not every person has."""
    claims: dict[str, Any] = {}
    if user.training_valid_to:
        claims["training_valid_to"] = user.training_valid_to.isoformat()
    if user.caseload:
        claims["caseload"] = list(user.caseload)
    if user.delegation:
        covers = user.delegation.covers
        claims["delegation"] = {
            "by": user.delegation.by,
            "valid_to": user.delegation.valid_to.isoformat(),
            "withdrawn": user.delegation.withdrawn,
            "covers": _ALL if covers is None else sorted(covers),
        }
    return claims
