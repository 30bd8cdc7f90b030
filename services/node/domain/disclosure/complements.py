"""Which further cells are withheld, so that no protected number can be worked out of the rest.

Small tables are searched for the fewest cells; large ones are covered step by step. At the end
whatever can be shown after all is shown again, so that nothing is withheld for nothing: no larger
part of the table would be safe. Cells that count nobody are no cover, for they may be known to.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from services.node.domain.disclosure.bounds import Bounds, Hidden
from services.node.domain.disclosure.equations import (
    equations_of,
    given_away,
    parts_of,
)
from services.node.domain.disclosure.table import (
    Known,
    Quantity,
    Table,
    outcomes,
    students,
)

_MOST_LOOKS = 400
"""How many sets of cells to try for the fewest, before covering step by step."""
_DEEPEST = 4
"""The largest number of further cells that is searched for the fewest."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What has to be protected in a table, and what is known of it.

    Attributes:
        withheld: cells that go for their own sake.
        boxes: of each masked cell, the fewest and most outcomes that its range leaves.
        secrets: numbers that must not be known, each with how many values it must leave.
    """

    table: Table
    known: Known
    withheld: frozenset[str]
    boxes: Mapping[str, tuple[int, int]]
    secrets: Mapping[Quantity, int]
    min_size: int


def complements(problem: Problem) -> frozenset[str]:
    """The cells to withhold beside those that go for their own sake."""
    return _Cover(problem).found()


def exposed_by(problem: Problem, withheld: frozenset[str]) -> Collection[Quantity]:
    """The secrets that follow by the lines if these cells, and those of the problem, are hidden."""
    return _Cover(problem).exposed(withheld - problem.withheld).keys()


class _Cover:
    """The search for one table."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._cells = problem.table.cells
        self._totals = problem.table.totals
        self._rows = equations_of(problem.table)
        self._lines = _lines_by_cell(problem.table)
        self._bounds = Bounds(problem.table, self._rows, problem.known, problem.min_size)
        self._all = frozenset(q for row in self._rows for q in row) | problem.secrets.keys()
        self._parts = parts_of([*self._rows, *({secret: 1} for secret in problem.secrets)])
        self._lost: set[int] = set()
        self._looks = 0

    def found(self) -> frozenset[str]:
        extra = self._fewest() if len(self.exposed(frozenset())) <= 2 * _DEEPEST else None
        if extra is None:
            extra = self._step_by_step(frozenset())
        extra = self._widened(extra)
        return self._without_what_is_idle(extra) | self._of_lost_parts()

    # What follows from what is shown.

    def _open(self, extra: frozenset[str]) -> frozenset[Quantity]:
        """The numbers that are not known when these cells are withheld too."""
        hidden = self._problem.withheld | extra
        shown: set[Quantity] = set()
        for cell in self._cells.values():
            if cell.cell_id not in hidden:
                shown.add(students(cell.cell_id))
                if cell.has_outcome and cell.cell_id not in self._problem.boxes:
                    shown.add(outcomes(cell.cell_id))
        return self._all - shown - self._problem.known.quantities.keys()

    def exposed(self, extra: frozenset[str]) -> Mapping[Quantity, frozenset[Quantity]]:
        """The secrets that somebody can work out, each with the numbers it is worked out from."""
        open_ = self._open(extra)
        known = self._all - open_
        told = given_away(self._rows, known)
        exposed = {}
        for secret in self._secrets():
            if secret not in open_:
                exposed[secret] = frozenset({secret})
            elif secret in told:
                exposed[secret] = told[secret]
        return exposed

    def _pinned(self, extra: frozenset[str]) -> Quantity | None:
        """A secret that has too few possible values."""
        open_ = self._open(extra)
        boxes = {
            outcomes(cell_id): box
            for cell_id, box in self._problem.boxes.items()
            if cell_id not in extra and outcomes(cell_id) in open_
        }
        secrets = {q: self._problem.secrets[q] for q in self._secrets()}
        return self._bounds.pinned(Hidden(open_, boxes), secrets)

    def _secrets(self) -> list[Quantity]:
        """What can still be protected: not what is lost by what everyone knows."""
        return sorted(q for q in self._problem.secrets if self._parts[q] not in self._lost)

    # Which cell to withhold.

    def _candidates(self, numbers: Iterable[Quantity], extra: frozenset[str]) -> list[str]:
        """The shown cells that some numbers are of, and that withholding would hide."""
        gone = self._problem.withheld | extra
        return sorted(
            {
                q.cell_id
                for q in numbers
                if q.cell_id in self._cells
                and q.cell_id not in gone
                and self._cells[q.cell_id].n > 0
                and q not in self._problem.known.quantities
            }
        )

    def _loss(self, cell_id: str) -> tuple[bool, int, str]:
        return cell_id in self._totals, self._cells[cell_id].n, cell_id

    def _fewest(self) -> frozenset[str] | None:
        """The smallest set of cells that covers; None if it would take too long to find."""
        for size in range(_DEEPEST + 1):
            found = [*self._covers(frozenset(), size)]
            if self._looks > _MOST_LOOKS:
                return None
            if found:
                return min(found, key=self._loss_of_all)
        return None

    def _loss_of_all(self, extra: frozenset[str]) -> tuple[int, int, list[str]]:
        return (
            len(extra & self._totals),
            sum(self._cells[cell_id].n for cell_id in extra),
            sorted(extra),
        )

    def _covers(self, extra: frozenset[str], more: int) -> Iterator[frozenset[str]]:
        """Every cover with so many more cells: each must break the first exposure somewhere."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            return
        exposed = self.exposed(extra)
        if not exposed:
            yield extra
        elif more:
            for cell_id in self._candidates(exposed[min(exposed)], extra):
                yield from self._covers(extra | {cell_id}, more - 1)

    def _step_by_step(self, extra: frozenset[str]) -> frozenset[str]:
        """Withholds one cell for each exposure until there is none."""
        while exposed := self.exposed(extra):
            before = extra
            for secret, numbers in sorted(exposed.items()):
                if any(number.cell_id in extra - before for number in numbers):
                    continue
                extra = self._with_one_more(secret, numbers, extra)
        return extra

    def _widened(self, extra: frozenset[str]) -> frozenset[str]:
        """Withholds more while a secret has too few possible values."""
        while pinned := self._pinned(extra):
            near = {
                Quantity(cell_id, pinned.of)
                for line in self._lines.get(pinned.cell_id, ())
                for cell_id in line
            }
            if not self._candidates(near, extra):
                near = self._same_part(pinned)
            extra = self._with_one_more(pinned, near, extra)
        return extra

    def _with_one_more(
        self, secret: Quantity, numbers: Iterable[Quantity], extra: frozenset[str]
    ) -> frozenset[str]:
        candidates = self._candidates(numbers, extra)
        if not candidates:
            # What everyone knows already gives it away: nothing that touches it is shown.
            self._lost.add(self._parts[secret])
            return extra
        return extra | {min(candidates, key=lambda c: (self._bares(c, extra), *self._loss(c)))}

    def _bares(self, cell_id: str, extra: frozenset[str]) -> int:
        """How many lines of a cell would have it as their only gap, and so give it back."""
        gone = self._problem.withheld | extra
        return sum(not gone & set(line) for line in self._lines.get(cell_id, ()))

    def _without_what_is_idle(self, extra: frozenset[str]) -> frozenset[str]:
        """Shows again, dearest first, what need not be withheld."""
        for cell_id in sorted(extra, key=self._loss, reverse=True):
            fewer = extra - {cell_id}
            if not self.exposed(fewer) and self._pinned(fewer) is None:
                extra = fewer
        return extra

    def _same_part(self, secret: Quantity) -> set[Quantity]:
        part = self._parts[secret]
        return {quantity for quantity, number in self._parts.items() if number == part}

    def _of_lost_parts(self) -> frozenset[str]:
        return frozenset(
            quantity.cell_id
            for quantity, part in self._parts.items()
            if part in self._lost and quantity.cell_id in self._cells
        )


def _lines_by_cell(table: Table) -> Mapping[str, list[tuple[str, ...]]]:
    lines: dict[str, list[tuple[str, ...]]] = {}
    for line in table.lines:
        for cell_id in line:
            lines.setdefault(cell_id, []).append(line)
    return lines
