"""Lists what an organization must destroy of what it was told by when, and certifies it."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.gateway.v1 import destruction_service_pb2 as pb
from homeroom.api.node.v1 import destruction_service_pb2 as node_pb
from homeroom.clock import utc_now
from homeroom.consent_listing import ConsentListing, ListedConsent
from homeroom.destruction.certificate import (
    MOST_ANSWERS,
    Certificate,
    CertificateReceipt,
    CertifiedAnswer,
    KeptBecause,
    Method,
)
from homeroom.destruction.certificate_wire import open_receipt, seal_certificate, sign_certificate
from homeroom.destruction.owed import Owed, OwedList, RevokedConsent, owed_of
from homeroom.errors import HomeroomError, NotPermittedError, RequestInvalidError
from homeroom.evidence import decode
from homeroom.federation import FederationState
from homeroom.profile import required
from homeroom.session import Session, call, in_turn

_ID_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroyed:
    """What a person says that was done with some answers.

    Attributes:
        on: the last day on which something of it was destroyed.
        role: that person's; the certificate names no person.
        kept: by a question's digest, why its answer was kept.
    """

    method: Method
    on: dt.date
    role: str
    kept: Mapping[bytes, KeptBecause] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SentCertification:
    """What became of one certificate.

    Attributes:
        receipt: the holder's; None if it did not take it.
        failure: why not; empty if it did.
        not_noted: why the log of the organization's own node does not tell of it; empty if it does,
            or where the profile names no node.
    """

    certificate: Certificate
    receipt: CertificateReceipt | None = None
    failure: str = ""
    not_noted: str = ""


async def owed_by(session: Session) -> OwedList:
    """What the profile's organization has to destroy, the most pressing first.

    Revoked consents count where the profile names a consent service.

    Raises:
        RequestInvalidError: if the profile keeps no receipts.
        HomeroomError: if the registry or the consent service cannot be asked.
    """
    files = required(session.receipts, "receipts")
    state = await session.registry_view.state(session.seen.registry)
    revoked: Collection[RevokedConsent] = ()
    if session.profile.consent is not None:
        listed = ConsentListing(session).all()
        own = session.organization_id
        revoked = [read async for one in listed if (read := _revoked(one, own)) is not None]
    return await asyncio.to_thread(
        lambda: owed_of(files.kept(), state, session.organization_id, revoked)
    )


async def certify(
    session: Session, chosen: Sequence[Owed], destroyed: Destroyed
) -> Sequence[SentCertification]:
    """Certifies to each holder what was destroyed of its answers; destroys nothing itself.

    What a holder does not take is told and nothing of it is noted: certify it again.

    Raises:
        RequestInvalidError: if the profile keeps no receipts, or something was received after the
            day of destruction.
        HomeroomError: if the registry cannot be asked.
    """
    files = required(session.receipts, "receipts")
    if any(one.received_on > destroyed.on for one in chosen):
        raise RequestInvalidError("an answer was received after that day", field="on")
    state = await session.registry_view.state(session.seen.registry)
    sent: list[SentCertification] = []
    for certificate in _certificates(session.organization_id, chosen, destroyed):
        try:
            evidence, receipt, proof = await _deliver(session, state, certificate)
        except HomeroomError as failure:
            sent.append(SentCertification(certificate, failure=str(failure.reason)))
            continue
        files.keep_certificate(certificate.holder, evidence.SerializeToString(), proof)
        why_not = await _note_at_home(session, certificate.certificate_id, evidence, proof)
        sent.append(SentCertification(certificate, receipt, not_noted=why_not))
    return sent


def _certificates(
    recipient: str, chosen: Sequence[Owed], destroyed: Destroyed
) -> Iterator[Certificate]:
    """A certificate for each holder and agreement, several where there are too many answers."""
    whole = {(one.holder, one.query_digest) for one in chosen if not one.consent_id}
    together: dict[tuple[str, str], list[CertifiedAnswer]] = {}
    for one in chosen:
        if not one.consent_id or (one.holder, one.query_digest) not in whole:
            group = together.setdefault((one.holder, one.agreement_id), [])
            group.append(_certified(one, destroyed))
    for (holder, agreement_id), answers in sorted(together.items()):
        for start in range(0, len(answers), MOST_ANSWERS):
            yield Certificate(
                certificate_id=secrets.token_hex(_ID_BYTES),
                recipient=recipient,
                holder=holder,
                agreement_id=agreement_id,
                method=destroyed.method,
                destroyed_on=destroyed.on,
                role=destroyed.role,
                answers=tuple(answers[start : start + MOST_ANSWERS]),
                certified_at=utc_now(),
            )


def _certified(one: Owed, destroyed: Destroyed) -> CertifiedAnswer:
    return CertifiedAnswer(
        one.query_digest,
        one.log_index,
        one.entry_digest,
        one.consent_id,
        destroyed.kept.get(one.query_digest),
    )


async def _deliver(
    session: Session, state: FederationState, certificate: Certificate
) -> tuple[evidence_pb2.SignedStatement, CertificateReceipt, bytes]:
    """The certificate as it was signed, the holder's receipt, and the evidence of that."""
    holder = state.organizations.get(certificate.holder)
    if holder is None:
        raise NotPermittedError("no such holder is known here")
    evidence = sign_certificate(certificate, session.signing_key)
    own, to = session.organization_id, certificate.holder
    request = pb.CertifyDestructionRequest(
        holder=to,
        sealed_certificate=seal_certificate(evidence, own, to, holder.sealing_key),
        request_id=certificate.certificate_id,
    )
    response = await in_turn(lambda: call(session.destructions.CertifyDestruction, request))
    receipt, proof = open_receipt(
        response.sealed_receipt, evidence.statement, to, holder.signing_key, session.sealing_key
    )
    return evidence, receipt, proof


async def _note_at_home(
    session: Session, request_id: str, evidence: evidence_pb2.SignedStatement, proof: bytes
) -> str:
    """Has the organization's own node write it into its log, if it runs one; else why not."""
    if session.profile.node is None:
        return ""
    request = node_pb.NoteCertifiedRequest(
        certificate=evidence,
        receipt=decode(evidence_pb2.SignedStatement, proof),
        request_id=request_id,
    )
    try:
        await call(session.own_destructions.NoteCertified, request)
    except HomeroomError as failure:
        return str(failure.reason)
    return ""


def _revoked(consent: ListedConsent, own: str) -> RevokedConsent | None:
    """A consent that was revoked and may have let this organization receive."""
    if consent.revoke_time is None or consent.holder == own:
        return None
    if consent.opened is None:
        # What it says cannot be read here: it may be about anything of its holder's.
        return RevokedConsent(consent.consent_id, consent.holder, consent.revoke_time)
    terms = consent.opened.terms
    if own not in consent.opened.recipients and not terms.classes:
        return None
    return RevokedConsent(
        consent.consent_id,
        consent.holder,
        consent.revoke_time,
        terms.agreement_id,
        terms.purposes,
        terms.start_date,
    )
