"""A certificate of destruction on its way: signed by the recipient, sealed to the holder, and back.

Whoever carries it sees who certifies to whom, and nothing of what it is about.
"""

import datetime as dt

from homeroom.api.common.v1 import destruction_pb2 as pb
from homeroom.api.common.v1 import evidence_pb2
from homeroom.destruction.certificate import (
    Certificate,
    CertificateReceipt,
    CertifiedAnswer,
    KeptBecause,
    Method,
)
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.sealing import SealingKey, seal
from homeroom.signing import Domain, SigningKey, digest_of

MAX_CERTIFICATE_BYTES = 256 * 1024
"""More than the largest certificate needs, signed and sealed."""


def write_certificate(certificate: Certificate) -> bytes:
    """The exact bytes of a certificate, which are signed."""
    message = pb.DestructionCertificate(
        certificate_id=certificate.certificate_id,
        recipient=certificate.recipient,
        holder=certificate.holder,
        agreement_id=certificate.agreement_id,
        method=certificate.method,
        destroy_date=certificate.destroyed_on.isoformat(),
        role=certificate.role,
        answers=[
            pb.CertifiedAnswer(
                query_digest=one.query_digest,
                log_index=one.log_index,
                log_entry_digest=one.entry_digest,
                consent_id=one.consent_id,
                kept_because=one.kept_because or "",
            )
            for one in certificate.answers
        ],
    )
    message.certify_time.FromDatetime(certificate.certified_at)
    return message.SerializeToString(deterministic=True)


def read_certificate(statement: bytes) -> Certificate:
    """Reads what was signed.

    Raises:
        EvidenceInvalidError: if it is no certificate, or says something that none can.
    """
    message = decode(pb.DestructionCertificate, statement)
    try:
        return Certificate(
            certificate_id=message.certificate_id,
            recipient=message.recipient,
            holder=message.holder,
            agreement_id=message.agreement_id,
            method=Method(message.method),
            destroyed_on=dt.date.fromisoformat(message.destroy_date),
            role=message.role,
            answers=tuple(map(_answer_read, message.answers)),
            certified_at=message.certify_time.ToDatetime(dt.UTC),
        )
    except (ValueError, RequestInvalidError):
        raise EvidenceInvalidError("a certificate of destruction is malformed") from None


def sign_certificate(certificate: Certificate, key: SigningKey) -> evidence_pb2.SignedStatement:
    """The certificate, signed by its recipient."""
    statement = write_certificate(certificate)
    return signed(Domain.DESTRUCTION_CERTIFICATE, statement, certificate.recipient, key)


def seal_certificate(
    evidence: evidence_pb2.SignedStatement, recipient: str, holder: str, holder_key: bytes
) -> bytes:
    """A signed certificate, sealed to its holder."""
    return seal(evidence.SerializeToString(), holder_key, _to_holder(recipient, holder))


def open_certificate(
    sealed: bytes, recipient: str, holder: str, key: SealingKey
) -> evidence_pb2.SignedStatement:
    """What was sealed to a holder; proves nothing of who made it yet.

    Raises:
        EvidenceInvalidError: if it was not sealed to it as this recipient's.
    """
    opened = key.open(sealed, _to_holder(recipient, holder))
    return decode(evidence_pb2.SignedStatement, opened)


def check_certificate(
    evidence: evidence_pb2.SignedStatement, recipient: str, holder: str, signing_key: bytes
) -> Certificate:
    """The certificate, if this recipient signed it for this holder.

    Raises:
        EvidenceInvalidError: if it did not.
    """
    domain = Domain.DESTRUCTION_CERTIFICATE
    certificate = read_certificate(check_signed_by(domain, evidence, recipient, signing_key))
    if (certificate.recipient, certificate.holder) != (recipient, holder):
        raise EvidenceInvalidError("a certificate is of another recipient, or for another holder")
    return certificate


def seal_receipt(receipt: CertificateReceipt, key: SigningKey, recipient_key: bytes) -> bytes:
    """The receipt as it travels: signed by the holder, sealed to the recipient."""
    message = pb.CertificateReceipt(
        certificate_digest=receipt.digest,
        holder=receipt.holder,
        recipient=receipt.recipient,
        log_index=receipt.log_index,
        log_entry_digest=receipt.entry_digest,
    )
    message.receive_time.FromDatetime(receipt.received_at)
    statement = message.SerializeToString(deterministic=True)
    evidence = signed(Domain.CERTIFICATE_RECEIPT, statement, receipt.holder, key)
    return seal(evidence.SerializeToString(), recipient_key, _to_recipient(receipt.digest))


def open_receipt(
    sealed: bytes, certificate: bytes, holder: str, holder_key: bytes, key: SealingKey
) -> tuple[CertificateReceipt, bytes]:
    """The holder's receipt for a certificate of these exact bytes, and the evidence of it.

    Raises:
        EvidenceInvalidError: if the holder did not sign it for this certificate.
    """
    opened = key.open(sealed, _to_recipient(digest_of(certificate)))
    evidence = decode(evidence_pb2.SignedStatement, opened)
    return check_receipt(evidence, certificate, holder, holder_key), opened


def check_receipt(
    evidence: evidence_pb2.SignedStatement, certificate: bytes, holder: str, holder_key: bytes
) -> CertificateReceipt:
    """The receipt, if the holder signed it for a certificate of these exact bytes.

    Raises:
        EvidenceInvalidError: if it did not.
    """
    statement = check_signed_by(Domain.CERTIFICATE_RECEIPT, evidence, holder, holder_key)
    message = decode(pb.CertificateReceipt, statement)
    digest, recipient = digest_of(certificate), read_certificate(certificate).recipient
    expected = (digest, holder, recipient)
    if (message.certificate_digest, message.holder, message.recipient) != expected:
        raise EvidenceInvalidError("a receipt is of another certificate")
    try:
        received_at = message.receive_time.ToDatetime(dt.UTC)
    except ValueError:
        raise EvidenceInvalidError("a receipt's time is none") from None
    return CertificateReceipt(
        digest, holder, recipient, message.log_index, message.log_entry_digest, received_at
    )


def _answer_read(message: pb.CertifiedAnswer) -> CertifiedAnswer:
    return CertifiedAnswer(
        message.query_digest,
        message.log_index,
        message.log_entry_digest,
        message.consent_id,
        KeptBecause(message.kept_because) if message.kept_because else None,
    )


def _to_holder(recipient: str, holder: str) -> bytes:
    return f"homeroom/destruction-certificate/v1\0{recipient}\0{holder}".encode()


def _to_recipient(digest: bytes) -> bytes:
    return b"homeroom/certificate-receipt/v1\0" + digest
