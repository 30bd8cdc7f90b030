"""Takes a recipient's certificate of destruction, and keeps it with the disclosure record.

A certificate counts for the answers that its own receipts name and for no other. What is wrong with
one that does not is not told: it would tell which questions others have asked.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.destruction.certificate import Certificate, CertificateReceipt, CertifiedAnswer
from homeroom.errors import ClockSkewedError, NotPermittedError, RequestInvalidError
from services.node.domain.ruling import Holder


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer about students, as its holder recorded it.

    Attributes:
        log_index: of its entry in the disclosure record.
        ended_index, ended_digest: of the entry that its receipt names.
        given_on: the day it ended, in UTC.
    """

    log_index: int
    agreement_id: str
    ended_index: int
    ended_digest: bytes
    given_on: dt.date


@dataclass(frozen=True, slots=True)
class ArrivedCertificate:
    """A certificate that was proved, and the entries of the disclosure record that it is about.

    Attributes:
        digest: the SHA-256 digest of its exact bytes.
        evidence: the SignedStatement of it, serialized.
        answers: each with the log index of its entry.
    """

    certificate: Certificate
    digest: bytes
    evidence: bytes
    answers: Sequence[tuple[int, CertifiedAnswer]]


class CertificateShelf(Protocol):
    """Where certificates are kept."""

    def given(self, recipient: str, query_digests: Sequence[str]) -> Mapping[str, GivenAnswer]:
        """The answers that a recipient itself was given to these questions, by their digest."""
        ...

    def keep(self, arrived: ArrivedCertificate) -> CertificateReceipt:
        """Keeps a certificate with an entry of the log; one that was kept before is the same."""
        ...


class Acts(Protocol):
    """Where acts are noted."""

    def note(self, kind: AuditKind, content: Mapping[str, Any], digest: bytes = b"") -> bool:
        """Notes an act; False if one of this kind and digest was noted before."""
        ...


@dataclass(frozen=True, slots=True)
class Certifying:
    """Takes the certificates of one holder's recipients, and notes its own that others took."""

    holder: Holder
    shelf: CertificateShelf
    acts: Acts
    clock: Clock

    async def take(
        self, certificate: Certificate, digest: bytes, evidence: bytes
    ) -> CertificateReceipt:
        """Keeps a certificate whose signature was checked.

        Raises:
            NotPermittedError: if an answer is none of the recipient's, or not as it was given.
            ClockSkewedError: if it was made in the future.
            RequestInvalidError: if something was given after it is said to be destroyed.
            LogUnavailableError: if it cannot be kept.
        """
        if certificate.certified_at > self.clock() + self.holder.max_clock_skew:
            raise ClockSkewedError("the certificate was made in the future")
        asked = [one.query_digest.hex() for one in certificate.answers]
        given = await asyncio.to_thread(self.shelf.given, certificate.recipient, asked)
        answers = [(_given(one, certificate, given), one) for one in certificate.answers]
        if any(known.given_on > certificate.destroyed_on for known, _ in answers):
            raise RequestInvalidError(
                "an answer was given after the day of destruction", field="destroy_date"
            )
        named = [(known.log_index, one) for known, one in answers]
        arrived = ArrivedCertificate(certificate, digest, evidence, named)
        return await asyncio.to_thread(self.shelf.keep, arrived)

    async def note_sent(self, certificate: Certificate, receipt: CertificateReceipt) -> None:
        """Notes that a holder has kept this organization's own certificate; the same one once.

        Raises:
            LogUnavailableError: if it cannot be written.
        """
        content = {
            "holder": certificate.holder,
            **certificate_content(certificate),
            "holder_log_index": receipt.log_index,
        }
        await asyncio.to_thread(self.acts.note, AuditKind.CERTIFICATE_SENT, content, receipt.digest)


def certificate_content(certificate: Certificate) -> Mapping[str, Any]:
    """What a log tells of a certificate, on either side."""
    return {
        "agreement": certificate.agreement_id,
        "method": str(certificate.method),
        "destroyed_on": certificate.destroyed_on.isoformat(),
        "role": certificate.role,
        "answers": len(certificate.answers),
        "kept": sum(one.kept_because is not None for one in certificate.answers),
    }


def not_accepted() -> NotPermittedError:
    """What every certificate is told that is not taken, whatever is wrong with it."""
    return NotPermittedError("the certificate is not accepted")


def _given(
    one: CertifiedAnswer, certificate: Certificate, given: Mapping[str, GivenAnswer]
) -> GivenAnswer:
    known = given.get(one.query_digest.hex())
    if known is None or (known.ended_index, known.ended_digest, known.agreement_id) != (
        one.log_index,
        one.entry_digest,
        certificate.agreement_id,
    ):
        raise not_accepted()
    return known
