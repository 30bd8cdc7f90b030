"""Frozen tables: school by one more dimension, every student once, every total the sum of parts."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import Element
from services.node.domain.freezing import Dimension, Measure, Pupil, frozen, table_name

GRADE = Dimension.GRADE_LEVEL


def pupils(*places: tuple[str, str | None, bool | None]) -> list[Pupil]:
    return [
        Pupil(key, school, {GRADE: grade} if grade else {}, outcome)
        for key, (school, grade, outcome) in enumerate(places)
    ]


some_pupils = st.lists(
    st.tuples(
        st.sampled_from(["elm", "oak"]),
        st.sampled_from(["01", "02", None]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
).map(lambda places: pupils(*places))


@given(some_pupils)
def test_every_total_is_the_sum_of_its_parts(counted: list[Pupil]) -> None:
    table = frozen(Measure.CHRONIC_ABSENCE, GRADE, counted)
    cells = {cell.cell_id: cell for cell in table.cells}
    for total, *parts in table.lines:
        assert cells[total].n == sum(cells[part].n for part in parts)
        assert (cells[total].numerator or 0) == sum(cells[part].numerator or 0 for part in parts)
    assert cells["|"].n == len(counted)


@given(some_pupils)
def test_a_cell_counts_exactly_its_members(counted: list[Pupil]) -> None:
    table = frozen(Measure.STUDENTS, GRADE, counted)
    assert {cell.cell_id: cell.n for cell in table.cells} == {
        cell_id: len(members) for cell_id, members in table.members.items()
    }


def test_a_student_of_no_known_group_is_counted_too() -> None:
    table = frozen(Measure.STUDENTS, GRADE, pupils(("elm", None, None)))
    assert {(c.cell_id, c.n) for c in table.cells if c.school} == {
        ("elm|not_known", 1),
        ("elm|", 1),
    }


def test_a_rate_of_days_is_of_all_days_of_a_group() -> None:
    days = [
        Pupil(1, "elm", {GRADE: "01"}, days=(8, 10)),
        Pupil(2, "elm", {GRADE: "01"}, days=(30, 30)),
    ]
    table = frozen(Measure.ATTENDANCE_RATE, GRADE, days)
    (cell,) = [c for c in table.cells if c.cell_id == "elm|01"]
    assert (cell.n, cell.numerator, cell.rate) == (2, None, Fraction(95))


def test_a_table_asks_for_the_element_that_it_tells() -> None:
    one = pupils(("elm", "01", True))
    assert frozen(Measure.SUSPENDED, GRADE, one).elements == {Element.SUSPENSIONS}
    counts = frozen(Measure.STUDENTS, Dimension.HOMELESS, one)
    assert counts.dataset == "students"
    assert counts.elements == {Element.HOMELESS_STATUS}
    assert counts.name == table_name(Measure.STUDENTS, Dimension.HOMELESS) == "students_by_homeless"


def test_nobody_makes_no_table() -> None:
    with pytest.raises(RequestInvalidError):
        frozen(Measure.STUDENTS, GRADE, [])
