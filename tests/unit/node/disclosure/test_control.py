"""No number that needs protection is shown, or follows from what is shown and known."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.vocabulary import ReasonCode
from services.node.domain.disclosure.control import control, suffices
from services.node.domain.disclosure.table import (
    Cell,
    Control,
    Earlier,
    Known,
    Mark,
    Quantity,
    Table,
    outcomes,
    students,
)
from tests.unit.node.disclosure.tables import (
    follows,
    known_of,
    protected,
    seen,
    truth,
    two_way,
)

MINIMUM = 10


def table_of(*counts: tuple[str, int], lines: tuple[tuple[str, ...], ...] = ()) -> Table:
    return Table({name: Cell(name, "elm", name, n) for name, n in counts}, lines)


def shown(marks: Control) -> frozenset[str]:
    return marks.marked(Mark.SHOWN)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_nothing_protected_follows_from_what_is_shown_and_known(data: st.DataObject) -> None:
    table = data.draw(two_way())
    known = data.draw(known_of(table))
    marks = control(table, known, MINIMUM)
    told = seen(table, known, marks)
    for secret in protected(table, MINIMUM):
        if not follows(table, known.quantities, secret):
            assert not follows(table, told, secret), secret


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_more_that_is_known_never_lets_more_be_shown(data: st.DataObject) -> None:
    """What is shown beside more public numbers never includes all of the smaller case and more."""
    table = data.draw(two_way())
    more = data.draw(known_of(table, most=4))
    fewer = (
        data.draw(st.sets(st.sampled_from(sorted(more.quantities)))) if more.quantities else set()
    )
    less = Known({quantity: more.quantities[quantity] for quantity in fewer})
    assert not shown(control(table, more, MINIMUM)) > shown(control(table, less, MINIMUM))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_table_is_controlled_alike_in_any_order_of_its_cells(data: st.DataObject) -> None:
    table = data.draw(two_way())
    again = Table(dict(data.draw(st.permutations([*table.cells.items()]))), table.lines)
    assert control(table, Known(), MINIMUM).marks == control(again, Known(), MINIMUM).marks


@given(two_way(most=2), st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_withheld_suffices_by_the_checker_of_sets(
    table: Table, data: st.DataObject
) -> None:
    known = data.draw(known_of(table, most=1))
    marks = control(table, known, MINIMUM)
    hidden = marks.marked(Mark.WITHHELD) | marks.marked(Mark.MASKED)
    if not any(follows(table, known.quantities, q) for q in protected(table, MINIMUM)):
        assert suffices(table, known, hidden, MINIMUM)


@given(two_way(most=4, most_schools=1, rates=False), st.data())
@settings(max_examples=80, deadline=None)
def test_a_hidden_count_keeps_as_many_values_as_the_minimum(
    table: Table, data: st.DataObject
) -> None:
    """Every table that agrees with what is shown is counted, for a small minimum."""
    minimum = 4
    known = data.draw(known_of(table, most=1))
    marks = control(table, known, minimum)
    told = seen(table, known, marks)
    for secret in protected(table, minimum):
        if not _all_is_lost(table, known, secret, minimum):
            values = _values(table, told, secret)
            assert max(values) - min(values) >= minimum, secret


def _all_is_lost(table: Table, known: Known, secret: Quantity, minimum: int) -> bool:
    """Whether the public numbers alone leave too few values."""
    values = _values(table, set(known.quantities), secret)
    return max(values) - min(values) < minimum


def _values(table: Table, told: set[Quantity], secret: Quantity) -> set[int]:
    """The values a count can have, up to some more than the truth: all inner cells are tried."""
    actual = truth(table)
    totals = {line[0]: line[1:] for line in table.lines}
    inner = [cell_id for cell_id in table.cells if cell_id not in totals]
    ranges = [
        [actual[students(c)]]
        if students(c) in told
        else sorted({*range(6), *range(max(0, actual[students(c)] - 5), actual[students(c)] + 6)})
        for c in inner
    ]
    found = set()
    for values in product(*ranges):
        world = dict(zip(inner, values, strict=True))
        world |= {total: sum(world[part] for part in parts) for total, parts in totals.items()}
        if all(world[q.cell_id] == actual[q] for q in told):
            found.add(world[secret.cell_id])
    return found


def test_a_small_cell_alone_goes_alone() -> None:
    marks = control(table_of(("a", 44), ("b", 61), ("c", 3)), Known(), MINIMUM)
    assert shown(marks) == {"a", "b"}
    assert marks.reasons == {ReasonCode.SMALL_CELL_SUPPRESSED}


def test_nobody_is_not_a_small_count() -> None:
    assert shown(control(table_of(("a", 44), ("b", 0)), Known(), MINIMUM)) == {"a", "b"}


@pytest.mark.parametrize(("n", "goes"), [(1, True), (9, True), (10, False)])
def test_a_count_is_small_below_the_minimum(n: int, goes: bool) -> None:
    marks = control(table_of(("a", n)), Known(), MINIMUM)
    assert (marks.marks["a"] is Mark.WITHHELD) is goes


def test_the_smallest_other_cell_is_withheld_beside_a_total() -> None:
    table = table_of(("a", 25), ("b", 18), ("c", 4), ("all", 47), lines=(("all", "a", "b", "c"),))
    marks = control(table, Known(), MINIMUM)
    assert shown(marks) == {"a", "all"}
    assert marks.reasons == {
        ReasonCode.SMALL_CELL_SUPPRESSED,
        ReasonCode.COMPLEMENTARY_SUPPRESSION,
    }


def test_a_total_that_is_public_counts_as_shown() -> None:
    table = table_of(("a", 233), ("b", 7), ("c", 70), lines=(("t", "a", "b", "c"),))
    assert shown(control(table, Known({students("t"): 310}), MINIMUM)) == {"a"}
    assert shown(control(table, Known(), MINIMUM)) == {"a", "c"}


def test_a_cell_that_counts_nobody_is_no_cover() -> None:
    table = table_of(("a", 25), ("b", 0), ("c", 4), ("all", 29), lines=(("all", "a", "b", "c"),))
    assert shown(control(table, Known(), MINIMUM)) == {"b", "all"}


def test_two_small_cells_do_not_cover_each_other() -> None:
    """Of a rest of seven, each is between none and seven: too close together."""
    table = table_of(("a", 30), ("b", 3), ("c", 4), ("all", 37), lines=(("all", "a", "b", "c"),))
    assert shown(control(table, Known(), MINIMUM)) == {"all"}
    assert suffices(table, Known(), frozenset({"b", "c"}), MINIMUM)


def test_a_square_with_margins_needs_all_four_corners() -> None:
    """The cell and two neighbours are not enough: the fourth gives them all back."""
    table = table_of(
        *(("a", 4), ("b", 20), ("c", 30), ("d", 40)),
        *(("ab", 24), ("cd", 70), ("ac", 34), ("bd", 60)),
        lines=(("ab", "a", "b"), ("cd", "c", "d"), ("ac", "a", "c"), ("bd", "b", "d")),
    )
    assert not suffices(table, Known(), frozenset({"a", "b", "c"}), MINIMUM)
    assert suffices(table, Known(), frozenset({"a", "b", "c", "d"}), MINIMUM)
    assert len(control(table, Known(), MINIMUM).marked(Mark.WITHHELD)) == 3, "two cells, one total"


def test_what_everyone_can_work_out_takes_its_whole_line_along() -> None:
    table = table_of(("a", 25), ("b", 4), ("c", 44), lines=(("t", "a", "b"),))
    known = Known({students("t"): 29, students("a"): 25})
    assert shown(control(table, known, MINIMUM)) == {"c"}


def test_a_rate_of_all_is_masked_in_its_band() -> None:
    table = Table(
        {
            "housed": Cell("housed", "river", "housed", 402, 84),
            "homeless": Cell("homeless", "river", "homeless", 12, 12),
        }
    )
    marks = control(table, Known(), MINIMUM)
    assert marks.marks == {"housed": Mark.SHOWN, "homeless": Mark.MASKED}
    assert marks.reasons == {ReasonCode.HOMOGENEOUS_CELL_MASKED}


def test_a_masked_outcome_cannot_be_subtracted_from_its_total() -> None:
    cells = (
        Cell("housed", "river", "housed", 402, 84),
        Cell("homeless", "river", "homeless", 12, 12),
        Cell("all", "river", "all", 414, 96),
    )
    table = Table({c.cell_id: c for c in cells}, (("all", "housed", "homeless"),))
    marks = control(table, Known(), MINIMUM)
    assert marks.marks["homeless"] is not Mark.SHOWN
    assert not follows(table, seen(table, Known(), marks), outcomes("homeless"))


@pytest.mark.parametrize("numerator", [5, 35])
def test_few_with_an_outcome_or_without_are_small(numerator: int) -> None:
    table = Table({"a": Cell("a", "elm", "a", 40, numerator)})
    assert control(table, Known(), MINIMUM).reasons == {ReasonCode.SMALL_CELL_SUPPRESSED}


@pytest.mark.parametrize(("difference", "refused"), [(0, False), (1, True), (9, True), (10, False)])
def test_an_earlier_answer_about_almost_the_same_students_refuses_all(
    difference: int, refused: bool
) -> None:
    known = Known(earlier=(Earlier(60 + difference, difference),))
    marks = control(table_of(("a", 60)), known, MINIMUM)
    assert marks.nothing is refused
    assert marks.reasons == ({ReasonCode.DIFFERENCING_RISK} if refused else set())


@pytest.mark.parametrize(("contributed", "refused"), [(60, False), (55, True), (50, False)])
def test_what_the_requester_supplied_may_not_leave_a_small_rest(
    contributed: int, refused: bool
) -> None:
    marks = control(table_of(("a", 60)), Known(contributed=contributed), MINIMUM)
    assert marks.nothing is refused


def test_a_cell_that_the_requester_mostly_supplied_is_covered_like_a_small_one() -> None:
    cells = (
        Cell("a", "elm", "a", 40, contributed=35),
        Cell("b", "elm", "b", 50),
        Cell("all", "elm", "all", 90, contributed=35),
    )
    table = Table({c.cell_id: c for c in cells}, (("all", "a", "b"),))
    marks = control(table, Known(), MINIMUM)
    assert shown(marks) == {"all"}
    assert ReasonCode.DIFFERENCING_RISK in marks.reasons


def test_what_was_refused_before_stays_refused() -> None:
    marks = control(table_of(("a", 44), ("b", 61)), Known(held=frozenset({"a"})), MINIMUM)
    assert shown(marks) == {"b"}
