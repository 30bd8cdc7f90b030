"""Which numbers follow from others by the lines of a table: exact linear algebra over integers.

A number is open if it is not known. The lines are solved for the open ones; a row of the reduced
system with a single open number gives that number away, and the known numbers in the row are what
it was worked out from.
"""

from collections.abc import Collection, Iterable, Mapping
from math import gcd

from services.node.domain.disclosure.table import Count, Line, Quantity, Table

Row = dict[Quantity, int]
"""The coefficients of an equation whose sum is zero."""


def equations_of(table: Table) -> list[Row]:
    """The lines of a table as equations: of the students, and of those with the outcome."""
    with_outcome = {cell.cell_id for cell in table.cells.values() if cell.has_outcome}
    rows = []
    for line in table.lines:
        rows.append(_row(line, Count.STUDENTS))
        if with_outcome & set(line):
            rows.append(_row(line, Count.OUTCOMES))
    return rows + [_row(pair, Count.STUDENTS) for pair in table.same]


def given_away(
    rows: Iterable[Row], known: Collection[Quantity]
) -> Mapping[Quantity, frozenset[Quantity]]:
    """The open numbers that follow from known ones, each with those it follows from."""
    reduced = _reduced([dict(row) for row in rows], known)
    found = {}
    for pivot, row in reduced.items():
        others = [quantity for quantity in row if quantity != pivot]
        if all(quantity in known for quantity in others):
            found[pivot] = frozenset(others)
    return found


def parts_of(rows: Iterable[Row]) -> Mapping[Quantity, int]:
    """For each number the part of the table it stands in; no equation ties two parts."""
    part: dict[Quantity, int] = {}
    members: dict[int, list[Quantity]] = {}
    for number, row in enumerate(rows):
        joined = {part[quantity] for quantity in row if quantity in part}
        members[number] = [quantity for quantity in row if quantity not in part]
        for other in joined:
            members[number] += members.pop(other)
        part.update(dict.fromkeys(members[number], number))
    return part


def _row(line: Line, count: Count) -> Row:
    row: Row = {}
    for place, cell_id in enumerate(line):
        quantity = Quantity(cell_id, count)
        row[quantity] = row.get(quantity, 0) + (-1 if place == 0 else 1)
    return {quantity: coefficient for quantity, coefficient in row.items() if coefficient}


def _reduced(rows: list[Row], known: Collection[Quantity]) -> Mapping[Quantity, Row]:
    """Gauss and Jordan's elimination on the open numbers: each pivot stands in its row alone."""
    reduced: dict[Quantity, Row] = {}
    standing: dict[Quantity, set[Quantity]] = {}
    for row in rows:
        for pivot in [quantity for quantity in row if quantity in reduced]:
            _eliminate(row, reduced[pivot], pivot)
        pivot_here = min((q for q in row if q not in known), default=None)
        if pivot_here is None:
            continue
        for other in sorted(standing.pop(pivot_here, ())):
            _eliminate(reduced[other], row, pivot_here)
            _note(standing, other, reduced[other], known)
        reduced[pivot_here] = row
        _note(standing, pivot_here, row, known)
    return reduced


def _note(
    standing: dict[Quantity, set[Quantity]],
    pivot: Quantity,
    row: Row,
    known: Collection[Quantity],
) -> None:
    """Keeps in which rows an open number may stand beside their pivot."""
    for quantity in row:
        if quantity != pivot and quantity not in known:
            standing.setdefault(quantity, set()).add(pivot)


def _eliminate(row: Row, other: Row, pivot: Quantity) -> None:
    """Takes a multiple of another row from a row, so that the pivot is gone from it."""
    here = row.get(pivot, 0)
    if not here:
        return
    there = other[pivot]
    for quantity in row:
        row[quantity] *= there
    for quantity, coefficient in other.items():
        row[quantity] = row.get(quantity, 0) - here * coefficient
    divisor = gcd(*row.values()) or 1
    for quantity in list(row):
        if row[quantity]:
            row[quantity] //= divisor
        else:
            del row[quantity]
