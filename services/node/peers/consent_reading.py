"""Reads what the consent service sends: opens what is sealed, and checks who signed it."""

import datetime as dt
from collections.abc import Mapping
from typing import TypeAlias

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import ConsentReader, open_narrowing, open_rotation
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import decode
from homeroom.key_history import SigningKeys, counting
from homeroom.sealing import SealingKey
from services.node.domain.consent_book import Arrived, Change, Narrowed, Revoked, Rotated
from services.node.domain.consent_forms import CLASS
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Withdrawn

KeysOf: TypeAlias = Mapping[str, SigningKeys]
"""The signing keys of every organization."""


class ConsentReading:
    """Reads changes for one organization."""

    def __init__(self, organization_id: str, key: SealingKey, *former_keys: SealingKey) -> None:
        self._organization_id = organization_id
        self._key = key
        self._reader = ConsentReader(organization_id, key, *former_keys)

    def change(self, change: pb.ConsentChange, keys: KeysOf, now: dt.datetime) -> Change | None:
        """What a change means here; None if nothing: it is about records that others hold.

        Args:
            change: as the consent service sent it.
            keys: the public signing keys of every organization.
            now: the instant.
        """
        seen_at = _taken_at(change, now)
        match change.WhichOneof("change"):
            case "recorded" if change.recorded.holder == self._organization_id:
                return self._arrived(change.recorded, keys, seen_at)
            case "revoked":
                return _revoked(change.revoked)
            case "narrowed":
                return self._narrowed(change.narrowed, keys, now, seen_at)
            case "rotated" if change.rotated.holder == self._organization_id:
                return self._rotated(change.rotated, keys, seen_at)
        return None

    def again(self, arrived: Arrived, keys: KeysOf) -> Arrived:
        """Reads once more a consent that was kept as it came."""
        cover = pb.Consent(
            consent_id=arrived.consent_id, recorder=arrived.recorder, holder=self._organization_id
        )
        return self._checked(cover, arrived.evidence, keys, arrived.taken_at)

    def _arrived(self, consent: pb.Consent, keys: KeysOf, at: dt.datetime) -> Arrived:
        try:
            evidence = self._reader.open(consent)
        except EvidenceInvalidError:
            invalid = ConsentProblem.EVIDENCE_INVALID
            return Arrived(consent.consent_id, consent.recorder, b"", None, invalid, taken_at=at)
        return self._checked(consent, evidence, keys, at)

    def _narrowed(
        self, message: pb.Narrowing, keys: KeysOf, now: dt.datetime, at: dt.datetime
    ) -> Narrowed | Revoked:
        try:
            author_keys = _signing_keys(keys, message.organization_id, at)
            said = open_narrowing(message, self._organization_id, self._key, *author_keys)
        except EvidenceInvalidError:
            # Something was taken back, and nobody can say what: then all of it was.
            return Revoked(message.consent_id, now)
        classes = (CLASS + name for name in said.classes)
        withdrawn = Withdrawn(frozenset(said.elements), frozenset((*said.recipients, *classes)))
        return Narrowed(said.consent_id, withdrawn, said.time)

    def _rotated(self, message: pb.Rotation, keys: KeysOf, at: dt.datetime) -> Rotated | None:
        try:
            author_keys = _signing_keys(keys, message.organization_id, at)
            said = open_rotation(message, self._key, *author_keys)
        except EvidenceInvalidError:
            return None
        return Rotated(said.organization_id, said.new_refs, said.time)

    def _checked(
        self, consent: pb.Consent, evidence: bytes, keys: KeysOf, at: dt.datetime
    ) -> Arrived:
        kept = (consent.consent_id, consent.recorder, evidence)
        if consent.recorder not in keys:
            problem = ConsentProblem.RECORDER_NOT_A_PARTY
            return Arrived(*kept, None, problem, taken_at=at)
        try:
            recorder_keys = _signing_keys(keys, consent.recorder, at)
            opened = self._reader.read(consent, evidence, *recorder_keys)
            return Arrived(*kept, opened, taken_at=at)
        except EvidenceInvalidError:
            return Arrived(*kept, None, ConsentProblem.EVIDENCE_INVALID, taken_at=at)


def _signing_keys(keys: KeysOf, organization_id: str, at: dt.datetime) -> tuple[bytes, ...]:
    if organization_id not in keys:
        raise EvidenceInvalidError("an organization is not registered")
    return counting(keys[organization_id], at)


def _taken_at(change: pb.ConsentChange, now: dt.datetime) -> dt.datetime:
    """When the consent service took it; where it does not say, now."""
    try:
        return change.take_time.ToDatetime(dt.UTC) if change.HasField("take_time") else now
    except (ValueError, OverflowError):
        return now


def _revoked(evidence: evidence_pb2.SignedStatement) -> Revoked:
    # Whoever said it: a revocation only takes away, so it is never refused.
    revocation = decode(pb.Revocation, evidence.statement)
    return Revoked(revocation.consent_id, revocation.revoke_time.ToDatetime(dt.UTC))
