"""Whom an answer may hold by the consents of this instant, on SQLite and on PostgreSQL alike."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from homeroom.catalog import SUBJECT_REF
from homeroom.question import Period
from homeroom.vocabulary import Element
from services.node.domain.consent_book import Narrowed, Revoked, Rotated
from services.node.domain.consents import AgeRule, Withdrawn, eighteenth_birthday
from services.node.store.element_bits import elements_in
from services.runtime.database import open_database, writing
from tests.conditions import consented
from tests.contract.holding import (
    ATTENDANCE,
    MONDAY,
    Holding,
    event,
    holding,
    only,
    selection,
    student,
    two,
)
from tests.contract.node_stores import DAY, urls
from tests.organizations import NOW

__all__ = ["holding", "two", "urls"]

TODAY = NOW.date()


def narrowed(consent_id: str, elements: Any = (), recipients: Any = ()) -> Narrowed:
    return Narrowed(consent_id, Withdrawn(frozenset(elements), frozenset(recipients)), NOW)


# Age, at the instant of each question.


@pytest.mark.parametrize("rule", AgeRule)
@pytest.mark.parametrize(
    ("birth", "of_age"),
    [
        (dt.date(2008, 10, 2), False),  # 18 tomorrow
        (dt.date(2008, 10, 1), True),
        (dt.date(2000, 2, 29), True),
    ],
)
async def test_age_decides_at_the_instant_of_the_question(
    holding: Holding, rule: AgeRule, birth: dt.date, of_age: bool
) -> None:
    """By the birth date that the records have now, whatever it was when the consent came."""
    holding.add("student", {**student("ana"), "birth_date": birth})
    holding.add("attendance", event("ana"))
    holding.grant("ana", *ATTENDANCE, age_rule=rule)
    counts = {AgeRule.NONE: True, AgeRule.MINOR: not of_age, AgeRule.OF_AGE: of_age}[rule]

    assert await holding.refs(selection()) == ["ref-ana"] * counts
    assert set(await holding.covered(selection())) == {"ref-ana"} if counts else set() == set()


@pytest.mark.parametrize("rule", [AgeRule.MINOR, AgeRule.OF_AGE])
async def test_without_a_birth_date_no_age_is_known(holding: Holding, rule: AgeRule) -> None:
    holding.add("student", student("ana"))
    holding.add("attendance", event("ana"))
    holding.grant("ana", *ATTENDANCE, age_rule=rule)

    assert await holding.refs(selection()) == []


async def test_a_parents_consent_ends_as_the_birthday_begins(holding: Holding) -> None:
    birth = dt.date(2008, 2, 29)
    holding.add("student", {**student("ana"), "birth_date": birth})
    holding.add("attendance", event("ana"))
    holding.grant("ana", *ATTENDANCE, age_rule=AgeRule.MINOR, valid_from=NOW - 900 * DAY)
    midnight = dt.datetime.combine(eighteenth_birthday(birth), dt.time(), dt.UTC)

    assert await holding.refs(selection(instant=midnight - dt.timedelta(seconds=1))) == ["ref-ana"]
    assert await holding.refs(selection(instant=midnight)) == []


# Classes of recipients.


async def test_a_class_serves_whoever_is_in_it_at_the_instant(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE, recipient="class:tutors")

    assert await two.covered(selection()) == {}
    assert await two.covered(selection(classes=frozenset({"libraries"}))) == {}
    (name,) = await two.covered(selection(classes=frozenset({"tutors", "libraries"})))
    assert await two.refs(selection(classes=frozenset({"tutors"}))) == [name]


async def test_each_member_of_a_class_knows_the_student_by_a_name_of_its_own(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE, recipient="class:tutors")
    tutors = frozenset({"tutors"})
    (first,) = await two.covered(selection(classes=tutors))
    (again,) = await two.covered(selection(classes=tutors))
    (other,) = await two.covered(selection(classes=tutors, recipient="shelter"))

    assert first == again != other
    assert await two.refs(selection(classes=tutors, subject_refs=(first,))) == [first]
    assert await two.refs(selection(classes=tutors, subject_refs=(other,))) == []


async def test_a_consent_by_name_and_one_by_class_are_one_student(two: Holding) -> None:
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ana", Element.SCHOOL_OF_ENROLLMENT, recipient="class:tutors")
    (row,) = await two.rows(selection(classes=frozenset({"tutors"})))

    assert (row[SUBJECT_REF], row["school_id"]) == ("ref-ana", "elm")
    assert (await two.rows(selection()))[0]["school_id"] is None


async def test_a_recipient_can_be_taken_out_of_a_class(two: Holding) -> None:
    """And some elements alone; the other members keep what they have."""
    consent_id = two.grant("ana", *ATTENDANCE, recipient="class:tutors")
    tutors: dict[str, Any] = {"classes": frozenset({"tutors"})}
    two.apply(narrowed(consent_id, {Element.SCHOOL_OF_ENROLLMENT}, {"helpers"}))
    (covered,) = (await two.covered(selection(**tutors))).values()
    assert covered == {Element.DAILY_ATTENDANCE}
    (row,) = await two.rows(selection(**tutors))
    assert row["school_id"] is None

    two.apply(narrowed(consent_id, (), {"helpers"}))
    assert await two.covered(selection(**tutors)) == {}
    assert await two.rows(selection(**tutors)) == []
    (covered,) = (await two.covered(selection(**tutors, recipient="shelter"))).values()
    assert covered == set(ATTENDANCE)


# Agreements.


async def test_a_consent_for_one_agreement_counts_under_no_other(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE, agreement_id="A-2")
    two.grant("ben", *ATTENDANCE, agreement_id="A-1")

    assert await two.refs(selection()) == ["ref-ben"]
    assert await two.refs(selection(agreement_id="A-2")) == ["ref-ana"]


# Names.


async def test_a_rotated_name_finds_nobody_and_the_consents_stay(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    two.grant("ben", *ATTENDANCE)
    two.apply(Rotated("helpers", {"ref-ana": "new"}, NOW))

    assert await two.refs(selection()) == ["new", "ref-ben"]
    assert await two.refs(selection(subject_refs=("ref-ana",))) == []
    assert await two.refs(selection(subject_refs=("new",))) == ["new"]


async def test_a_second_consents_name_finds_the_student_too(two: Holding) -> None:
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ana", Element.SCHOOL_OF_ENROLLMENT, subject_ref="second")
    (row,) = await two.rows(selection(subject_refs=("second",)))

    assert (row[SUBJECT_REF], row["school_id"]) == ("second", "elm")
    assert await two.refs(selection()) == ["ref-ana"]
    assert await two.refs(selection(subject_refs=("second", "ref-ana"))) == ["ref-ana"]


async def test_a_student_goes_by_the_newer_name_once_the_older_consent_is_over(
    two: Holding,
) -> None:
    """Revoked or run out: whoever knows the older name still finds the student by it."""
    two.apply(Revoked(two.grant("ana", *ATTENDANCE, subject_ref="first"), NOW))
    two.grant("ana", *ATTENDANCE, subject_ref="newer")
    two.grant("ben", *ATTENDANCE, subject_ref="first-of-ben", valid_to=NOW)
    two.grant("ben", *ATTENDANCE, subject_ref="newer-of-ben", valid_from=NOW)

    assert await two.refs(selection()) == ["newer", "newer-of-ben"]
    assert await two.refs(selection(subject_refs=("first",))) == ["first"]


async def test_a_name_that_was_taken_back_is_made_anew_for_who_is_still_covered(
    two: Holding,
) -> None:
    two.grant("ana", *ATTENDANCE)
    engine = open_database(two.urls.state)
    with writing(engine) as connection:
        connection.execute(text("UPDATE subject_ref SET in_use = (1 = 0), retired_at = 1"))
    engine.dispose()
    assert await two.refs(selection()) == []
    (name,) = await two.covered(selection())

    assert name != "ref-ana"
    assert await two.refs(selection()) == [name]


# The days that released records are about.


def year(start: int, end: int) -> Period:
    """Days counted from Monday, both included."""
    return Period(MONDAY + start * DAY, MONDAY + end * DAY)


@pytest.fixture
def week(holding: Holding) -> Holding:
    """Ana and Ben, each with five days of attendance."""
    holding.add("student", student("ana"), student("ben"))
    days = [MONDAY + n * DAY for n in range(5)]
    holding.add("attendance", *(event(name, day) for name in ("ana", "ben") for day in days))
    return holding


async def days_of(holding: Holding, name: str, **changed: Any) -> list[int]:
    rows = await holding.rows(selection(**changed))
    return sorted((r["event_date"] - MONDAY).days for r in rows if r[SUBJECT_REF] == f"ref-{name}")


async def test_records_of_other_days_than_the_family_released_stay(week: Holding) -> None:
    week.grant("ana", *ATTENDANCE, record_period=year(1, 2))
    week.grant("ben", *ATTENDANCE)

    assert await days_of(week, "ana") == [1, 2]
    assert await days_of(week, "ben") == [0, 1, 2, 3, 4]
    assert await days_of(week, "ana", period=year(2, 4)) == [2]


async def test_periods_of_several_consents_add_up_and_double_no_row(week: Holding) -> None:
    week.grant("ana", Element.DAILY_ATTENDANCE, record_period=year(0, 2))
    week.grant("ana", Element.DAILY_ATTENDANCE, record_period=year(2, 3))
    week.grant("ana", *ATTENDANCE, record_period=year(3, 3))
    rows = {row["event_date"]: row for row in await week.rows(selection())}

    assert await days_of(week, "ana") == [0, 1, 2, 3]
    assert rows[MONDAY + 3 * DAY]["school_id"] == "elm"
    assert rows[MONDAY]["school_id"] is None


@pytest.mark.parametrize(("days", "count"), [((-3, 0), 1), ((-9, -1), 0), ((1, 9), 0)])
async def test_what_is_so_now_is_a_record_of_today(
    holding: Holding, days: tuple[int, int], count: int
) -> None:
    holding.add("student", {**student("ana"), "grade_level": "07"})
    about = Period(TODAY + days[0] * DAY, TODAY + days[1] * DAY)
    holding.grant("ana", Element.GRADE_LEVEL, record_period=about)
    asked = selection("students", conditions=consented({Element.GRADE_LEVEL}))

    assert len(await holding.rows(asked)) == count


async def test_who_loses_one_of_two_periods_in_the_middle_is_dropped(week: Holding) -> None:
    """A row does not say by which of the two it left."""
    gone = week.grant("ana", *ATTENDANCE, record_period=year(0, 1))
    week.grant("ana", *ATTENDANCE, record_period=year(3, 4))
    week.grant("ben", *ATTENDANCE)
    begun = await week.store.covered(selection())
    week.apply(Revoked(gone, NOW))
    now = await week.store.covered(selection())

    assert set(now.elements) == {"ref-ana", "ref-ben"}
    assert set(now.since(begun)) == {"ref-ben"}
    assert set(begun.since(begun)) == {"ref-ana", "ref-ben"}


# Whose records an answer may hold.


async def test_the_students_of_an_answer_are_told_with_what_may_leave_about_each(
    two: Holding,
) -> None:
    two.grant("ana", Element.DAILY_ATTENDANCE)
    two.grant("ana", *ATTENDANCE, purpose="research")
    two.grant("ben", *ATTENDANCE)
    found = dict((await two.store.covered(selection())).students)

    assert {key: elements_in(mask) for key, mask in found.items()} == {
        two.keys["ana"]: {Element.DAILY_ATTENDANCE},
        two.keys["ben"]: set(ATTENDANCE),
    }


async def test_who_can_have_no_row_is_not_among_them(two: Holding) -> None:
    """Another school, or without the element that a row is."""
    two.grant("ana", Element.SCHOOL_OF_ENROLLMENT)
    two.grant("ben", *ATTENDANCE)

    keys = {key for key, _ in (await two.store.covered(selection())).students}
    assert keys == {two.keys["ben"]}
    assert (await two.store.covered(selection(schools=only("oak")))).students == []


# What consents were settled by.


async def test_a_birth_date_that_changed_in_the_records_is_noticed(two: Holding) -> None:
    """Settled without one, settled by another, gone: each is found, once."""
    two.grant("ana", *ATTENDANCE)
    (changed,) = two.store.changed_consents()
    two.consents.note_consents([changed])

    assert two.store.changed_consents() == []


# For any consents.


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
async def test_taking_back_or_growing_older_never_widens_an_answer(
    two: Holding, data: st.DataObject
) -> None:
    """Revoking, withdrawing a part, ageing: each leaves at most what there was."""
    births = (dt.date(2008, 10, 4), dt.date(2008, 10, 2))
    rows = zip(("ana", "ben"), births, strict=True)
    two.add("student", *({**student(name), "birth_date": born} for name, born in rows))
    two.apply(*(Revoked(f"c{number}", NOW) for number in range(1, two.granted + 1)))
    consents = [data.draw(_grants)(two) for _ in range(data.draw(st.integers(1, 4)))]
    asked = selection(classes=frozenset(data.draw(st.sets(st.sampled_from(("tutors", "clubs"))))))
    before = await _values(two, asked)
    later = asked
    for _ in range(data.draw(st.integers(1, 3))):
        which = data.draw(st.sampled_from(consents))
        step = data.draw(st.sampled_from(("revoke", "narrow", "age")))
        if step == "revoke":
            two.apply(Revoked(which, NOW))
        elif step == "narrow":
            elements = data.draw(st.frozensets(st.sampled_from(ATTENDANCE)))
            names = st.sampled_from(("helpers", "class:tutors", "shelter"))
            two.apply(narrowed(which, elements, data.draw(st.frozensets(names))))
        else:
            later = selection(classes=asked.classes, instant=later.instant + 3 * DAY)
        after = await _values(two, later)
        assert after <= before
        before = after


_grants = st.builds(
    lambda name, elements, changed: lambda two: two.grant(name, *sorted(elements), **changed),
    st.sampled_from(("ana", "ben")),
    st.frozensets(st.sampled_from(ATTENDANCE), min_size=1),
    st.fixed_dictionaries(
        {"recipient": st.sampled_from(("helpers", "class:tutors", "shelter"))},
        optional={
            "age_rule": st.sampled_from((AgeRule.NONE, AgeRule.MINOR)),
            "valid_to": st.integers(0, 5).map(lambda n: NOW + n * DAY),
            "record_period": st.tuples(st.integers(-2, 0), st.integers(0, 2)).map(
                lambda span: year(*span)
            ),
        },
    ),
)


async def _values(two: Holding, asked: Any) -> set[Any]:
    """Every value in an answer: whose, which row, which column."""
    await two.covered(asked)
    return {
        (row[SUBJECT_REF], row["event_date"], name, str(value))
        for row in await two.rows(asked)
        for name, value in row.items()
        if value is not None
    }


# How it is found.


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
@pytest.mark.parametrize("changed", [{}, {"subject_refs": ("ref-ana",)}], ids=["all", "named"])
async def test_an_answer_reads_no_table_of_consents_from_end_to_end(
    two: Holding, changed: dict[str, Any]
) -> None:
    """So that a row costs as much among 100,000 consents as among 1,000."""
    two.grant("ana", *ATTENDANCE)
    chosen = selection(**changed)
    statements = two.store._statements
    for statement in (statements.rows(chosen, limited=False), statements.students(chosen)):
        sql, parameters = statement
        with two.store._databases.lent() as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]

        assert [step for step in plan if "consent_grant" in step and "SEARCH" in step]
        assert [step for step in plan if "subject_ref" in step and "SEARCH" in step]
        assert not [
            step for step in plan if "SCAN" in step and ("consent" in step or "subject_ref" in step)
        ]


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_whether_a_grant_is_for_some_days_is_not_found_by_reading_all_grants(
    two: Holding,
) -> None:
    """It is asked with every question, and most grants are for all days."""
    two.grant("ana", *ATTENDANCE)
    chosen = selection()
    for statement, values in (
        two.store._statements.limited(chosen),
        two.store._statements.windows(chosen),
    ):
        with two.store._databases.lent() as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        (step,) = [step for step in plan if "consent_grant" in step]

        assert "ix_consent_grant_record_from (recipient=? AND purpose=?" in step
