"""Reads what the consent service sends: opens what is sealed, and checks who signed it."""

import datetime as dt
from collections.abc import Mapping

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import ConsentReader, open_narrowing, open_rotation
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import decode
from homeroom.sealing import SealingKey
from services.node.domain.consent_book import Arrived, Change, Narrowed, Revoked, Rotated
from services.node.domain.consent_forms import CLASS
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Withdrawn


class ConsentReading:
    """Reads changes for one organization."""

    def __init__(self, organization_id: str, key: SealingKey) -> None:
        self._organization_id = organization_id
        self._key = key
        self._reader = ConsentReader(organization_id, key)

    def change(
        self, change: pb.ConsentChange, keys: Mapping[str, bytes], now: dt.datetime
    ) -> Change | None:
        """What a change means here; None if nothing: it is about records that others hold.

        Args:
            change: as the consent service sent it.
            keys: the public signing key of every organization.
            now: the instant.
        """
        match change.WhichOneof("change"):
            case "recorded" if change.recorded.holder == self._organization_id:
                return self._arrived(change.recorded, keys)
            case "revoked":
                return _revoked(change.revoked)
            case "narrowed":
                return self._narrowed(change.narrowed, keys, now)
            case "rotated" if change.rotated.holder == self._organization_id:
                return self._rotated(change.rotated, keys)
        return None

    def again(self, arrived: Arrived, keys: Mapping[str, bytes]) -> Arrived:
        """Reads once more a consent that was kept as it came."""
        cover = pb.Consent(
            consent_id=arrived.consent_id, recorder=arrived.recorder, holder=self._organization_id
        )
        return self._checked(cover, arrived.evidence, keys)

    def _arrived(self, consent: pb.Consent, keys: Mapping[str, bytes]) -> Arrived:
        try:
            evidence = self._reader.open(consent)
        except EvidenceInvalidError:
            invalid = ConsentProblem.EVIDENCE_INVALID
            return Arrived(consent.consent_id, consent.recorder, b"", None, invalid)
        return self._checked(consent, evidence, keys)

    def _narrowed(
        self, message: pb.Narrowing, keys: Mapping[str, bytes], now: dt.datetime
    ) -> Narrowed | Revoked:
        try:
            author_key = _signing_key(keys, message.organization_id)
            said = open_narrowing(message, self._organization_id, self._key, author_key)
        except EvidenceInvalidError:
            # Something was taken back, and nobody can say what: then all of it was.
            return Revoked(message.consent_id, now)
        classes = (CLASS + name for name in said.classes)
        withdrawn = Withdrawn(frozenset(said.elements), frozenset((*said.recipients, *classes)))
        return Narrowed(said.consent_id, withdrawn, said.time)

    def _rotated(self, message: pb.Rotation, keys: Mapping[str, bytes]) -> Rotated | None:
        try:
            author_key = _signing_key(keys, message.organization_id)
            said = open_rotation(message, self._key, author_key)
        except EvidenceInvalidError:
            return None
        return Rotated(said.organization_id, said.new_refs, said.time)

    def _checked(self, consent: pb.Consent, evidence: bytes, keys: Mapping[str, bytes]) -> Arrived:
        kept = (consent.consent_id, consent.recorder, evidence)
        recorder_key = keys.get(consent.recorder)
        if recorder_key is None:
            return Arrived(*kept, None, ConsentProblem.RECORDER_NOT_A_PARTY)
        try:
            return Arrived(*kept, self._reader.read(consent, evidence, recorder_key))
        except EvidenceInvalidError:
            return Arrived(*kept, None, ConsentProblem.EVIDENCE_INVALID)


def _signing_key(keys: Mapping[str, bytes], organization_id: str) -> bytes:
    key = keys.get(organization_id)
    if key is None:
        raise EvidenceInvalidError("an organization is not registered")
    return key


def _revoked(evidence: evidence_pb2.SignedStatement) -> Revoked:
    # Whoever said it: a revocation only takes away, so it is never refused.
    revocation = decode(pb.Revocation, evidence.statement)
    return Revoked(revocation.consent_id, revocation.revoke_time.ToDatetime(dt.UTC))
