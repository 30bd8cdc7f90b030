"""Turns what a family allowed into the body for one audience, and reads a body strictly."""

import datetime as dt
from functools import lru_cache
from typing import Final

from homeroom.api.common.v1 import query_pb2
from homeroom.api.consent.v1 import consent_body_pb2 as pb
from homeroom.consent_terms import (
    Authentication,
    ConsentTerms,
    IdentityClaim,
    OpenedConsent,
    require_whole,
)
from homeroom.errors import EvidenceInvalidError, HomeroomError
from homeroom.question import Period, day_of, elements_named
from homeroom.vocabulary import ConsentForm, SignerRelation

_REMEMBERED_TERMS = 1_024
_OWN_TO_EACH: Final = (
    "consent_id",
    "recorder",
    "recipients",
    "link_code",
    "claim",
    "scan_digest",
    "reference",
)
"""What a body says beside its terms."""


def body_of(consent: OpenedConsent, audience: str, said: pb.ConsentBody) -> pb.ConsentBody:
    """The body for one audience: the student's name and the signer's are for the holder alone.

    Args:
        consent: all of it.
        audience: whom the body is for.
        said: what `terms_body` says of the consent's terms; thousands of consents share theirs.
    """
    body = pb.ConsentBody()
    body.CopyFrom(said)
    body.consent_id, body.recorder = consent.consent_id, consent.recorder
    body.recipients.extend(_recipients(consent, audience))
    body.scan_digest = consent.scan_digest
    if audience == consent.recorder:
        body.reference = consent.reference
    if audience == consent.terms.holder:
        body.signer.name, body.signer.rights_evidence = consent.signer_name, consent.rights_evidence
        if consent.claim is None:
            body.link_code = consent.link_code
        else:
            body.claim.CopyFrom(_claim_message(consent.claim))
    return body


def consent_of(body: pb.ConsentBody, audience: str) -> OpenedConsent:
    """What a body says to an audience.

    Raises:
        EvidenceInvalidError: if it says less or more than a body for this audience does.
    """
    try:
        opened = _opened(body)
        if audience == opened.terms.holder:
            return _require_no_reference(require_whole(opened))
    except (HomeroomError, ValueError, OverflowError) as wrong:
        raise EvidenceInvalidError("a consent's body is not well formed") from wrong
    _require_others(opened, audience)
    return opened


def _recipients(consent: OpenedConsent, audience: str) -> list[pb.Recipient]:
    whole = audience == consent.terms.holder
    return [
        pb.Recipient(
            organization_id=recipient,
            subject_ref=subject_ref if whole or recipient == audience else "",
            known=whole and consent.knows_student and recipient == consent.recorder,
        )
        for recipient, subject_ref in consent.subject_refs.items()
        if whole or audience in {recipient, consent.recorder}
    ]


def terms_body(terms: ConsentTerms) -> pb.ConsentBody:
    """A body that says the terms alone."""
    body = pb.ConsentBody(
        holder=terms.holder,
        agreement_id=terms.agreement_id,
        signer=pb.Signer(relation=terms.signer_relation),
    )
    body.elements.extend(terms.elements)
    body.purposes.extend(terms.purposes)
    body.form = terms.form
    body.sign_date = terms.sign_date.isoformat()
    body.start_date, body.end_date = terms.start_date.isoformat(), terms.end_date.isoformat()
    body.classes.extend(terms.classes)
    body.all_education_records = terms.all_education_records
    if terms.record_period is not None:
        body.record_period.start_date = terms.record_period.start_date.isoformat()
        body.record_period.end_date = terms.record_period.end_date.isoformat()
    if terms.authentication is not None:
        body.authentication.CopyFrom(_authentication_message(terms.authentication))
    body.form_version, body.language = terms.form_version, terms.language
    body.form_text_digest = terms.form_text_digest
    body.specific_elements.extend(terms.specific_elements)
    body.copy_requested_by_parent = terms.copy_requested_by_parent
    body.copy_to_minor_student = terms.copy_to_minor_student
    body.not_required_for_service = terms.not_required_for_service
    return body


def _opened(body: pb.ConsentBody) -> OpenedConsent:
    refs = {recipient.organization_id: recipient.subject_ref for recipient in body.recipients}
    if len(refs) != len(body.recipients):
        raise EvidenceInvalidError("a consent names each recipient once")
    return OpenedConsent(
        consent_id=body.consent_id,
        recorder=body.recorder,
        terms=_terms_of(body),
        link_code=body.link_code,
        claim=_claim(body.claim) if body.HasField("claim") else None,
        subject_refs=refs,
        knows_student=_knows_student(body),
        signer_name=body.signer.name,
        rights_evidence=body.signer.rights_evidence,
        scan_digest=body.scan_digest,
        reference=body.reference,
    )


