"""The words in which people read a document: labels of fields, names of codes, days and clauses.

The rendering and the differences use the same words, so that what changed is found where it stands.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from homeroom.vocabulary import Element

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip

_ELEMENTS = {
    Element.SSN: "social security number",
    Element.RACE_ETHNICITY: "race and ethnicity",
    Element.EL_STATUS: "English learner status",
    Element.SPED_STATUS: "special education status",
    Element.FREE_REDUCED_LUNCH_STATUS: "free or reduced-price lunch status",
    Element.GPA: "grade point average",
    Element.IEP: "individualized education program",
    Element.SPED_EVALUATION: "special education evaluation",
    Element.HONORS_AWARDS: "honors and awards",
    Element.ACTIVITIES_SPORTS: "activities and sports",
    Element.HEALTH_IMMUNIZATION: "immunizations",
    Element.LAW_ENFORCEMENT_UNIT_RECORD: "record of a law enforcement unit",
    Element.TEACHER_PRIVATE_NOTES: "private notes of a teacher",
}

_CODES = {
    "consented_sharing": "sharing with the consent of families",
    "study": "study for or on behalf of a school",
    "audit": "audit or evaluation",
    "service": "service of a school official",
    "transfer_mou": "memorandum on records that move with a student",
    "consent": "written consent (34 CFR 99.30)",
    "school_official": "school official (34 CFR 99.31(a)(1))",
    "transfer": "transfer (34 CFR 99.31(a)(2), 99.34)",
    "audit_evaluation": "audit or evaluation (34 CFR 99.31(a)(3), 99.35)",
    "studies": "studies (34 CFR 99.31(a)(6))",
    "judicial_order": "judicial order (34 CFR 99.31(a)(9))",
    "emergency": "health or safety emergency (34 CFR 99.31(a)(10), 99.36)",
    "directory_information": "directory information (34 CFR 99.31(a)(11), 99.37)",
    "child_welfare": "child welfare agency (20 USC 1232g(b)(1)(L))",
    "parent_or_student_access": "access by parent or student (34 CFR 99.10)",
    "deidentified": "de-identified (34 CFR 99.31(b))",
    "aggregate": "counts and rates about groups",
    "partner_record": "a partner's own record",
    "student": "rows about students",
    "deidentified_student": "rows about students who cannot be identified",
    "discloser": "discloses",
    "recipient": "receives",
    "both": "discloses and receives",
    "own_part": "its own part",
    "whole": "the whole agreement",
    "improve_instruction": "to improve instruction",
    "predictive_tests": "to develop, validate or administer predictive tests",
    "student_aid": "to administer student aid programs",
    "other": "another aim",
    "federal": "the Federal government",
    "state": "a State",
    "federal_and_state": "the Federal government and a State",
    "none": "neither the Federal government nor a State",
    "destroy": "it is destroyed",
    "return": "it is returned",
    "keep_until_deadline": "it is kept until the deadline",
    "annual_notice": "by the annual notice",
    "before_each_transfer": "before each transfer",
    "family_initiated": "none is needed, for the family asks for the transfer",
    "all": "all schools",
}


@dataclass(frozen=True, slots=True)
class ClauseWords:
    """How one clause is introduced: its heading, what it says in general, and whose rule it is."""

    heading: str
    sentence: str
    citation: str


CLAUSES: dict[str, ClauseWords] = {
    "study": ClauseWords(
        "Study",
        "The data is disclosed for a study that is made for or on behalf of the party named here.",
        "34 CFR 99.31(a)(6)",
    ),
    "audit": ClauseWords(
        "Audit or evaluation",
        "The party named here is designated as authorized representative of the authority, to "
        "carry out an audit or evaluation of the program.",
        "34 CFR 99.31(a)(3), 99.35(a)",
    ),
    "direct_control": ClauseWords(
        "Direct control",
        "The recipient performs a service for which the school would otherwise use its own people, "
        "under the school's direct control.",
        "34 CFR 99.31(a)(1)(i)(B)",
    ),
    "transfer": ClauseWords(
        "Notice of transfers",
        "Families are told that records move with the student, and have what the law gives them.",
        "34 CFR 99.34",
    ),
    "use_only_for_purpose": ClauseWords(
        "Use only for the purpose",
        "Data is used for the purposes of the schedules and for nothing else.",
        "34 CFR 99.31(a)(6)(iii)(C)(2), 99.33(a)(2)",
    ),
    "no_identification_by_others": ClauseWords(
        "No identification by others",
        "Nobody but those with legitimate interests may identify a student or a parent.",
        "34 CFR 99.31(a)(6)(iii)(C)(3)",
    ),
    "redisclosure": ClauseWords(
        "Passing data on",
        "A recipient passes data on to those who are named here, and to nobody else. Where nobody "
        "is named, it passes nothing on.",
        "34 CFR 99.33(a)-(b), 99.32(b)",
    ),
    "destruction": ClauseWords(
        "Destruction",
        "A recipient destroys what it received, and what it made of it that tells of a student.",
        "34 CFR 99.31(a)(6)(iii)(C)(4), 99.35(a)(3)(iii)-(iv)",
    ),
    "safeguards": ClauseWords(
        "Safeguards",
        "These policies and procedures protect the data.",
        "34 CFR 99.35(a)(3)(v); practice: PTAC",
    ),
    "breach_notice": ClauseWords(
        "Notice of a breach",
        "A party that learns of a breach tells the others without delay.",
        "practice: NDPA",
    ),
    "audit_right": ClauseWords(
        "Right to audit",
        "A discloser may look at how a recipient keeps this agreement.",
        "practice: PTAC, NDPA",
    ),
    "subprocessors": ClauseWords(
        "Subprocessors",
        "Those named here may work on the data for a recipient, under the same duties.",
        "practice: NDPA",
    ),
    "data_location": ClauseWords(
        "Where data is kept", "Data is kept only in these places.", "practice: NDPA"
    ),
    "deidentified_use": ClauseWords(
        "De-identified data",
        "Whether a recipient may use de-identified data for more than the purposes.",
        "34 CFR 99.31(b); practice: NDPA",
    ),
    "no_sale": ClauseWords(
        "No sale and no advertising",
        "Data is neither sold nor used for advertising.",
        "practice: NDPA",
    ),
    "parent_requests": ClauseWords(
        "Requests of families",
        "A family's request to see or correct a record is answered in time.",
        "34 CFR 99.10, 99.20; practice: NDPA",
    ),
    "insurance": ClauseWords("Insurance and liability", "The parties agree:", "practice: NDPA"),
    "governing_law": ClauseWords(
        "Governing law", "This agreement is read by this law.", "practice: NDPA"
    ),
    "governance": ClauseWords(
        "Governance",
        "These people look after the agreement, in this way.",
        "practice: AISP",
    ),
}

LABELS: dict[str, str] = {
    "AgreementDocument.agreement_id": "Agreement",
    "AgreementDocument.version": "Version",
    "AgreementDocument.supersedes": "Supersedes the document with the digest",
    "AgreementDocument.title": "Title",
    "AgreementDocument.preamble": "Preamble",
    "AgreementDocument.kind": "Kind",
    "AgreementDocument.parties": "Parties",
    "AgreementDocument.effective_from": "In effect from",
    "AgreementDocument.effective_to": "In effect to",
    "AgreementDocument.legal_basis": "Legal basis",
    "AgreementDocument.schools": "Schools",
    "AgreementDocument.authorized_roles": "Roles that may ask",
    "AgreementDocument.named_users": "Only these users may ask",
    "AgreementDocument.training_required": "Users are trained first",
    "AgreementDocument.schedules": "Schedules",
    "AgreementDocument.clauses": "Clauses",
    "AgreementDocument.min_cell_size": "Smallest count that is shown",
    "AgreementDocument.publication_review": "Disclosers see what is published first",
    "AgreementDocument.joining": "Joining",
    "AgreementDocument.termination": "Ending",
    "Party.organization_id": "Organization",
    "Party.role": "What it does",
    "Party.signing_key_id": "Signing key",
    "Party.sealing_key_id": "Sealing key",
    "Party.legal_name": "Legal name",
    "Party.signatory": "Signatory",
    "Signatory.name": "Signs for it",
    "Signatory.title": "In the office of",
    "JoiningOffer.kinds": "Kinds of organizations that may join",
    "JoiningOffer.purposes": "Purposes that they may ask for",
    "JoiningOffer.schools": "Schools that they may reach",
    "JoiningOffer.open_until": "Last day to join",
    "Termination.by_one_party": "One party alone may end",
    "Termination.notice_days": "Days of notice it owes the others",
    "Termination.effect": "What happens then",
    "Schedule.purpose": "Purpose",
    "Schedule.text": "What it is",
    "Schedule.activity": "What is done with the data",
    "Schedule.legal_basis": "Legal basis",
    "Schedule.elements": "Elements",
    "Schedule.level": "Level",
    "Schedule.schools": "Schools",
    "Schedule.authorized_roles": "Roles that may ask",
    "Schedule.record_period": "Records about the days",
    "Period.first_day": "From",
    "Period.last_day": "To",
    "Clause.text": "In the parties' words",
    "Study.scope": "Scope",
    "Study.aim": "Aim",
    "Study.on_behalf_of": "On behalf of",
    "Study.ends_on": "The study ends on",
    "Audit.authority": "Authority",
    "Audit.representative": "Authorized representative",
    "Audit.program": "Program",
    "Audit.program_support": "The program is supported by",
    "Audit.purpose": "Purpose of the disclosure",
    "DirectControl.service": "Service",
    "DirectControl.controlled_by": "Controlled by",
    "DirectControl.how": "How",
    "TransferNotice.notice": "Notice is given",
    "TransferNotice.copy_on_request": "A copy on request",
    "TransferNotice.hearing_on_request": "A hearing on request",
    "Redisclosure.to": "May be passed on to",
    "OnwardParty.organization_id": "Organization",
    "OnwardParty.interest": "Interest",
    "OnwardParty.on_behalf_of": "On behalf of",
    "Destruction.when_no_longer_needed": "As soon as it is no longer needed",
    "Destruction.deadline": "At the latest on",
    "Destruction.within_days_of_end": "At the latest so many days after the end",
    "Destruction.method": "Method",
    "Destruction.certificate_within_days": "Certificate within days",
    "Destruction.on_revocation": "When a family withdraws its consent",
    "Safeguards.policies": "Policies",
    "BreachNotice.within_hours": "Within hours",
    "BreachNotice.contacts": "Contacts",
    "Contact.organization_id": "Organization",
    "Contact.name": "Office",
    "Contact.reach": "Reached by",
    "AuditRight.notice_days": "Days of notice",
    "AuditRight.times_a_year": "Times a year",
    "AuditRight.scope": "Scope",
    "Subprocessors.names": "Subprocessors",
    "DataLocation.places": "Places",
    "DeidentifiedUse.allowed": "Allowed",
    "ParentRequests.within_days": "Within days",
    "GoverningLaw.law": "Law",
    "Governance.data_stewards": "Data stewards",
    "Governance.approvals": "Approvals",
    "Governance.review_on": "Reviewed on",
    "Governance.disputes": "Disputes",
    "Provision.heading": "Heading",
    "Provision.text": "Text",
}


_CODED = frozenset(
    {
        "AgreementDocument.kind",
        "AgreementDocument.legal_basis",
        "Party.role",
        "Schedule.legal_basis",
        "Schedule.level",
        "Termination.by_one_party",
        "Study.aim",
        "Audit.program_support",
        "TransferNotice.notice",
        "Destruction.on_revocation",
    }
)


def label(owner: type, field: str) -> str:
    """What people call a field, whichever of its classes declares it."""
    return LABELS[_key(owner, field)]


def field_words(owner: type, field: str, value: Any) -> str:
    """The value of a field, as people read it."""
    if _key(owner, field) in _CODED:
        codes = value if isinstance(value, tuple) else (value,)
        return "; ".join(code_words(code) for code in codes)
    return in_words(value)


def in_words(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, BaseModel):
        said = (getattr(value, field) for field in type(value).model_fields)
        return ", ".join(in_words(one) for one in said if one is not None)
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {in_words(value[name])}" for name in sorted(value)) or "none"
    if isinstance(value, tuple | frozenset):
        return ", ".join(in_words(one) for one in value) or "none"
    return _one_in_words(value)


def _one_in_words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dt.date):
        return f"{_MONTHS[value.month - 1]} {value.day}, {value.year}"
    return element_words(value) if isinstance(value, Element) else str(value)


def code_words(code: str) -> str:
    """A code of the vocabulary, in words and as it is written."""
    return f"{_CODES[code]} [{code}]" if code in _CODES else str(code)


def element_words(element: Element) -> str:
    """An element, in words and by its code."""
    return f"{_ELEMENTS.get(element, element.replace('_', ' '))} [{element}]"


def _key(owner: type, field: str) -> str:
    names = (f"{kind.__name__}.{field}" for kind in owner.__mro__)
    return next(name for name in names if name in LABELS)
