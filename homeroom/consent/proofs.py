"""Checks what the consent service says of its log: its signed head, what it appended, proofs."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_log import ChangeKind, LogEntry, consent_digest
from homeroom.errors import EvidenceInvalidError
from homeroom.evidence import check_signature, decode
from homeroom.merkle import check_inclusion, extended_root
from homeroom.signing import Domain


@dataclass(frozen=True, slots=True)
class LogHead:
    """The log's state at one moment, as the consent service signed it."""

    size: int
    root: bytes
    sign_time: dt.datetime


def open_head(
    evidence: evidence_pb2.SignedStatement, federation: str, consent_key: bytes
) -> LogHead:
    """Checks a signed head, and reads it.

    Raises:
        EvidenceInvalidError: if the consent service of this federation did not sign it.
    """
    if len(evidence.signatures) != 1:
        raise EvidenceInvalidError("the consent service signs alone")
    check_signature(
        Domain.CONSENT_LOG_HEAD, evidence.statement, evidence.signatures[0], consent_key
    )
    head = decode(log_pb.ConsentLogHead, evidence.statement)
    if head.federation != federation:
        raise EvidenceInvalidError("a log of another federation")
    return LogHead(head.size, head.merkle_root, head.sign_time.ToDatetime(dt.UTC))


def check_recorded(
    sent: Sequence[pb.Consent],
    response: pb.RecordConsentsResponse,
    federation: str,
    consent_key: bytes,
) -> LogHead:
    """Checks that the new ones of the consents that were sent are in the log, in their order.

    Raises:
        EvidenceInvalidError: if the log under the signed head does not hold exactly them.
    """
    head = open_head(response.log.head, federation, consent_key)
    before = response.log.size_before
    if len(response.sequences) != len(sent):
        raise EvidenceInvalidError("the consent service does not say where each consent stands")
    entries = [
        _recorded_entry(consent, sequence)
        for consent, sequence in zip(sent, response.sequences, strict=True)
        if sequence > before
    ]
    if [entry.sequence for entry in entries] != list(range(before + 1, head.size + 1)):
        raise EvidenceInvalidError("the consent service's log leaves a consent out")
    root = extended_root(before, response.log.roots_before, [entry.leaf() for entry in entries])
    if root != head.root:
        raise EvidenceInvalidError("the consent service's log holds something else")
    return head


def check_proof(
    proof: log_pb.ConsentProof, consent_id: str, federation: str, consent_key: bytes
) -> tuple[LogHead, list[LogEntry]]:
    """Checks what the log says of one consent; oldest first.

    Raises:
        EvidenceInvalidError: if a change is not of the consent, or not in the log.
    """
    head = open_head(proof.head, federation, consent_key)
    entries = []
    for change in proof.changes:
        entry = LogEntry.decode(change.entry)
        if entry.consent_id != consent_id:
            raise EvidenceInvalidError("a proof of another consent")
        check_inclusion(entry.leaf(), entry.sequence - 1, head.size, change.path, head.root)
        entries.append(entry)
    return head, entries


def _recorded_entry(consent: pb.Consent, sequence: int) -> LogEntry:
    bodies = (
        (body.organization_id, body.sealed_key, body.place, body.sealed_evidence)
        for body in consent.bodies
    )
    digest = consent_digest(consent.consent_id, consent.recorder, consent.holder, bodies)
    return LogEntry(sequence, ChangeKind.RECORDED, consent.consent_id, consent.recorder, digest)
