"""The consents of a case, as their recorder seals them to the holder."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.consent import make_consents
from homeroom.consent_terms import Authentication, ConsentTerms, OpenedConsent
from homeroom.errors import RequestInvalidError
from homeroom.question import Period
from homeroom.signing import Domain, digest_of
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from tools.law.case import Case, Facts, begins, day_of_text, ends, has_come, instant_of
from tools.law.members import CLASS, Members

_ALL = "all_education_records"
_SIGNER = "Signer of the form"


@dataclass(frozen=True, slots=True)
class Collected:
    """What the consent service has for the holder."""

    consents: tuple[pb.Consent, ...]
    revocations: tuple[evidence_pb2.SignedStatement, ...]


def collected(
    case: Case, members: Members, link_codes: Mapping[str, str], names: Mapping[str, str]
) -> Collected:
    """The consents of a case and their revocations, recorded by the holder.

    One that lacks what a form must have, such as a date, is refused where forms are recorded and
    reaches nobody.

    Args:
        case: the case.
        members: its organizations.
        link_codes: the code of each student's form.
        names: for each student the name by which the requester knows them.
    """
    consents: list[pb.Consent] = []
    revocations: list[evidence_pb2.SignedStatement] = []
    for facts in case.facts["consents"]:
        opened = _opened(case, members, facts, link_codes[facts["student"]], names)
        if opened is None:
            continue
        keys = {name: members.of(name).sealing.public for name in opened.audiences}
        consents += make_consents([opened], members.holder.signing, keys)
        if has_come(facts["revoked_at"], case.now):
            revocations.append(_revocation(members, opened.consent_id, facts["revoked_at"]))
    return Collected(tuple(consents), tuple(revocations))


def signer_without_rights(case: Case) -> list[tuple[str, str]]:
    """For each student whose signer a court ended the rights of: the student, and the signer."""
    return [
        (facts["student"], _SIGNER)
        for facts in case.facts["consents"]
        if facts["signer_rights"] != "full"
    ]


def _opened(
    case: Case, members: Members, facts: Facts, link_code: str, names: Mapping[str, str]
) -> OpenedConsent | None:
    if not facts["signed"] or facts["signed_on"] is None:
        return None
    named = [name for name in facts["recipients"] if not name.startswith(CLASS)]
    refs = {
        members.of(name).organization_id: _ref_for(members, name, names[facts["student"]])
        for name in named
        if members.of(name) is not members.holder
    }
    try:
        return OpenedConsent(
            consent_id=secrets.token_hex(16),
            recorder=members.holder.organization_id,
            terms=_terms(case, members, facts),
            link_code=link_code.encode(),
            subject_refs=refs,
            signer_name=_SIGNER,
        )
    except RequestInvalidError:
        return None


def _ref_for(members: Members, recipient: str, name: str) -> str:
    """The requester's own name for the student; any other recipient has another."""
    return name if members.of(recipient) is members.requester else secrets.token_hex(16)


def _terms(case: Case, members: Members, facts: Facts) -> ConsentTerms:
    named = tuple(Element(name) for name in facts["records"] if name != _ALL)
    general = _ALL in facts["records"]
    signed_on = day_of_text(facts["signed_on"])
    electronic = facts["electronic"] or facts["form"] == "electronic"
    form = ConsentForm(facts["form"])
    return ConsentTerms(
        holder=members.holder.organization_id,
        agreement_id="",
        elements=() if general else named,
        specific_elements=named,
        all_education_records=general,
        purposes=tuple(facts["purposes"]),
        signer_relation=SignerRelation(facts["signer_relation"]),
        form=ConsentForm.ELECTRONIC if electronic and form is ConsentForm.WRITTEN else form,
        sign_date=signed_on,
        start_date=max(begins(facts["valid_from"], case.now), signed_on)
        if facts["valid_from"]
        else signed_on,
        end_date=ends(facts["valid_to"], case.now),
        record_period=_period(facts),
        classes=tuple(
            name.removeprefix(CLASS) for name in facts["recipients"] if name.startswith(CLASS)
        ),
        authentication=_authentication(facts) if electronic else None,
    )


def _period(facts: Facts) -> Period | None:
    if facts["records_period"] is None:
        return None
    first, last = facts["records_period"]
    return Period(day_of_text(first), day_of_text(last))


def _authentication(facts: Facts) -> Authentication | None:
    if not facts["signer_authenticated"]:
        return None
    return Authentication(
        method="portal_password",
        level="aal2",
        evidence_digest=digest_of(b"evidence"),
        time=instant_of(str(facts["signed_on"]) + "T00:00:00+00:00"),
    )


def _revocation(members: Members, consent_id: str, revoked_at: str) -> evidence_pb2.SignedStatement:
    revocation = pb.Revocation(
        consent_id=consent_id, organization_id=members.holder.organization_id
    )
    revocation.revoke_time.FromDatetime(instant_of(revoked_at))
    statement = revocation.SerializeToString(deterministic=True)
    return members.holder.signs(Domain.REVOCATION, statement)
