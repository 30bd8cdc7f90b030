"""What a consent allows at the node that holds the records: grants, or the reason it allows none.

A grant is one student, one element, one recipient and one purpose, from one instant to another.
Consents become grants when they arrive, so that a query joins instead of deciding.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.vocabulary import ConsentForm, Element, SignerRelation

_PARENTS = frozenset(
    {SignerRelation.PARENT, SignerRelation.GUARDIAN, SignerRelation.ACTING_AS_PARENT}
)
_ADULT_YEARS = 18


class ConsentProblem(StrEnum):
    """Why a consent that arrived allows nothing here; told to the organization's own steward."""

    EVIDENCE_INVALID = "evidence_invalid"
    RECORDER_NOT_A_PARTY = "recorder_not_a_party"
    LINK_CODE_UNKNOWN = "link_code_unknown"
    BIRTH_DATE_UNKNOWN = "birth_date_unknown"
    CONSENT_FORM_INVALID = "consent_form_invalid"
    CONSENT_SIGNER_NOT_ENTITLED = "consent_signer_not_entitled"


@dataclass(frozen=True, slots=True)
class Student:
    """What deciding about a consent needs of a student."""

    student_key: int
    birth_date: dt.date | None


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission: valid from the first instant up to, and not at, the last."""

    student_key: int
    element: Element
    recipient: str
    purpose: str
    subject_ref: str
    valid_from: dt.datetime
    valid_to: dt.datetime


def problem_of(terms: ConsentTerms, student: Student | None) -> ConsentProblem | None:
    """Why these terms allow nothing for the student their link code names; None if they do."""
    if student is None:
        return ConsentProblem.LINK_CODE_UNKNOWN
    if student.birth_date is None or student.birth_date > terms.sign_date:
        # Nobody signs for a student who is not born: then the date in the records is wrong.
        return ConsentProblem.BIRTH_DATE_UNKNOWN
    if terms.form is ConsentForm.ORAL or terms.sign_date > terms.end_date:
        return ConsentProblem.CONSENT_FORM_INVALID
    if not _signer_entitled(terms, eighteenth_birthday(student.birth_date)):
        return ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED
    return None


def grants_of(consent: OpenedConsent, student: Student) -> Sequence[Grant]:
    """The grants of a consent without a problem; none if its time is empty."""
    return list(_grants(consent, student))


def eighteenth_birthday(birth_date: dt.date) -> dt.date:
    """The day on which FERPA's rights move to the student (34 CFR 99.5(a)(1)).

    Whoever was born on 29 February comes of age on 1 March in a common year.
    """
    # Some sources write 9999 for a date that they lack.
    year = min(birth_date.year + _ADULT_YEARS, dt.MAXYEAR)
    try:
        return birth_date.replace(year=year)
    except ValueError:
        return dt.date(year, 3, 1)


def _signer_entitled(terms: ConsentTerms, of_age: dt.date) -> bool:
    if terms.signer_relation in _PARENTS:
        return terms.sign_date < of_age
    return terms.signer_relation is SignerRelation.ELIGIBLE_STUDENT and terms.sign_date >= of_age


def _grants(consent: OpenedConsent, student: Student) -> Iterator[Grant]:
    terms = consent.terms
    if student.birth_date is None:
        return
    valid_from = _start_of(max(terms.start_date, terms.sign_date))
    valid_to = _end_of(terms.end_date)
    if terms.signer_relation in _PARENTS:
        # A parent's consent stops serving when the rights move to the student.
        valid_to = min(valid_to, _start_of(eighteenth_birthday(student.birth_date)))
    if valid_from >= valid_to:
        return
    for recipient, subject_ref in consent.subject_refs.items():
        for purpose in terms.purposes:
            for element in terms.elements:
                yield Grant(
                    student.student_key,
                    element,
                    recipient,
                    purpose,
                    subject_ref,
                    valid_from,
                    valid_to,
                )


def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _end_of(day: dt.date) -> dt.datetime:
    """The first instant after a day; the last day there is has none."""
    if day == dt.date.max:
        return dt.datetime.max.replace(microsecond=0, tzinfo=dt.UTC)
    return _start_of(day + dt.timedelta(days=1))
