"""Signs and seals what is said of a consent later, and opens it: withdrawals, verdicts, new names.

Each is one statement, signed by the organization whose word it is and sealed to each organization
that it touches; the consent service in between reads none.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_body_pb2 as body_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_notices import (
    Narrowing,
    Retraction,
    Rotation,
    Verdict,
    VerdictReport,
    WithdrawalDetails,
    Withdrawer,
)
from homeroom.errors import EvidenceInvalidError, HomeroomError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.question import day_of, elements_named
from homeroom.sealing import SealingKey, seal
from homeroom.signing import Domain, SigningKey

M = TypeVar("M", bound=Message)

_UNREADABLE = "a word about a consent is not well formed"


def seal_narrowing(
    narrowing: Narrowing, signing_key: SigningKey, sealing_keys: Mapping[str, bytes]
) -> pb.Narrowing:
    """A partial withdrawal as it is sent, sealed to each organization whose key is given."""
    body = body_pb.NarrowingBody(
        consent_id=narrowing.consent_id,
        organization_id=narrowing.organization_id,
        elements=narrowing.elements,
        recipients=narrowing.recipients,
        classes=narrowing.classes,
        narrow_time=_timestamp(narrowing.time),
    )
    if narrowing.details is not None:
        body.details.CopyFrom(_details_message(narrowing.details))
    author = narrowing.organization_id
    statement = _signed(Domain.NARROWING, body, author, signing_key)
    return pb.Narrowing(
        consent_id=narrowing.consent_id,
        organization_id=author,
        notices=_sealed(Domain.NARROWING, statement, narrowing.consent_id, sealing_keys),
    )


def open_narrowing(
    message: pb.Narrowing, organization_id: str, key: SealingKey, *author_keys: bytes
) -> Narrowing:
    """What of a consent is withdrawn, as one organization that it touches may read it.

    Args:
        message: as the service carries it.
        organization_id: who reads it.
        key: the reader's.
        author_keys: the public signing keys that count of the organization that was told.

    Raises:
        EvidenceInvalidError: if it is not exactly what that organization signed.
    """
    statement = _opened(Domain.NARROWING, message.notices, message.consent_id, organization_id, key)
    author = message.organization_id
    body = _read(body_pb.NarrowingBody, Domain.NARROWING, statement, author, *author_keys)
    if (body.consent_id, body.organization_id) != (message.consent_id, author):
        raise EvidenceInvalidError(_UNREADABLE)
    try:
        return Narrowing(
            consent_id=body.consent_id,
            organization_id=body.organization_id,
            elements=elements_named(body.elements),
            recipients=tuple(body.recipients),
            classes=tuple(body.classes),
            time=_time(body.narrow_time),
            details=_details(body.details) if body.HasField("details") else None,
        )
    except (HomeroomError, ValueError, OverflowError) as wrong:
        raise EvidenceInvalidError(_UNREADABLE) from wrong


def seal_details(
    details: WithdrawalDetails,
    consent_id: str,
    organization_id: str,
    signing_key: SigningKey,
    sealing_keys: Mapping[str, bytes],
) -> list[pb.SealedNotice]:
    """Who withdrew a whole consent and how, sealed to each organization whose key is given."""
    message = _details_message(details)
    statement = _signed(Domain.WITHDRAWAL_DETAILS, message, organization_id, signing_key)
    return _sealed(Domain.WITHDRAWAL_DETAILS, statement, consent_id, sealing_keys)


def open_details(
    revocation: pb.Revocation, organization_id: str, key: SealingKey, *author_keys: bytes
) -> WithdrawalDetails:
    """Who withdrew a whole consent and how.

    Raises:
        EvidenceInvalidError: if the revocation does not tell it to this organization.
    """
    domain, author = Domain.WITHDRAWAL_DETAILS, revocation.organization_id
    statement = _opened(domain, revocation.details, revocation.consent_id, organization_id, key)
    try:
        return _details(_read(body_pb.WithdrawalDetails, domain, statement, author, *author_keys))
    except (HomeroomError, ValueError) as wrong:
        raise EvidenceInvalidError(_UNREADABLE) from wrong


def seal_report(report: VerdictReport, signing_key: SigningKey, sealing_key: bytes) -> pb.Report:
    """A report as it is sent, sealed to the organization whose public key is given."""
    body = body_pb.VerdictReport(
        holder=report.holder,
        recorder=report.recorder,
        verdicts=[
            body_pb.Verdict(
                consent_id=verdict.consent_id,
                accepted=verdict.accepted,
                codes=verdict.codes,
                last_date=verdict.last_date.isoformat() if verdict.last_date else "",
            )
            for verdict in report.verdicts
        ],
        retractions=[
            body_pb.Retraction(query_digest=one.query_digest, subject_ref=one.subject_ref)
            for one in report.retractions
        ],
        report_time=_timestamp(report.time),
    )
    statement = _signed(Domain.VERDICTS, body, report.holder, signing_key)
    context = _context(Domain.VERDICTS, report.holder, report.recorder)
    return pb.Report(
        holder=report.holder,
        recorder=report.recorder,
        sealed_statement=seal(statement.SerializeToString(), sealing_key, context),
    )


def open_report(message: pb.Report, key: SealingKey, *holder_keys: bytes) -> VerdictReport:
    """A report, as the organization reads it that it is for.

    Raises:
        EvidenceInvalidError: if it is not exactly what the holder signed for this recorder.
    """
    context = _context(Domain.VERDICTS, message.holder, message.recorder)
    statement = decode(evidence_pb2.SignedStatement, key.open(message.sealed_statement, context))
    body = _read(body_pb.VerdictReport, Domain.VERDICTS, statement, message.holder, *holder_keys)
    if (body.holder, body.recorder) != (message.holder, message.recorder):
        raise EvidenceInvalidError(_UNREADABLE)
    try:
        return VerdictReport(
            holder=body.holder,
            recorder=body.recorder,
            verdicts=tuple(_verdict(verdict) for verdict in body.verdicts),
            retractions=tuple(
                Retraction(query_digest=one.query_digest, subject_ref=one.subject_ref)
                for one in body.retractions
            ),
            time=_time(body.report_time),
        )
    except (HomeroomError, ValueError, OverflowError) as wrong:
        raise EvidenceInvalidError(_UNREADABLE) from wrong


def seal_rotation(rotation: Rotation, signing_key: SigningKey, sealing_key: bytes) -> pb.Rotation:
    """New names as they are sent, sealed to the holder whose public key is given."""
    body = body_pb.RotationBody(
        organization_id=rotation.organization_id,
        holder=rotation.holder,
        refs=[
            body_pb.RotatedRef(subject_ref=old, new_subject_ref=new)
            for old, new in rotation.new_refs.items()
        ],
        rotate_time=_timestamp(rotation.time),
    )
    statement = _signed(Domain.ROTATION, body, rotation.organization_id, signing_key)
    context = _context(Domain.ROTATION, rotation.organization_id, rotation.holder)
    return pb.Rotation(
        organization_id=rotation.organization_id,
        holder=rotation.holder,
        sealed_statement=seal(statement.SerializeToString(), sealing_key, context),
    )


def open_rotation(message: pb.Rotation, key: SealingKey, *author_keys: bytes) -> Rotation:
    """The new names by which an organization knows students, as their holder reads them.

    Raises:
        EvidenceInvalidError: if it is not exactly what that organization signed for this holder.
    """
    author = message.organization_id
    context = _context(Domain.ROTATION, author, message.holder)
    statement = decode(evidence_pb2.SignedStatement, key.open(message.sealed_statement, context))
    body = _read(body_pb.RotationBody, Domain.ROTATION, statement, author, *author_keys)
    if (body.organization_id, body.holder) != (author, message.holder):
        raise EvidenceInvalidError(_UNREADABLE)
    new_refs = {one.subject_ref: one.new_subject_ref for one in body.refs}
    try:
        if len(new_refs) != len(body.refs):
            raise EvidenceInvalidError(_UNREADABLE)
        return Rotation(
            organization_id=author,
            holder=body.holder,
            new_refs=new_refs,
            time=_time(body.rotate_time),
        )
    except (HomeroomError, ValueError, OverflowError) as wrong:
        raise EvidenceInvalidError(_UNREADABLE) from wrong


def _signed(
    domain: Domain, body: Message, author: str, key: SigningKey
) -> evidence_pb2.SignedStatement:
    return signed(domain, body.SerializeToString(deterministic=True), author, key)


def _sealed(
    domain: Domain,
    statement: evidence_pb2.SignedStatement,
    consent_id: str,
    sealing_keys: Mapping[str, bytes],
) -> list[pb.SealedNotice]:
    content = statement.SerializeToString()
    return [
        pb.SealedNotice(
            organization_id=reader,
            sealed_statement=seal(content, key, _context(domain, consent_id, reader)),
        )
        for reader, key in sealing_keys.items()
    ]


def _opened(
    domain: Domain, notices: Any, consent_id: str, organization_id: str, key: SealingKey
) -> evidence_pb2.SignedStatement:
    for notice in notices:
        if notice.organization_id == organization_id:
            context = _context(domain, consent_id, organization_id)
            content = key.open(notice.sealed_statement, context)
            return decode(evidence_pb2.SignedStatement, content)
    raise EvidenceInvalidError("there is no word for this organization")


def _read(
    kind: type[M],
    domain: Domain,
    statement: evidence_pb2.SignedStatement,
    author: str,
    *author_keys: bytes,
) -> M:
    body = decode(kind, check_signed_by(domain, statement, author, *author_keys))
    size = body.ByteSize()
    body.DiscardUnknownFields()
    if body.ByteSize() != size:
        raise EvidenceInvalidError(_UNREADABLE)
    return body


def _verdict(message: body_pb.Verdict) -> Verdict:
    return Verdict(
        consent_id=message.consent_id,
        accepted=message.accepted,
        codes=tuple(message.codes),
        last_date=day_of(message.last_date, "last_date") if message.last_date else None,
    )


def _details(message: body_pb.WithdrawalDetails) -> WithdrawalDetails:
    return WithdrawalDetails(withdrawn_by=Withdrawer(message.withdrawn_by), channel=message.channel)


def _details_message(details: WithdrawalDetails) -> body_pb.WithdrawalDetails:
    return body_pb.WithdrawalDetails(withdrawn_by=details.withdrawn_by, channel=details.channel)


def _timestamp(time: dt.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def _time(stamp: Timestamp) -> dt.datetime:
    return stamp.ToDatetime(dt.UTC)


def _context(domain: Domain, *names: str) -> bytes:
    return "\0".join((domain, *names)).encode()
