"""The frozen table of a case, what is known beside it, and what can be computed of its cells."""

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction

from homeroom.vocabulary import Element
from services.node.domain.aggregates import FrozenTable
from services.node.domain.disclosure.table import Cell, students
from services.node.store.aggregates import AggregateStore
from tools.law.case import Case, Facts

TABLE = "asked"
"""What the question calls the table."""


def seat_table(case: Case, store: AggregateStore, requester: str, dataset: str) -> None:
    """Freezes the table, and notes what the requester had before and what it supplied."""
    request = case.request
    public = request["totals_public_elsewhere"] or ()
    table = FrozenTable(
        name=TABLE,
        measure=TABLE,
        dataset=dataset,
        elements=frozenset(map(Element, request["elements"])),
        cells=tuple(map(_cell, request["cells"])),
        lines=tuple(map(tuple, request["sum_lines"] or ())),
        public={students(total["id"]): total["n"] for total in public},
    )
    store.freeze([table], case.now)
    earlier, supplied = request["prior_release"], request["requester_contributes"]
    if earlier is not None and earlier["same_requester"]:
        store.note_earlier(requester, TABLE, earlier["n"], earlier["difference_n"])
    if supplied is not None:
        store.note_contribution(requester, TABLE, supplied)


def _cell(facts: Facts) -> Cell:
    rate = facts.get("rate_percent")
    return Cell(
        cell_id=facts["id"],
        school=facts["school"],
        group=facts["group"],
        n=facts["n"],
        rate=None if rate is None else Fraction(str(rate)),
    )


def computable(case: Case, shown: Collection[str]) -> frozenset[str]:
    """The cells whose counts follow from those that were shown and from public totals.

    By linear algebra over the case's own lines, apart from what the node reckons with.
    """
    request = case.request
    public = [total["id"] for total in request["totals_public_elsewhere"] or ()]
    known = {*shown, *public}
    unknown = sorted({name for line in request["sum_lines"] or () for name in line} - known)
    rows = [
        [Fraction(-1 if name == line[0] else line[1:].count(name)) for name in unknown]
        for line in request["sum_lines"] or ()
    ]
    return frozenset(name for place, name in enumerate(unknown) if _follows(rows, place))


def _follows(rows: Iterable[list[Fraction]], place: int) -> bool:
    """Whether the unknown at a place has one value only: its unit vector is a sum of rows."""
    reduced: dict[int, list[Fraction]] = {}
    for row in rows:
        left = _reduced(list(row), reduced)
        pivot = next((i for i, value in enumerate(left) if value), None)
        if pivot is not None:
            reduced[pivot] = [value / left[pivot] for value in left]
    wanted = [Fraction(0)] * len(next(iter(reduced.values()), []))
    if not wanted:
        return False
    wanted[place] = Fraction(1)
    return not any(_reduced(wanted, reduced))


def _reduced(row: list[Fraction], by: Mapping[int, list[Fraction]]) -> list[Fraction]:
    for pivot in sorted(by):
        factor = row[pivot]
        if factor:
            row = [a - factor * b for a, b in zip(row, by[pivot], strict=True)]
    return row
