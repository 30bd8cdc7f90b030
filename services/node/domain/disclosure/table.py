"""A frozen table of counts or rates, what is known beside it, and what is left of it to show.

A cell counts students; where it has a rate, it also counts those with the outcome. A line says that
one count is the sum of others. Whoever sees some counts of a line can subtract.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from homeroom.vocabulary import ReasonCode

Line = tuple[str, ...]
"""The ids of a total and then of its parts; each a cell, or a count that stands elsewhere."""

_EQUAL = 2
"""The length of a line that says of two cells that they count the same."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One group of students, with its true count.

    Attributes:
        numerator: how many of them have the outcome; None where that is not counted in students.
        rate: the share with the outcome in percent, where only the share is known.
        contributed: how many of them the requester itself supplied, and so knows.
        differs_by: by how many students the group differs from one that was released before.
    """

    cell_id: str
    school: str
    group: str
    n: int
    numerator: int | None = None
    rate: Fraction | None = None
    contributed: int = 0
    differs_by: frozenset[int] = frozenset()

    @property
    def percent(self) -> Fraction | None:
        """The share with the outcome in percent; None for a plain count, or of nobody."""
        if self.numerator is not None:
            return Fraction(100 * self.numerator, self.n) if self.n else None
        return self.rate

    @property
    def has_outcome(self) -> bool:
        return self.numerator is not None or self.rate is not None


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a table and the lines that tie them, each by its id.

    Attributes:
        same: pairs of cells about the same students, though their outcomes are different things.
    """

    cells: Mapping[str, Cell]
    lines: tuple[Line, ...] = ()
    same: tuple[tuple[str, str], ...] = ()

    @property
    def totals(self) -> frozenset[str]:
        """The cells that are sums of others, which a reader would miss most."""
        return frozenset(line[0] for line in self.lines if len(line) > _EQUAL)


class Count(StrEnum):
    """What of a cell a number counts."""

    STUDENTS = "students"
    OUTCOMES = "outcomes"


class Quantity(NamedTuple):
    """A number that somebody may know or work out."""

    cell_id: str
    of: Count


def students(cell_id: str) -> Quantity:
    """How many students a cell counts."""
    return Quantity(cell_id, Count.STUDENTS)


def outcomes(cell_id: str) -> Quantity:
    """How many of a cell's students have the outcome."""
    return Quantity(cell_id, Count.OUTCOMES)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An answer that the same organization had before, about a group that overlaps this table's.

    Attributes:
        difference: how many students are in one of the two groups only.
    """

    n: int
    difference: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the requester knows, or can look up, beside what it is about to be shown.

    Attributes:
        quantities: counts that are public, or that it was shown of the same snapshot.
        held: cells that it was refused before; they stay withheld.
        earlier: answers about groups that overlap the table as a whole.
        contributed: how many of the students it supplied itself, wherever in the table they are.
    """

    quantities: Mapping[Quantity, int] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    earlier: tuple[Earlier, ...] = ()
    contributed: int = 0


class Mark(StrEnum):
    """What became of a cell."""

    SHOWN = "shown"
    MASKED = "masked"
    WITHHELD = "withheld"


@dataclass(frozen=True, slots=True)
class Control:
    """What may be shown of a table.

    Attributes:
        marks: what becomes of each cell.
        causes: why each that is withheld or masked is; never told cell by cell.
    """

    marks: Mapping[str, Mark]
    causes: Mapping[str, ReasonCode]

    @property
    def reasons(self) -> frozenset[ReasonCode]:
        return frozenset(self.causes.values())

    @property
    def nothing(self) -> bool:
        return all(mark is Mark.WITHHELD for mark in self.marks.values())

    def marked(self, mark: Mark) -> frozenset[str]:
        return frozenset(cell_id for cell_id, has in self.marks.items() if has is mark)
