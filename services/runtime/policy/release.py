"""What is signed when a policy is published: which rules, for whom, the how-manieth, until when.

The statement is JSON in one way of writing. One key signs it: the federation's for its own policy,
an organization's for its own. A policy that may release more than the one before has a second
signature, by another person's key.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from homeroom.clock import Clock
from homeroom.errors import EvidenceInvalidError
from homeroom.signing import Domain, SigningKey, key_id_of, verify

FEDERATION = "federation"
"""The scope of the federation's own policy; every other scope is an organization."""

_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What trying a policy on recorded questions showed.

    Attributes:
        decisions: on how many questions it was tried.
        widened: how many of them it would answer with more.
        report: the SHA-256 digest of the report, in hexadecimal.
    """

    decisions: int
    widened: int
    report: str


@dataclass(frozen=True, slots=True)
class Release:
    """One publication of a policy.

    Attributes:
        federation: the federation's name.
        scope: `federation`, or the organization whose policy it is.
        revision: the digest of the rules and constants.
        sequence: higher than that of every publication before.
        expires: from then on nothing is decided by it.
        replayed: None if it was not tried.
    """

    federation: str
    scope: str
    revision: str
    sequence: int
    expires: dt.datetime
    replayed: Replayed | None = None

    @property
    def shown_to_narrow(self) -> bool:
        """Whether it was tried on some questions, and answered none of them with more."""
        tried = self.replayed
        return tried is not None and tried.decisions > 0 and tried.widened == 0

    def encode(self) -> bytes:
        """The statement's bytes, the same for the same release."""
        content: dict[str, Any] = {
            "federation": self.federation,
            "scope": self.scope,
            "revision": self.revision,
            "sequence": self.sequence,
            "expires": self.expires.astimezone(dt.UTC).strftime(_INSTANT),
        }
        if self.replayed is not None:
            content["replayed"] = {
                "decisions": self.replayed.decisions,
                "widened": self.replayed.widened,
                "report": self.replayed.report,
            }
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, statement: bytes) -> "Release":
        """Reads a statement strictly.

        Raises:
            EvidenceInvalidError: if it is not exactly one.
        """
        try:
            content = json.loads(statement)
            tried = content.pop("replayed", None)
            expires = dt.datetime.strptime(content.pop("expires"), _INSTANT).replace(tzinfo=dt.UTC)
            release = cls(**content, expires=expires, replayed=Replayed(**tried) if tried else None)
            same = release.encode() == statement
        except (ValueError, TypeError, AttributeError, KeyError) as unread:
            raise EvidenceInvalidError("the policy's statement cannot be read") from unread
        counts = [release.sequence, *([tried["decisions"], tried["widened"]] if tried else [])]
        # Written again it has the same bytes, so types are the only thing left to look at.
        if not same or not all(type(count) is int and count >= 0 for count in counts):
            raise EvidenceInvalidError("the policy's statement cannot be read")
        return release


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A statement, and who signed it.

    Attributes:
        signatures: each by the fingerprint of its key.
    """

    release: Release
    signatures: Mapping[str, bytes]

    @classmethod
    def sign(cls, release: Release, keys: Iterable[SigningKey]) -> "SignedRelease":
        statement = release.encode()
        return cls(release, {k.key_id: k.sign(Domain.POLICY_RELEASE, statement) for k in keys})

    def signed_also(self, key: SigningKey) -> "SignedRelease":
        """The same with one signature more."""
        more = SignedRelease.sign(self.release, [key]).signatures
        return SignedRelease(self.release, {**self.signatures, **more})

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether a key signed it.

        Raises:
            EvidenceInvalidError: if its signature is there and does not check.
        """
        signature = self.signatures.get(key_id_of(public_key))
        if signature is None:
            return False
        verify(Domain.POLICY_RELEASE, self.release.encode(), signature, public_key)
        return True


@dataclass(frozen=True, slots=True)
class PolicyTrust:
    """Whose policy a service takes, and whose second signature lets it release more.

    Attributes:
        key: the public key that signs this policy.
        approver: the second one; None where no policy may release more.
        alone: whether one signature is enough, for a service that releases nothing.
    """

    federation: str
    scope: str
    key: bytes
    approver: bytes | None = None
    alone: bool = False

    def require_signed(self, signed: SignedRelease) -> None:
        """Refuses what is not for here, or not signed.

        Raises:
            EvidenceInvalidError: if it is not.
        """
        release = signed.release
        if (release.federation, release.scope) != (self.federation, self.scope):
            raise EvidenceInvalidError("the policy is for somebody else", scope=release.scope)
        if not signed.is_signed_by(self.key):
            raise EvidenceInvalidError("the policy is not signed by its owner")

    def is_approved(self, signed: SignedRelease) -> bool:
        """Whether it has the second signature, by another key than the first."""
        return (
            self.approver is not None
            and self.approver != self.key
            and signed.is_signed_by(self.approver)
        )


def require_current(release: Release, clock: Clock) -> None:
    """Refuses a policy whose time is over.

    Raises:
        EvidenceInvalidError: if it has expired.
    """
    if clock() >= release.expires:
        raise EvidenceInvalidError("the policy has expired", sequence=str(release.sequence))
