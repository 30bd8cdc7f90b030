"""The keys that an organization had, one set after the other, and what each of them proves.

Whoever holds a key that was given up signs nothing new with it: what it signed counts only as far
as somebody else saw it while the key stood. A set of keys follows another only if the key before
it signed that it does, or the recovery key that stood beside that one.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias

from homeroom.errors import EvidenceInvalidError
from homeroom.signing import Domain, key_id_of, verify

OVERLAP = dt.timedelta(minutes=2)
"""How long a key that was exchanged still signs: what is on its way, and whoever is cut off."""

SETTLING = dt.timedelta(seconds=30)
"""How long the former key still signs questions: until every node has heard of the new one."""

_ALWAYS = dt.datetime.min.replace(tzinfo=dt.UTC)


class Succession(StrEnum):
    """How a set of keys came after the one before."""

    FIRST = "first"
    KEPT = "kept"  # the signing key is the same, another key is new
    EXCHANGED = "exchanged"  # the former signing key signed
    RECOVERED = "recovered"  # the recovery key signed, because the former key was lost or stolen


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of one record.

    Attributes:
        checkpoint: empty where the organization runs no node.
        recovery: proves the next record where the signing key cannot; empty if there is none.
    """

    signing: bytes
    sealing: bytes
    checkpoint: bytes = b""
    recovery: bytes = b""


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """One set of keys, and from when on it stood.

    Attributes:
        since, sequence: when the registry took it, and which of its changes that was.
        heads: by agreement the digest of the last statement that the organization stands by,
            whichever former key signed it and those before it.
        record_digest: of the record that brought it.
        compromised_since: from when on nothing counts that its signing key signed; None if it is
            not known to be compromised.
    """

    keys: KeySet
    succession: Succession = Succession.FIRST
    since: dt.datetime = _ALWAYS
    sequence: int = 0
    heads: Mapping[str, bytes] = field(default_factory=dict)
    record_digest: bytes = b""
    compromised_since: dt.datetime | None = None


SigningKeys: TypeAlias = tuple[tuple[bytes, dt.datetime | None], ...]
"""Signing keys, the newest first, each with the instant from which it counts no more."""


def counting(keys: SigningKeys, at: dt.datetime) -> tuple[bytes, ...]:
    """Those of the keys that counted at an instant."""
    return tuple(key for key, until in keys if until is None or at < until)


@dataclass(frozen=True, slots=True)
class _Span:
    """One signing key: when it stood, and until when what it signed counts."""

    key: bytes
    first: KeyPeriod
    until: dt.datetime | None
    trusted: bool

    def counts(self, at: dt.datetime) -> bool:
        return self.trusted and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The sets of keys of one organization, oldest first; there is at least one."""

    periods: tuple[KeyPeriod, ...]

    @property
    def present(self) -> KeyPeriod:
        return self.periods[-1]

    @property
    def sound(self) -> bool:
        """Whether the present signing key is the organization's, as far as anybody knows."""
        return self._spans()[-1].counts(_FOREVER)

    @property
    def anchored(self) -> frozenset[str]:
        """The fingerprints of the signing keys that lead to the present one, each by its own word.

        Where an organization recovered its name, nothing that was before leads to what is now.
        """
        ids: list[str] = []
        for span in self._spans():
            ids = [] if span.first.succession is Succession.RECOVERED else ids
            ids.append(key_id_of(span.key))
        return frozenset(ids)

    @property
    def anchor(self) -> bytes:
        """The oldest signing key that leads to the present one."""
        begun = [
            one.keys.signing
            for one in self.periods
            if one.succession in {Succession.FIRST, Succession.RECOVERED}
        ]
        return begun[-1]

    def signing_keys_at(self, at: dt.datetime) -> tuple[bytes, ...]:
        """The keys whose signature counts on what was seen at an instant, the newest first."""
        return counting(self.ends, at)

    def signer_at(self, key_id: str, at: dt.datetime) -> bytes:
        """The key of that fingerprint, if it counted at an instant; else no key, which is empty."""
        return next((key for key in self.signing_keys_at(at) if key_id_of(key) == key_id), b"")

    @property
    def ends(self) -> "SigningKeys":
        """The signing keys that count or counted, each with the instant from which it does not."""
        spans = (span for span in reversed(self._spans()) if span.trusted)
        return tuple((span.key, span.until) for span in spans)

    def withdrawing_key(self, key_id: str, at: dt.datetime) -> bytes:
        """Like `signer_at`, of what only takes away: there even a stolen present key counts."""
        present = self.present.keys.signing
        return present if key_id_of(present) == key_id else self.signer_at(key_id, at)

    def stands_by(
        self, key_id: str, agreement_id: str, digests: Sequence[bytes], place: int
    ) -> bytes:
        """The key of that fingerprint, if the organization stands by what it signed there.

        A former key proves a statement only where every record that came after it names that
        statement, or a later one: so nobody, the registry included, puts one in afterwards.

        Args:
            key_id: of the key that signed.
            agreement_id: whose statements these are.
            digests: of the agreement's statements, in their order.
            place: of the statement among them.
        """
        spans = self._spans()
        found = [number for number, span in enumerate(spans) if key_id_of(span.key) == key_id]
        if not found:
            return b""
        places = {digest: number for number, digest in enumerate(digests)}
        later = (span.first.heads.get(agreement_id, b"") for span in spans[found[0] + 1 :])
        if all(places.get(head, -1) >= place for head in later):
            return spans[found[0]].key
        return b""

    def checkpoint_keys_at(self, at: dt.datetime) -> tuple[bytes, ...]:
        """The keys that signed checkpoints of its log at an instant, the newest first."""
        found = [self.present.keys.checkpoint]
        for one, after in reversed(list(pairwise(self.periods))):
            if at < after.since + OVERLAP:
                found.append(one.keys.checkpoint)
        return tuple(dict.fromkeys(key for key in found if key))

    def continues(self, known: Sequence[bytes]) -> bool:
        """Whether it goes on from the signing keys that were known, in their order."""
        return self.signing_keys[: len(known)] == tuple(known)

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """Every signing key there was, oldest first."""
        return tuple(span.key for span in self._spans())

    @property
    def digest(self) -> bytes:
        """What distinguishes it from any other history."""
        parts = (
            one.record_digest + one.keys.signing + repr(one.compromised_since).encode()
            for one in self.periods
        )
        return hashlib.sha256(b"\0".join(parts)).digest()

    def _spans(self) -> list[_Span]:
        firsts = [one for one in self.periods if one.succession is not Succession.KEPT]
        spans: list[_Span] = []
        trusted = True
        for first, after in zip(firsts, [*firsts[1:], None], strict=True):
            trusted = trusted or first.succession is Succession.RECOVERED
            stolen = self._stolen(first.keys.signing)
            ends = [stolen, _end_before(after)]
            until = min((one for one in ends if one is not None), default=None)
            spans.append(_Span(first.keys.signing, first, until, trusted))
            # Who made the next keys after the theft, nobody can tell.
            trusted = trusted and (stolen is None or (after is not None and after.since < stolen))
        return spans

    def _stolen(self, key: bytes) -> dt.datetime | None:
        marks = [
            one.compromised_since
            for one in self.periods
            if one.keys.signing == key and one.compromised_since is not None
        ]
        return min(marks, default=None)


