"""What a consent allows at the holder: never more than the family signed, and never too long."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.consent_terms import OpenedConsent
from homeroom.vocabulary import Element, SignerRelation
from services.node.domain.consent_check import Checked, CheckedPaper
from services.node.domain.consents import (
    AgeRule,
    Grant,
    Student,
    Withdrawn,
    adults_born_by,
    eighteenth_birthday,
    grants_of,
    last_date_of,
    narrowed,
)
from tests import strategies

DAY = dt.timedelta(days=1)
PARENTS = (SignerRelation.PARENT, SignerRelation.GUARDIAN, SignerRelation.ACTING_AS_PARENT)
GENERAL = frozenset({Element.GPA, Element.DAILY_ATTENDANCE})
SHAREABLE = frozenset(Element) - {Element.SSN}
CHECKED = Checked({}, {}, GENERAL, SHAREABLE)


def allowed_by(given: OpenedConsent, student: Student) -> list[Grant]:
    """What a consent allows whose form the policy accepts."""
    terms = given.terms
    paper = CheckedPaper(
        (), max(terms.start_date, terms.sign_date), terms.end_date, "0000-00-00", "9999-99-99"
    )
    return list(grants_of(given, student, CHECKED, paper))


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def keyed(grants: list[Grant]) -> dict[tuple[str, str], Grant]:
    keyed = {(grant.recipient, grant.purpose): grant for grant in grants}
    assert len(keyed) == len(grants)
    return keyed


# Age.


@pytest.mark.parametrize(
    ("birth", "of_age"),
    [
        (dt.date(2008, 2, 29), dt.date(2026, 3, 1)),  # a common year has no 29 February
        (dt.date(2004, 2, 29), dt.date(2022, 3, 1)),
        (dt.date(2008, 3, 1), dt.date(2026, 3, 1)),
        (dt.date(2008, 2, 28), dt.date(2026, 2, 28)),
        (dt.date(9999, 12, 31), dt.date(9999, 12, 31)),
    ],
)
def test_who_was_born_on_a_leap_day_comes_of_age_on_the_first_of_march(
    birth: dt.date, of_age: dt.date
) -> None:
    assert eighteenth_birthday(birth) == of_age


@settings(max_examples=300)
@given(st.dates(dt.date(1990, 1, 1), dt.date(2030, 1, 1)), st.integers(-3, 3))
def test_a_birth_date_tells_of_age_as_the_birthday_does(birth: dt.date, days: int) -> None:
    """The bound that a query compares with is the same law, read from the other side."""
    day = eighteenth_birthday(birth) + days * DAY

    assert (birth <= adults_born_by(day)) == (eighteenth_birthday(birth) <= day)


# Grants.


@settings(max_examples=100, deadline=None)
@given(strategies.consents(), strategies.students)
def test_every_grant_says_only_what_was_signed(given: OpenedConsent, student: Student) -> None:
    """Elements, recipients, purposes, days: all of them are on the form, or end before it does."""
    terms = given.terms
    assert student.birth_date is not None
    for grant in allowed_by(given, student):
        released = {*terms.elements, *terms.specific_elements}
        assert grant.elements <= released | (GENERAL if terms.all_education_records else set())
        assert grant.elements <= SHAREABLE
        assert grant.purpose in terms.purposes
        assert grant.recipient.removeprefix("class:") in {*given.subject_refs, *terms.classes}
        assert grant.recipient.startswith("class:") == (grant.recipient not in given.subject_refs)
        assert grant.valid_from >= midnight(max(terms.start_date, terms.sign_date))
        assert grant.valid_from < grant.valid_to <= midnight(terms.end_date + DAY)
        assert grant.record_period == terms.record_period
        assert grant.agreement_id == terms.agreement_id
        if terms.signer_relation is not SignerRelation.ELIGIBLE_STUDENT:
            assert grant.age_rule is AgeRule.MINOR
            assert grant.valid_to <= midnight(eighteenth_birthday(student.birth_date))


@settings(max_examples=100, deadline=None)
@given(strategies.consents(), strategies.students)
def test_there_is_one_grant_for_each_recipient_and_purpose(
    given: OpenedConsent, student: Student
) -> None:
    grants = allowed_by(given, student)
    recipients = len(given.subject_refs) + len(given.terms.classes)

    assert len(keyed(grants)) in (0, recipients * len(given.terms.purposes))


@settings(max_examples=100, deadline=None)
@given(st.data(), strategies.consents(), strategies.students)
def test_narrowing_the_terms_never_gives_a_grant_outside_the_wider_ones(
    data: st.DataObject, wide: OpenedConsent, student: Student
) -> None:
    """Fewer elements, purposes or recipients and shorter dates only take away."""
    allowed = keyed(allowed_by(wide, student))
    for narrow in allowed_by(data.draw(strategies.narrower(wide)), student):
        within = allowed[(narrow.recipient, narrow.purpose)]
        assert narrow.elements <= within.elements
        assert within.valid_from <= narrow.valid_from < narrow.valid_to <= within.valid_to


@settings(max_examples=100, deadline=None)
@given(strategies.consents(), strategies.students, st.lists(strategies.withdrawals, max_size=4))
def test_withdrawing_parts_takes_exactly_those_away_in_any_order(
    given: OpenedConsent, student: Student, parts: list[Withdrawn]
) -> None:
    grants = allowed_by(given, student)
    left = keyed(list(narrowed(grants, parts)))
    for grant in grants:
        taken = {
            element
            for part in parts
            if not part.recipients or grant.recipient in part.recipients
            for element in part.elements or grant.elements
        }
        found = left.pop((grant.recipient, grant.purpose), None)
        assert (found.elements if found else frozenset()) == grant.elements - taken
    assert left == {}
    assert narrowed(grants, parts) == narrowed(narrowed(grants, parts[:1]), parts[::-1])


def test_an_older_student_is_never_granted_longer() -> None:
    """The earlier the birth, the earlier a parent's consent ends."""
    given = strategies.parents_consent(dt.date(2026, 9, 1), dt.date(2027, 6, 30))
    births = [dt.date(2008, 9, 1) + n * 30 * DAY for n in range(20)]
    ends = [last_date_of(allowed_by(given, Student(7, birth))) for birth in births]

    assert ends == sorted(ends, key=lambda day: day or dt.date.min)
    assert ends[0] is None
    assert ends[-1] == dt.date(2027, 6, 30)


