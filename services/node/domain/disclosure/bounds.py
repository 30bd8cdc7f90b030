"""How many values a hidden number can still have, by whole numbers of students.

A number that does not follow may still be pinned to three or four values, since no count is below
zero. HiGHS looks for other tables that agree with all that is known. What it finds is checked here
in whole numbers, so that an error of rounding can make a number look tighter, never freer.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import highspy
import numpy as np
import numpy.typing as npt

from services.node.domain.disclosure.equations import Row
from services.node.domain.disclosure.table import Count, Known, Quantity, Table, outcomes, students

_FAR = 50
"""How many times the minimum a number may lie above the true one: enough, and never unbounded."""
_UNTOLD = 10**6
"""The highest value of a count that stands outside the table and that nobody is told."""
_MOST_NODES = 500
"""How long to look for one other table: after that a number counts as pinned."""

_TWIN = {Count.STUDENTS: Count.OUTCOMES, Count.OUTCOMES: Count.STUDENTS}

_Worlds = npt.NDArray[np.int64]

World = Mapping[Quantity, int]
"""Values of the open numbers that agree with all that is known."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is hidden at one stage of withholding.

    Attributes:
        open: the numbers that are not known.
        boxes: the lowest and highest value of a number that is shown as a range.
    """

    open: frozenset[Quantity]
    boxes: Mapping[Quantity, tuple[int, int]]


class Bounds:
    """The other tables found so far, a row for each; one serves for every number that it moves."""

    def __init__(self, table: Table, rows: Iterable[Row], known: Known, min_size: int) -> None:
        self._truth = {**dict(_counted(table)), **known.quantities}
        self._least = {students(c.cell_id): c.contributed for c in table.cells.values()}
        self._rows = [row for row in rows if self._auditable(row, table)]
        self._far = _FAR * min_size
        self._order = sorted({quantity for row in self._rows for quantity in row})
        self._places = {quantity: place for place, quantity in enumerate(self._order)}
        self._true = np.array([self._truth.get(q, 0) for q in self._order], dtype=np.int64)
        self._worlds = np.array([self._true])

    def pinned(self, hidden: Hidden, secrets: Mapping[Quantity, int]) -> Quantity | None:
        """The first secret that is left with values closer together than it needs."""
        tied = {q: width for q, width in secrets.items() if q in self._places and q in hidden.open}
        possible = self._possible(hidden)
        search = None
        for quantity in sorted(tied):
            for upwards in (True, False):
                if self._width(possible, quantity) >= tied[quantity]:
                    break
                search = search or self._search(hidden)
                world = search.furthest(quantity, upwards=upwards)
                if world is not None:
                    possible = np.vstack([possible, self._kept(world)])
            if self._width(possible, quantity) < tied[quantity]:
                return quantity
        return None

    def _width(self, worlds: _Worlds, quantity: Quantity) -> int:
        values = worlds[:, self._places[quantity]]
        return int(values.max() - values.min()) if len(values) else 0

    def _kept(self, world: World) -> _Worlds:
        """Keeps a table; what it says nothing of has its true value in it."""
        row = self._true.copy()
        for quantity, value in world.items():
            row[self._places[quantity]] = value
        self._worlds = np.vstack([self._worlds, row])
        kept: _Worlds = self._worlds[-1:]
        return kept

    def _possible(self, hidden: Hidden) -> _Worlds:
        """The tables found earlier that agree with what is known now."""
        closed = [place for q, place in self._places.items() if q not in hidden.open]
        agrees = (self._worlds[:, closed] == self._true[closed]).all(axis=1)
        for quantity, (low, high) in hidden.boxes.items():
            if quantity in self._places:
                values = self._worlds[:, self._places[quantity]]
                agrees &= (low <= values) & (values <= high)
        possible: _Worlds = self._worlds[agrees]
        return possible

    def _auditable(self, row: Row, table: Table) -> bool:
        """Whether a line is about whole numbers, and true: a public total may be of another day."""
        if any(
            q.of is Count.OUTCOMES and q.cell_id in table.cells and q not in self._truth
            for q in row
        ):
            return False
        if any(quantity not in self._truth for quantity in row):
            return True
        return not sum(c * self._truth[quantity] for quantity, c in row.items())

    def _search(self, hidden: Hidden) -> "_Search":
        """The question put to HiGHS: bounds of the hidden numbers, and what ties them."""
        search = _Search()
        for quantity in sorted(hidden.open & self._places.keys()):
            search.add(quantity, *self._range(quantity, hidden))
        for row in self._rows:
            rest = -sum(c * self._truth[q] for q, c in row.items() if q not in hidden.open)
            search.tie({q: c for q, c in row.items() if q in hidden.open}, rest, rest)
        for low, high in self._nested(hidden):
            search.tie({low: 1, high: -1}, -_UNTOLD, 0)
        return search

    def _range(self, quantity: Quantity, hidden: Hidden) -> tuple[int, int]:
        low, high = hidden.boxes.get(quantity, (self._least.get(quantity, 0), _UNTOLD))
        if quantity in self._truth:
            high = min(high, self._truth[quantity] + self._far)
        # There are never more outcomes than students, whichever of the two is known.
        twin = Quantity(quantity.cell_id, _TWIN[quantity.of])
        if twin in self._truth and twin not in hidden.open:
            beside = self._truth[twin]
            return (
                (low, min(high, beside)) if twin.of is Count.STUDENTS else (max(low, beside), high)
            )
        return low, high

    def _nested(self, hidden: Hidden) -> Iterator[tuple[Quantity, Quantity]]:
        """The hidden outcomes of hidden groups: never more of them than students."""
        for quantity in sorted(hidden.open & self._places.keys()):
            group = students(quantity.cell_id)
            if quantity.of is Count.OUTCOMES and group in hidden.open & self._places.keys():
                yield quantity, group


class _Search:
    """One system of whole numbers in HiGHS, asked for the least and the most of each."""

    def __init__(self) -> None:
        self._places: dict[Quantity, int] = {}
        self._ranges: dict[Quantity, tuple[int, int]] = {}
        self._ties: list[tuple[Row, int, int]] = []
        self._solver = highspy.Highs()  # type: ignore[no-untyped-call]  # HiGHS' own
        self._solver.setOptionValue("output_flag", False)
        self._solver.setOptionValue("threads", 1)
        self._solver.setOptionValue("mip_max_nodes", _MOST_NODES)

    def add(self, quantity: Quantity, low: int, high: int) -> None:
        self._places[quantity] = len(self._places)
        self._ranges[quantity] = (low, high)
        self._solver.addCol(0.0, low, high, 0, [], [])

    def tie(self, row: Row, low: int, high: int) -> None:
        if not row:
            return
        self._ties.append((row, low, high))
        columns = [self._places[quantity] for quantity in row]
        self._solver.addRow(low, high, len(row), columns, [float(c) for c in row.values()])

    def furthest(self, quantity: Quantity, *, upwards: bool) -> World | None:
        """A table with the most, or the least, of one number; None if none is found."""
        sense = highspy.ObjSense.kMaximize if upwards else highspy.ObjSense.kMinimize
        self._solver.changeObjectiveSense(sense)
        self._solver.changeColCost(self._places[quantity], 1.0)
        # Corners of the relaxed problem are whole numbers for most tables, and cheap.
        world = self._solved() or self._solved_in_whole_numbers()
        self._solver.changeColCost(self._places[quantity], 0.0)
        return world

    def _solved(self) -> World | None:
        self._solver.run()
        solution = self._solver.getSolution()
        if not solution.value_valid:
            return None
        world = dict(zip(self._ranges, map(round, solution.col_value), strict=True))
        return world if self._admits(world) else None

    def _solved_in_whole_numbers(self) -> World | None:
        self._set_kind(highspy.HighsVarType.kInteger)
        world = self._solved()
        self._set_kind(highspy.HighsVarType.kContinuous)
        return world

    def _set_kind(self, kind: highspy.HighsVarType) -> None:
        for place in range(len(self._places)):
            self._solver.changeColIntegrality(place, kind)

    def _admits(self, world: World) -> bool:
        return all(low <= world[q] <= high for q, (low, high) in self._ranges.items()) and all(
            low <= sum(c * world[q] for q, c in row.items()) <= high
            for row, low, high in self._ties
        )


def _counted(table: Table) -> Iterator[tuple[Quantity, int]]:
    for cell in table.cells.values():
        yield students(cell.cell_id), cell.n
        if cell.numerator is not None:
            yield outcomes(cell.cell_id), cell.numerator
