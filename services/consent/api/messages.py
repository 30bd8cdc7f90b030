"""Turns messages of the consent service into consents and revocations, and back."""

import datetime as dt

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_log import ChangeKind
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import decode
from services.consent.domain.consents import Consent, SealedBody
from services.consent.domain.ledger import Change, ListedConsent, Proof
from services.consent.domain.notices import Notice, SealedNotice
from services.consent.domain.revocations import Revocation


def consent_of(message: pb.Consent) -> Consent:
    """The consent that a message carries, without its state."""
    return Consent(
        consent_id=message.consent_id,
        recorder=message.recorder,
        holder=message.holder,
        bodies=tuple(
            SealedBody(body.organization_id, body.sealed_key, body.place, body.sealed_evidence)
            for body in message.bodies
        ),
    )


def revocation_of(evidence: evidence_pb2.SignedStatement) -> Revocation:
    """The revocation that a message carries; its signature is not yet checked.

    Raises:
        EvidenceInvalidError: if it is none, or not signed by one organization alone.
        RequestInvalidError: if it says no time.
    """
    said = decode(pb.Revocation, evidence.statement)
    if len(evidence.signatures) != 1:
        raise EvidenceInvalidError("one organization signs a revocation, alone")
    signature = evidence.signatures[0]
    return Revocation(
        consent_id=said.consent_id,
        organization_id=said.organization_id,
        revoke_time=_time_of(said),
        content=evidence.statement,
        signer=signature.organization_id,
        key_id=signature.key_id,
        signature=signature.signature,
    )


def change_message(change: Change) -> pb.ConsentChange:
    """The message that carries one step."""
    message = pb.ConsentChange(sequence=change.sequence, previous_sequence=change.previous_sequence)
    message.take_time.FromDatetime(change.taken_at)
    if isinstance(change.what, Consent):
        _write_consent(message.recorded, change.what, pb.CONSENT_STATE_ACTIVE)
    elif isinstance(change.what, Revocation):
        message.revoked.CopyFrom(_evidence_of(change.what))
    else:
        _write_notice(message, change.what)
    return message


def narrowing_of(message: pb.Narrowing) -> Notice:
    """The partial withdrawal that a message carries."""
    return Notice(
        ChangeKind.NARROWED,
        message.consent_id,
        message.organization_id,
        tuple(SealedNotice(one.organization_id, one.sealed_statement) for one in message.notices),
    )


def report_of(message: pb.Report) -> Notice:
    """The verdicts that a message carries."""
    sealed = SealedNotice(message.recorder, message.sealed_statement)
    return Notice(ChangeKind.REPORTED, "", message.holder, (sealed,))


def rotation_of(message: pb.Rotation) -> Notice:
    """The new names that a message carries."""
    sealed = SealedNotice(message.holder, message.sealed_statement)
    return Notice(ChangeKind.ROTATED, "", message.organization_id, (sealed,))


def report_message(notice: Notice) -> pb.Report:
    """The message that carries verdicts to their reader."""
    (sealed,) = notice.notices
    message = pb.Report(
        holder=notice.organization_id,
        recorder=sealed.organization_id,
        sealed_statement=sealed.sealed_statement,
    )
    message.take_time.FromDatetime(notice.taken_at)
    return message


def proof_message(proof: Proof, head: evidence_pb2.SignedStatement) -> log_pb.ConsentProof:
    """The message that carries what the log says of a consent, under a signed head."""
    return log_pb.ConsentProof(
        head=head,
        changes=[
            log_pb.LoggedChange(entry=entry.encode(), path=path) for entry, path in proof.entries
        ],
    )


def _write_notice(message: pb.ConsentChange, notice: Notice) -> None:
    (sealed,) = notice.notices
    if notice.kind is ChangeKind.NARROWED:
        message.narrowed.CopyFrom(
            pb.Narrowing(
                consent_id=notice.consent_id,
                organization_id=notice.organization_id,
                notices=[
                    pb.SealedNotice(
                        organization_id=sealed.organization_id,
                        sealed_statement=sealed.sealed_statement,
                    )
                ],
            )
        )
    elif notice.kind is ChangeKind.REPORTED:
        message.reported.CopyFrom(report_message(notice))
    else:
        message.rotated.CopyFrom(
            pb.Rotation(
                organization_id=notice.organization_id,
                holder=sealed.organization_id,
                sealed_statement=sealed.sealed_statement,
            )
        )


def listed_message(listed: ListedConsent) -> pb.Consent:
    """The message that carries a consent as it stands."""
    revoked = listed.revoke_time is not None
    state = pb.CONSENT_STATE_REVOKED if revoked else pb.CONSENT_STATE_ACTIVE
    message = _consent_message(listed.consent, state)
    message.take_time.FromDatetime(listed.taken_at)
    if listed.revoke_time is not None:
        message.revoke_time.FromDatetime(listed.revoke_time)
    return message


def _consent_message(consent: Consent, state: pb.ConsentState.ValueType) -> pb.Consent:
    message = pb.Consent()
    _write_consent(message, consent, state)
    return message


def _write_consent(message: pb.Consent, consent: Consent, state: pb.ConsentState.ValueType) -> None:
    message.consent_id, message.recorder = consent.consent_id, consent.recorder
    message.holder, message.state = consent.holder, state
    for body in consent.bodies:
        message.bodies.add(
            organization_id=body.organization_id,
            sealed_key=body.sealed_key,
            place=body.place,
            sealed_evidence=body.sealed_evidence,
        )


def _evidence_of(revocation: Revocation) -> evidence_pb2.SignedStatement:
    return evidence_pb2.SignedStatement(
        statement=revocation.content,
        signatures=[
            evidence_pb2.Signature(
                organization_id=revocation.signer,
                key_id=revocation.key_id,
                signature=revocation.signature,
            )
        ],
    )


def _time_of(said: pb.Revocation) -> dt.datetime:
    if not said.HasField("revoke_time"):
        raise RequestInvalidError("a revocation says when it was told", field="revoke_time")
    try:
        return said.revoke_time.ToDatetime(dt.UTC)
    except (ValueError, OverflowError):
        raise RequestInvalidError("a revocation's time is none", field="revoke_time") from None
