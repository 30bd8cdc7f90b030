"""What a consent allows at the holder: never more than the family signed, and never too long."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consents import (
    ConsentProblem,
    Grant,
    Student,
    eighteenth_birthday,
    grants_of,
    problem_of,
)
from tests import strategies

BIRTH = dt.date(2008, 9, 15)
OF_AGE = dt.date(2026, 9, 15)
DAY = dt.timedelta(days=1)
PARENTS = (SignerRelation.PARENT, SignerRelation.GUARDIAN, SignerRelation.ACTING_AS_PARENT)


def terms(**changed: object) -> ConsentTerms:
    """A parent's consent to two elements, signed before it begins."""
    fields = {
        "holder": "anytown",
        "agreement_id": "A-1",
        "elements": (Element.NAME, Element.DAILY_ATTENDANCE),
        "purposes": ("direct_service",),
        "signer_relation": SignerRelation.PARENT,
        "form": ConsentForm.WRITTEN,
        "sign_date": dt.date(2025, 8, 20),
        "start_date": dt.date(2025, 9, 1),
        "end_date": dt.date(2027, 6, 30),
    } | changed
    return ConsentTerms(**fields)  # type: ignore[arg-type]  # varied by tests


def consent(*recipients: str, **changed: object) -> OpenedConsent:
    refs = {name: f"ref-of-{name}" for name in recipients or ("helpers",)}
    return OpenedConsent(
        consent_id="0" * 32,
        recorder="helpers",
        terms=terms(**changed),
        link_code=b"code",
        subject_refs=refs,
    )


def problem(birth: dt.date | None = BIRTH, /, **changed: object) -> ConsentProblem | None:
    return problem_of(terms(**changed), Student(7, birth))


def span(birth: dt.date = BIRTH, /, **changed: object) -> tuple[dt.datetime, dt.datetime]:
    """From when to when the grants of a consent are valid; all are alike."""
    (times,) = {
        (g.valid_from, g.valid_to) for g in grants_of(consent(**changed), Student(7, birth))
    }
    return times


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


# Who may sign.


@pytest.mark.parametrize("relation", PARENTS)
def test_a_parent_signs_until_the_day_before_the_eighteenth_birthday(
    relation: SignerRelation,
) -> None:
    signed = {"signer_relation": relation, "end_date": dt.date(2028, 1, 1)}

    assert problem(sign_date=OF_AGE - DAY, **signed) is None
    assert problem(sign_date=OF_AGE, **signed) is ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED


def test_a_student_signs_from_the_eighteenth_birthday_on() -> None:
    relation = SignerRelation.ELIGIBLE_STUDENT

    assert problem(sign_date=OF_AGE, signer_relation=relation) is None
    assert (
        problem(sign_date=OF_AGE - DAY, signer_relation=relation)
        is ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED
    )


@pytest.mark.parametrize(
    "relation", [SignerRelation.MINOR_STUDENT, SignerRelation.RELATIVE_NOT_ACTING_AS_PARENT]
)
@pytest.mark.parametrize("sign_date", [dt.date(2025, 8, 20), OF_AGE])
def test_neither_a_minor_nor_a_relative_ever_signs(
    relation: SignerRelation, sign_date: dt.date
) -> None:
    assert (
        problem(signer_relation=relation, sign_date=sign_date)
        is ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED
    )


@pytest.mark.parametrize(
    ("birth", "of_age"),
    [
        (dt.date(2008, 2, 29), dt.date(2026, 3, 1)),  # a common year has no 29 February
        (dt.date(2004, 2, 29), dt.date(2022, 3, 1)),
        (dt.date(2008, 3, 1), dt.date(2026, 3, 1)),
        (dt.date(2008, 2, 28), dt.date(2026, 2, 28)),
    ],
)
def test_who_was_born_on_a_leap_day_comes_of_age_on_the_first_of_march(
    birth: dt.date, of_age: dt.date
) -> None:
    assert eighteenth_birthday(birth) == of_age
    assert problem(birth, sign_date=of_age - DAY) is None
    assert problem(birth, sign_date=of_age) is ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED


# What makes a consent allow nothing.


def test_a_code_that_names_no_student_allows_nothing() -> None:
    assert problem_of(terms(), None) is ConsentProblem.LINK_CODE_UNKNOWN


@pytest.mark.parametrize("birth", [None, dt.date(2025, 8, 21), dt.date(9999, 12, 31)])
def test_without_a_possible_birth_date_nobody_is_known_to_be_entitled(
    birth: dt.date | None,
) -> None:
    """Some sources write a date in the far future for one they lack."""
    assert problem(birth) is ConsentProblem.BIRTH_DATE_UNKNOWN


def test_an_oral_consent_allows_nothing() -> None:
    assert problem(form=ConsentForm.ORAL) is ConsentProblem.CONSENT_FORM_INVALID
    assert problem(form=ConsentForm.ELECTRONIC) is None


