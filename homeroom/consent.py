"""Makes the bodies of a consent, each sealed to one organization, and opens them again.

The holder's body names the student by the link code of the form; a recipient's body only by the
subject_ref that this recipient alone knows. The recorder signs every body before it is sealed, so
that the service in between can neither read nor invent one.
"""

import re
import secrets
from collections.abc import Mapping

from google.protobuf.unknown_fields import UnknownFieldSet

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import EvidenceInvalidError, HomeroomError, RequestInvalidError
from homeroom.evidence import check_signed_by, decode, signed
from homeroom.identity import require_organization_id
from homeroom.question import day_of, elements_named
from homeroom.sealing import SealingKey, seal
from homeroom.signing import Domain, SigningKey
from homeroom.vocabulary import ConsentForm, SignerRelation

MAX_RECIPIENTS = 100
_CONSENT_ID = re.compile(r"[0-9a-f]{32}")
_MAX_LINK_CODE_BYTES = 64


def new_subject_ref() -> str:
    """A name for a student that nothing can be derived from."""
    return secrets.token_hex(16)


def make_consent(
    consent: OpenedConsent, signing_key: SigningKey, sealing_keys: Mapping[str, bytes]
) -> pb.Consent:
    """The consent as the service keeps it: one sealed body for the holder and each recipient.

    Args:
        consent: all of it, as the recorder knows it.
        signing_key: the recorder's.
        sealing_keys: the public keys of the holder and of every recipient, each already checked
            against the agreement.

    Raises:
        RequestInvalidError: if it is not well formed, or a key is missing.
    """
    _require_whole(consent)
    message = pb.Consent(
        consent_id=consent.consent_id,
        recorder=consent.recorder,
        holder=consent.terms.holder,
        state=pb.CONSENT_STATE_ACTIVE,
    )
    for audience in dict.fromkeys((consent.terms.holder, *consent.subject_refs)):
        if audience not in sealing_keys:
            raise RequestInvalidError("a reader's sealing key is not known", audience=audience)
        body = _body(consent, audience).SerializeToString(deterministic=True)
        statement = signed(Domain.CONSENT, body, consent.recorder, signing_key)
        message.bodies.add(
            organization_id=audience,
            sealed_statement=seal(
                statement.SerializeToString(),
                sealing_keys[audience],
                _context(consent.consent_id, audience),
            ),
        )
    return message


def open_body(
    consent: pb.Consent, organization_id: str, key: SealingKey
) -> evidence_pb2.SignedStatement:
    """Opens the body that is sealed to one organization; the signature is not yet checked.

    Raises:
        EvidenceInvalidError: if there is none, or it was not sealed to this key.
    """
    for body in consent.bodies:
        if body.organization_id == organization_id:
            context = _context(consent.consent_id, organization_id)
            return decode(evidence_pb2.SignedStatement, key.open(body.sealed_statement, context))
    raise EvidenceInvalidError("the consent has no body for this organization")


def read_body(
    consent: pb.Consent,
    statement: evidence_pb2.SignedStatement,
    organization_id: str,
    recorder_key: bytes,
) -> OpenedConsent:
    """Checks a body against the recorder's key and the consent around it, and reads it strictly.

    Args:
        consent: the consent as the service keeps it.
        statement: what `open_body` returned.
        organization_id: whose body it is.
        recorder_key: the public signing key of the organization that recorded it.

    Raises:
        EvidenceInvalidError: if it is not exactly what the recorder signed for this organization.
    """
    body_bytes = check_signed_by(Domain.CONSENT, statement, consent.recorder, recorder_key)
    body = decode(pb.ConsentBody, body_bytes)
    outside = (consent.consent_id, consent.recorder, consent.holder)
    if (body.consent_id, body.recorder, body.holder) != outside or len(UnknownFieldSet(body)):
        raise EvidenceInvalidError("a consent's body is not the one that its cover names")
    try:
        opened = _opened(body)
        _require_audience(opened, organization_id)
    except EvidenceInvalidError:
        raise
    except HomeroomError as wrong:
        raise EvidenceInvalidError("a consent's body is not well formed") from wrong
    return opened


def _opened(body: pb.ConsentBody) -> OpenedConsent:
    refs = {recipient.organization_id: recipient.subject_ref for recipient in body.recipients}
    if len(refs) != len(body.recipients) or not all(refs.values()):
        raise EvidenceInvalidError("a consent names each recipient once")
    try:
        relation, form = SignerRelation(body.signer_relation), ConsentForm(body.form)
    except ValueError:
        raise EvidenceInvalidError("a consent's words are not of the vocabulary") from None
    return OpenedConsent(
        consent_id=body.consent_id,
        recorder=body.recorder,
        terms=ConsentTerms(
            holder=body.holder,
            agreement_id=body.agreement_id,
            elements=elements_named(body.elements),
            purposes=tuple(body.purposes),
            signer_relation=relation,
            form=form,
            sign_date=day_of(body.sign_date, "sign_date"),
            start_date=day_of(body.start_date, "start_date"),
            end_date=day_of(body.end_date, "end_date"),
        ),
        link_code=body.link_code,
        subject_refs=refs,
    )


def _require_audience(opened: OpenedConsent, organization_id: str) -> None:
    if organization_id == opened.terms.holder:
        if not opened.link_code or not opened.subject_refs:
            raise EvidenceInvalidError("the holder's body names a student and a recipient")
    elif opened.link_code or set(opened.subject_refs) != {organization_id}:
        raise EvidenceInvalidError("a recipient's body names its reader alone")


def _require_whole(consent: OpenedConsent) -> None:
    if not _CONSENT_ID.fullmatch(consent.consent_id):
        raise RequestInvalidError("a consent id is 32 hexadecimal digits", field="consent_id")
    if not 1 <= len(consent.link_code) <= _MAX_LINK_CODE_BYTES:
        raise RequestInvalidError("a link code has 1 to 64 bytes", field="link_code")
    if not 1 <= len(consent.subject_refs) <= MAX_RECIPIENTS:
        raise RequestInvalidError("a consent names 1 to 100 recipients", field="recipients")
    if consent.terms.holder in consent.subject_refs:
        raise RequestInvalidError("the holder needs no consent to itself", field="recipients")
    for recipient in consent.subject_refs:
        require_organization_id(recipient)


def _body(consent: OpenedConsent, audience: str) -> pb.ConsentBody:
    terms = consent.terms
    for_holder = audience == terms.holder
    refs = consent.subject_refs if for_holder else {audience: consent.subject_refs[audience]}
    return pb.ConsentBody(
        consent_id=consent.consent_id,
        recorder=consent.recorder,
        holder=terms.holder,
        agreement_id=terms.agreement_id,
        link_code=consent.link_code if for_holder else b"",
        recipients=[
            pb.Recipient(organization_id=name, subject_ref=ref) for name, ref in refs.items()
        ],
        elements=terms.elements,
        purposes=terms.purposes,
        signer_relation=terms.signer_relation,
        form=terms.form,
        sign_date=terms.sign_date.isoformat(),
        start_date=terms.start_date.isoformat(),
        end_date=terms.end_date.isoformat(),
    )


def _context(consent_id: str, organization_id: str) -> bytes:
    return f"homeroom/consent/v1\0{consent_id}\0{organization_id}".encode()
