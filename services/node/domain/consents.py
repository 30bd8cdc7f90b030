"""What a consent allows at the node that holds the records: grants, or the reason it allows none.

A grant is for one student, one recipient and one purpose: some elements, from one instant to
another. Consents become grants when they arrive, so that a query joins instead of deciding.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.question import Period
from homeroom.vocabulary import Element, SignerRelation
from services.node.domain.consent_check import Checked, CheckedPaper
from services.node.domain.consent_forms import recipients_of

_ADULT_YEARS = 18


class AgeRule(IntEnum):
    """How a student's age decides, at each instant, whether a grant still counts."""

    NONE = 0  # a student in postsecondary education signed
    MINOR = 1  # a parent signed: until the 18th birthday
    OF_AGE = 2  # a student of age signed


@dataclass(frozen=True, slots=True)
class Student:
    """What deciding about a consent needs of a student.

    Attributes:
        postsecondary_from: the first day in postsecondary education, if there is one.
        limited, entitled: the persons whose rights a court has ended, and those whom the holder's
            staff has noted as entitled in spite of a name that is alike.
    """

    student_key: int
    birth_date: dt.date | None
    postsecondary_from: dt.date | None = None
    limited: tuple[str, ...] = ()
    entitled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """One permission: valid from the first instant up to, and not at, the last.

    Attributes:
        recipient: an organization, or a class of them as `class:name`.
        agreement_id: the agreement under which it counts; empty for each.
        record_period: the days that the records are about; None means every day.
        named: those of the elements that the consent names, beside any general release.
    """

    student_key: int
    recipient: str
    purpose: str
    elements: frozenset[Element]
    valid_from: dt.datetime
    valid_to: dt.datetime
    age_rule: AgeRule
    agreement_id: str = ""
    record_period: Period | None = None
    named: frozenset[Element] = frozenset()


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A part of a consent that was taken back.

    Attributes:
        elements: empty means every element; recipients: empty means every recipient.
    """

    elements: frozenset[Element]
    recipients: frozenset[str]

    @property
    def whole(self) -> bool:
        return not self.elements and not self.recipients


def grants_of(
    consent: OpenedConsent, student: Student, checked: Checked, paper: CheckedPaper
) -> Sequence[Grant]:
    """The grants of a consent without a problem; none if its time is empty."""
    terms = consent.terms
    elements = checked.released(terms)
    valid_from, valid_to = _start_of(paper.first_day), _end_of(paper.last_day)
    named = frozenset((*terms.elements, *terms.specific_elements))
    rule = _age_rule(terms, student)
    if rule is AgeRule.MINOR and student.birth_date is not None:
        # A parent's consent stops serving when the rights move to the student.
        valid_to = min(valid_to, _start_of(eighteenth_birthday(student.birth_date)))
    if valid_from >= valid_to or not elements:
        return ()
    return [
        Grant(
            student.student_key,
            recipient,
            purpose,
            elements,
            valid_from,
            valid_to,
            rule,
            terms.agreement_id,
            terms.record_period,
            elements & named,
        )
        for recipient in recipients_of(consent)
        for purpose in terms.purposes
    ]


def narrowed(grants: Iterable[Grant], withdrawn: Iterable[Withdrawn]) -> Sequence[Grant]:
    """What is left of grants once parts of their consent were taken back."""
    parts = list(withdrawn)
    if not parts:
        return list(grants)
    return [left for grant in grants for left in _narrowed(grant, parts)]


def last_date_of(grants: Iterable[Grant]) -> dt.date | None:
    """The last day on which any of them counts."""
    ends = [grant.valid_to for grant in grants]
    return (max(ends) - dt.timedelta(seconds=1)).date() if ends else None


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


def adults_born_by(day: dt.date) -> dt.date:
    """The latest birth date of those who are of age on a day."""
    return born_by(day, _ADULT_YEARS)


def born_by(day: dt.date, years: int) -> dt.date:
    """The latest birth date of those who have some years on a day."""
    year = max(day.year - years, dt.MINYEAR)
    try:
        return day.replace(year=year)
    except ValueError:
        return dt.date(year, 2, 28)


def _age_rule(terms: ConsentTerms, student: Student) -> AgeRule:
    if terms.signer_relation is not SignerRelation.ELIGIBLE_STUDENT:
        return AgeRule.MINOR
    moved = student.postsecondary_from
    return AgeRule.NONE if moved is not None and moved <= terms.sign_date else AgeRule.OF_AGE


def _narrowed(grant: Grant, withdrawn: Sequence[Withdrawn]) -> Iterator[Grant]:
    left = grant.elements
    for part in withdrawn:
        if not part.recipients or grant.recipient in part.recipients:
            left -= part.elements or left
    if left:
        yield replace(grant, elements=left)


@lru_cache(maxsize=4_096)
def _start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _end_of(day: dt.date) -> dt.datetime:
    """The first instant after a day; the last day there is has none."""
    if day == dt.date.max:
        return dt.datetime.max.replace(microsecond=0, tzinfo=dt.UTC)
    return _start_of(day + dt.timedelta(days=1))