def _knows_student(body: pb.ConsentBody) -> bool:
    known = [recipient.organization_id for recipient in body.recipients if recipient.known]
    if known not in ([], [body.recorder]):
        raise EvidenceInvalidError("only a recorder says that it knows the student")
    return bool(known)


def _terms_of(body: pb.ConsentBody) -> ConsentTerms:
    """The terms of a body: most forms of a day say them alike, so they are read once."""
    said = pb.ConsentBody()
    said.CopyFrom(body)
    for name in _OWN_TO_EACH:
        said.ClearField(name)
    said.signer.ClearField("name")
    said.signer.ClearField("rights_evidence")
    return _terms(said.SerializeToString(deterministic=True))


@lru_cache(maxsize=_REMEMBERED_TERMS)
def _terms(said: bytes) -> ConsentTerms:
    body = pb.ConsentBody.FromString(said)
    return ConsentTerms(
        holder=body.holder,
        agreement_id=body.agreement_id,
        elements=elements_named(body.elements),
        purposes=tuple(body.purposes),
        signer_relation=SignerRelation(body.signer.relation),
        form=ConsentForm(body.form),
        sign_date=day_of(body.sign_date, "sign_date"),
        start_date=day_of(body.start_date, "start_date"),
        end_date=day_of(body.end_date, "end_date"),
        all_education_records=body.all_education_records,
        record_period=_period(body.record_period) if body.HasField("record_period") else None,
        classes=tuple(body.classes),
        authentication=(
            _authentication(body.authentication) if body.HasField("authentication") else None
        ),
        form_version=body.form_version,
        language=body.language,
        form_text_digest=body.form_text_digest,
        specific_elements=elements_named(body.specific_elements),
        copy_requested_by_parent=body.copy_requested_by_parent,
        copy_to_minor_student=body.copy_to_minor_student,
        not_required_for_service=body.not_required_for_service,
    )


def _period(message: query_pb2.Period) -> Period:
    return Period(
        day_of(message.start_date, "record_period"), day_of(message.end_date, "record_period")
    )


def _claim(message: pb.IdentityClaim) -> IdentityClaim:
    return IdentityClaim(
        given_name=message.given_name,
        middle_name=message.middle_name,
        family_name=message.family_name,
        birth_date=day_of(message.birth_date, "claim") if message.birth_date else None,
        sex=message.sex,
        school_id=message.school_id,
        local_id=message.local_id,
        phone=message.phone,
        address=message.address,
        zip=message.zip,
    )


def _claim_message(claim: IdentityClaim) -> pb.IdentityClaim:
    return pb.IdentityClaim(
        given_name=claim.given_name,
        middle_name=claim.middle_name,
        family_name=claim.family_name,
        birth_date=claim.birth_date.isoformat() if claim.birth_date else "",
        sex=claim.sex,
        school_id=claim.school_id,
        local_id=claim.local_id,
        phone=claim.phone,
        address=claim.address,
        zip=claim.zip,
    )


def _authentication(message: pb.Authentication) -> Authentication:
    if not message.HasField("authenticate_time"):
        raise EvidenceInvalidError("an authentication says when it was")
    return Authentication(
        method=message.method,
        level=message.level,
        evidence_digest=message.evidence_digest,
        time=message.authenticate_time.ToDatetime(dt.UTC),
    )


def _authentication_message(authentication: Authentication) -> pb.Authentication:
    message = pb.Authentication(
        method=authentication.method,
        level=authentication.level,
        evidence_digest=authentication.evidence_digest,
    )
    message.authenticate_time.FromDatetime(authentication.time)
    return message


def _require_no_reference(opened: OpenedConsent) -> OpenedConsent:
    if opened.reference and opened.recorder != opened.terms.holder:
        raise EvidenceInvalidError("the recorder's reference is its own")
    return opened


def _require_others(opened: OpenedConsent, audience: str) -> None:
    """Refuses a body that tells the recorder or a recipient what is for others."""
    if audience != opened.recorder:
        _require_no_reference(opened)
    if opened.link_code or opened.claim or opened.signer_name or opened.rights_evidence:
        raise EvidenceInvalidError("only the holder's body names a person")
    named = {name: ref for name, ref in opened.subject_refs.items() if ref}
    if named.keys() != opened.subject_refs.keys() & {audience}:
        raise EvidenceInvalidError("a body names the student to its reader alone")
    if audience != opened.recorder and named.keys() != opened.subject_refs.keys():
        raise EvidenceInvalidError("a recipient's body names its reader alone")
    if audience != opened.recorder and not named:
        raise EvidenceInvalidError("a recipient's body names its reader")