@pytest.mark.parametrize("relation", PARENTS)
def test_a_parents_grant_ends_when_the_rights_move_to_the_student(relation: SignerRelation) -> None:
    given = strategies.parents_consent(dt.date(2026, 3, 1), dt.date(2027, 6, 30), relation)
    (grant,) = allowed_by(given, Student(7, dt.date(2008, 9, 15)))

    assert grant.valid_to == midnight(dt.date(2026, 9, 15))
    assert last_date_of([grant]) == dt.date(2026, 9, 14)


def test_a_students_own_grant_does_not_end_with_the_birthday() -> None:
    own = SignerRelation.ELIGIBLE_STUDENT
    given = strategies.parents_consent(dt.date(2026, 9, 15), dt.date(2027, 6, 30), own)
    (grant,) = allowed_by(given, Student(7, dt.date(2008, 9, 15)))
    college = Student(7, dt.date(2010, 1, 1), postsecondary_from=dt.date(2026, 9, 1))
    (early,) = allowed_by(given, college)

    assert grant.valid_to == early.valid_to == midnight(dt.date(2027, 7, 1))
    assert (grant.age_rule, early.age_rule) == (AgeRule.OF_AGE, AgeRule.NONE)


def test_a_consent_to_the_end_of_time_can_be_kept() -> None:
    """No date that a recorder may write stops a node."""
    own = SignerRelation.ELIGIBLE_STUDENT
    given = strategies.parents_consent(dt.date(2026, 9, 15), dt.date.max, own)
    (grant,) = allowed_by(given, Student(7, dt.date(2001, 1, 1)))

    assert grant.valid_to.date() == dt.date.max
    assert int(grant.valid_to.timestamp()) > 0


def test_no_grants_have_no_last_day() -> None:
    assert last_date_of([]) is None