_FOREVER = dt.datetime.max.replace(tzinfo=dt.UTC)


def _end_before(after: KeyPeriod | None) -> dt.datetime | None:
    if after is None:
        return None
    return after.since if after.succession is Succession.RECOVERED else after.since + OVERLAP


def succession_of(
    known: KeyHistory | None, keys: KeySet, content: bytes, signatures: Mapping[str, bytes]
) -> Succession:
    """How a record's keys come after those that are known, by who signed the record.

    Args:
        known: the keys so far; None for a first record.
        keys: those that the record names.
        content: the record's exact bytes.
        signatures: on them, by the fingerprint of the key.

    Raises:
        EvidenceInvalidError: if they do not follow, or anybody else signed too.
    """
    needed = dict(_needed(known, keys, signatures))
    if needed.keys() != signatures.keys():
        raise EvidenceInvalidError("a record is signed by its own key and the one before it, alone")
    for key_id, (domain, key) in needed.items():
        verify(domain, content, signatures[key_id], key)
    if known is None:
        return Succession.FIRST
    former = known.present.keys
    if keys.signing == former.signing:
        return Succession.KEPT
    if keys.signing in known.signing_keys:
        raise EvidenceInvalidError("a key that was given up does not come back")
    exchanged = key_id_of(former.signing) in needed
    return Succession.EXCHANGED if exchanged else Succession.RECOVERED


def _needed(
    known: KeyHistory | None, keys: KeySet, signatures: Mapping[str, bytes]
) -> Iterator[tuple[str, tuple[Domain, bytes]]]:
    """Who must have signed, and as what."""
    yield key_id_of(keys.signing), (Domain.ORGANIZATION, keys.signing)
    if known is None:
        return
    former = known.present.keys
    by_former = key_id_of(former.signing) in signatures
    if keys.signing != former.signing and by_former:
        yield key_id_of(former.signing), (Domain.ORGANIZATION, former.signing)
    # With the signing key alone a thief could put a recovery key of its own in place.
    other_recovery = former.recovery and keys.recovery != former.recovery
    if other_recovery or (keys.signing != former.signing and not by_former):
        if not former.recovery:
            raise EvidenceInvalidError("a new record is signed with the key of the record before")
        yield key_id_of(former.recovery), (Domain.RECOVERY, former.recovery)


def sole_period(keys: KeySet) -> KeyHistory:
    """The history of an organization of which nothing but its present keys is known."""
    return KeyHistory((KeyPeriod(keys),))
