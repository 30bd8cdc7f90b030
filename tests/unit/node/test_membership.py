"""When a student was a member of a school, as it follows from the spells of any file."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.node.domain.membership import (
    Membership,
    Spell,
    current_school,
    memberships,
    overlapping,
    without_primary,
)

FALL, WINTER, SPRING = date(2025, 9, 1), date(2026, 1, 7), date(2026, 3, 2)
DAY = timedelta(days=1)


def test_a_spell_that_was_closed_is_as_it_says() -> None:
    assert memberships([Spell("a", FALL, WINTER)]) == [Membership(FALL, WINTER)]


def test_a_spell_that_was_never_closed_ends_when_the_next_school_is_entered() -> None:
    spells = [Spell("a", FALL, None), Spell("b", WINTER, None)]

    assert memberships(spells) == [
        Membership(FALL, WINTER - DAY, presumed=True),
        Membership(WINTER, None),
    ]


def test_spells_at_one_school_never_overlap_and_are_not_merged() -> None:
    spells = [Spell("a", FALL, SPRING), Spell("a", WINTER, None)]

    assert memberships(spells) == [
        Membership(FALL, WINTER - DAY, presumed=True),
        Membership(WINTER, None),
    ]
    assert overlapping(spells) == 1


def test_two_schools_at_once_are_legal_where_the_source_says_so() -> None:
    spells = [
        Spell("a", FALL, None, primary_school=True),
        Spell("b", WINTER, None, primary_school=False),
    ]

    assert memberships(spells) == [Membership(FALL, None), Membership(WINTER, None)]
    assert current_school(spells, memberships(spells)) == "a"
    assert without_primary(spells, memberships(spells)) == 0


def test_who_never_came_was_no_member() -> None:
    spells = [Spell("a", FALL, FALL, exit_type="No show"), Spell("b", FALL, None)]

    assert memberships(spells) == [Membership(None, None), Membership(FALL, None)]
    assert current_school(spells, memberships(spells)) == "b"


def test_a_gap_belongs_to_no_school() -> None:
    spells = [Spell("a", FALL, WINTER), Spell("a", SPRING, None)]
    found = memberships(spells)

    assert not any(m.covers(SPRING - DAY) for m in found)
    assert [m.covers(WINTER) for m in found] == [True, False]


DAYS = st.integers(0, 400).map(lambda n: FALL + n * DAY)
SPELLS = st.lists(
    st.tuples(st.sampled_from("abc"), DAYS, st.none() | st.integers(0, 200)).map(
        lambda t: Spell(t[0], t[1], None if t[2] is None else t[1] + t[2] * DAY)
    ),
    max_size=6,
    unique_by=lambda s: (s.school_id, s.entry_date),
)


@given(SPELLS, DAYS)
def test_nobody_is_twice_a_member_of_one_school_on_one_day(spells: list[Spell], day: date) -> None:
    at = [s.school_id for s, m in zip(spells, memberships(spells), strict=True) if m.covers(day)]

    assert len(at) == len(set(at))


@given(SPELLS)
def test_membership_never_goes_beyond_what_the_source_says(spells: list[Spell]) -> None:
    for spell, found in zip(spells, memberships(spells), strict=True):
        assert found.first_day == spell.entry_date
        if spell.exit_date is not None:
            assert found.last_day is not None
            assert found.last_day <= spell.exit_date