def test_a_consent_signed_after_its_end_allows_nothing() -> None:
    end = dt.date(2026, 1, 31)

    assert problem(end_date=end, sign_date=end + DAY) is ConsentProblem.CONSENT_FORM_INVALID
    assert problem(end_date=end, sign_date=end) is None


# From when to when a grant counts.


def test_a_grant_counts_from_the_first_day_through_the_last() -> None:
    assert span(end_date=dt.date(2026, 6, 30)) == (
        midnight(dt.date(2025, 9, 1)),
        midnight(dt.date(2026, 7, 1)),
    )


def test_a_consent_never_counts_before_it_was_signed() -> None:
    assert span(sign_date=dt.date(2025, 10, 3))[0] == midnight(dt.date(2025, 10, 3))


@pytest.mark.parametrize("relation", PARENTS)
def test_a_parents_grant_ends_when_the_rights_move_to_the_student(
    relation: SignerRelation,
) -> None:
    assert span(signer_relation=relation)[1] == midnight(OF_AGE)
    assert span(dt.date(2008, 2, 29), signer_relation=relation)[1] == midnight(dt.date(2026, 3, 1))


def test_a_students_own_grant_does_not_end_with_the_birthday() -> None:
    own = {"signer_relation": SignerRelation.ELIGIBLE_STUDENT, "sign_date": OF_AGE}

    assert span(**own) == (midnight(OF_AGE), midnight(dt.date(2027, 7, 1)))


def test_a_time_that_is_empty_gives_no_grant() -> None:
    """A parent's consent that would begin only when the student is of age."""
    later = consent(start_date=OF_AGE)

    assert problem_of(later.terms, Student(7, BIRTH)) is None
    assert grants_of(later, Student(7, BIRTH)) == []


def test_a_consent_to_the_end_of_time_can_be_kept() -> None:
    """No date that a recorder may write stops a node."""
    relation = SignerRelation.ELIGIBLE_STUDENT
    _, end = span(dt.date(2001, 1, 1), signer_relation=relation, end_date=dt.date.max)

    assert end.date() == dt.date.max
    assert int(end.timestamp()) > 0


def test_there_is_one_grant_for_each_recipient_purpose_and_element() -> None:
    given = consent("helpers", "shelter", purposes=("direct_service", "research"))
    grants = grants_of(given, Student(7, BIRTH))

    assert len(grants) == len(set(grants)) == 2 * 2 * 2
    assert {(grant.recipient, grant.subject_ref) for grant in grants} == {
        ("helpers", "ref-of-helpers"),
        ("shelter", "ref-of-shelter"),
    }
    assert {grant.student_key for grant in grants} == {7}


# For any consent.


def what(grant: Grant) -> tuple[object, ...]:
    return (grant.student_key, grant.element, grant.recipient, grant.purpose, grant.subject_ref)


@settings(max_examples=100)
@given(st.data(), strategies.consents(), strategies.students)
def test_narrowing_a_consent_never_gives_a_grant_outside_the_wider_one(
    data: st.DataObject, wide: OpenedConsent, student: Student
) -> None:
    """Fewer elements, purposes or recipients and shorter dates only take away."""
    narrow = data.draw(strategies.narrower(wide))
    allowed = {what(grant): grant for grant in allowed_by(wide, student)}

    for grant in allowed_by(narrow, student):
        within = allowed[what(grant)]
        assert within.valid_from <= grant.valid_from < grant.valid_to <= within.valid_to


@settings(max_examples=100)
@given(strategies.consents(), strategies.students)
def test_every_grant_says_only_what_was_signed(given: OpenedConsent, student: Student) -> None:
    assert student.birth_date is not None
    of_age = midnight(eighteenth_birthday(student.birth_date))
    for grant in allowed_by(given, student):
        assert grant.element in given.terms.elements
        assert grant.purpose in given.terms.purposes
        assert given.subject_refs[grant.recipient] == grant.subject_ref
        assert grant.valid_from >= midnight(max(given.terms.start_date, given.terms.sign_date))
        assert grant.valid_to <= midnight(given.terms.end_date + DAY)
        assert (grant.valid_to <= of_age) or given.terms.signer_relation not in PARENTS


@settings(max_examples=100)
@given(strategies.consents(), strategies.students, strategies.days)
def test_a_later_signature_never_lengthens_a_parents_grant(
    given: OpenedConsent, student: Student, signed: dt.date
) -> None:
    if given.terms.signer_relation not in PARENTS or signed < given.terms.sign_date:
        return
    later = replace(given, terms=replace(given.terms, sign_date=signed))

    assert {what(g) for g in allowed_by(later, student)} <= {
        what(g) for g in allowed_by(given, student)
    }


def allowed_by(given: OpenedConsent, student: Student) -> list[Grant]:
    """What a consent allows, as the consent book settles it."""
    return [] if problem_of(given.terms, student) else list(grants_of(given, student))
