"""Counts as answers: one frozen table, controlled for one organization, and told once.

What an organization was shown of a snapshot counts as known when it asks for another table of it,
so that two tables give away no more than one. What it was told it is told again, word for word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import pyarrow as pa

from homeroom.levels import CELL_SCHEMA
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.decision import Schools
from services.node.domain.disclosure.bands import band_of
from services.node.domain.disclosure.control import control
from services.node.domain.disclosure.primary import refuses_everything
from services.node.domain.disclosure.table import (
    Cell,
    Control,
    Earlier,
    Known,
    Line,
    Mark,
    Quantity,
    Table,
)

MOST_TABLES = 200
"""How many tables of one snapshot an organization is told, whoever of it asks."""


@dataclass(frozen=True, slots=True)
class FrozenTable:
    """A table as it is frozen.

    Attributes:
        name: what a question calls it.
        measure: what its outcomes are; tables of one measure count the same in the same group.
        elements: what a decision must grant before it is told.
        members: the keys of the students of each cell, where they are known.
        public: the counts that anyone can look up, of cells or of totals beside them.
    """

    name: str
    measure: str
    dataset: str
    elements: frozenset[Element]
    cells: tuple[Cell, ...]
    lines: tuple[Line, ...] = ()
    members: Mapping[str, frozenset[int]] = field(default_factory=dict)
    public: Mapping[Quantity, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """What an organization was told of a table.

    Attributes:
        min_size: by which minimum.
    """

    marks: Mapping[str, Mark]
    reasons: frozenset[ReasonCode]
    min_size: int


@dataclass(frozen=True, slots=True)
class AskedTable:
    """A table as one organization asks for it.

    Attributes:
        own: the table's cells, in their order.
        around: the same cells, those of the tables that it was told before, and what ties them.
        known: what it knows of them all.
        earlier, contributed: what it had before and supplied, of the table as a whole.
        before: how many tables of the snapshot it was told.
    """

    table_key: int
    dataset: str
    elements: frozenset[Element]
    own: Mapping[str, Cell]
    around: Table
    known: Known
    earlier: tuple[Earlier, ...] = ()
    contributed: int = 0
    settled: Settled | None = None
    before: int = 0


@dataclass(frozen=True, slots=True)
class TableRelease:
    """A line of the release ledger: what an organization is told of a table.

    Attributes:
        before: how many tables it had been told when this was settled.
    """

    requester: str
    table_key: int
    settled: Settled
    before: int


class AggregateShelf(Protocol):
    """Where frozen tables are kept, and what each organization was told of them."""

    async def asked(self, requester: str, name: str, min_size: int) -> AskedTable | None:
        """The newest table of a name, with what the requester knows beside it."""
        ...


def settle(asked: AskedTable, min_size: int) -> Settled:
    """What the requester is told: what it was told before, or what disclosure control leaves."""
    before = asked.settled
    if before is not None and before.min_size >= min_size:
        return before
    if before is None and asked.before >= MOST_TABLES:
        return _refused(asked, min_size)
    whole = Known(earlier=asked.earlier, contributed=asked.contributed)
    if refuses_everything(asked.own.values(), whole, min_size):
        return _refused(asked, min_size)
    known = asked.known
    if before is not None:
        hidden = {cell_id for cell_id, mark in before.marks.items() if mark is Mark.WITHHELD}
        known = replace(known, held=known.held | hidden)
    return _of_own(control(asked.around, known, min_size), asked, min_size)


def in_scope(asked: AskedTable, schools: Schools) -> frozenset[str]:
    """The cells about schools that may be told of, and the totals of such cells alone."""
    if schools.only is None:
        return frozenset(asked.own)
    found = {cell_id for cell_id, cell in asked.own.items() if cell.school in schools.only}
    while True:
        more = {
            total
            for total, *parts in asked.around.lines
            if total in asked.own and found.issuperset(parts)
        }
        if more <= found:
            return frozenset(found)
        found |= more


def rows_of(asked: AskedTable, settled: Settled, told: frozenset[str]) -> pa.RecordBatch:
    """The rows of an answer; a cell that is withheld looks alike whatever is in it."""
    rows = [
        _row(cell_id, cell, settled.marks[cell_id])
        for cell_id, cell in asked.own.items()
        if cell_id in told
    ]
    columns = [[row[name] for row in rows] for name in CELL_SCHEMA.names]
    return pa.RecordBatch.from_arrays(
        [pa.array(values, kind) for values, kind in zip(columns, CELL_SCHEMA.types, strict=True)],
        schema=CELL_SCHEMA,
    )


def _row(cell_id: str, cell: Cell, mark: Mark) -> dict[str, object]:
    low = high = None
    if mark is Mark.SHOWN and cell.percent is not None:
        low = high = float(cell.percent)
    elif mark is Mark.MASKED and (band := band_of(cell)) is not None:
        low, high = map(float, band)
    return {
        "cell": cell_id.partition("/")[2],
        "school": cell.school,
        "group": cell.group,
        "n": None if mark is Mark.WITHHELD else cell.n,
        "rate_low": low,
        "rate_high": high,
        "marker": str(mark),
    }


def _refused(asked: AskedTable, min_size: int) -> Settled:
    return Settled(
        dict.fromkeys(asked.own, Mark.WITHHELD),
        frozenset({ReasonCode.DIFFERENCING_RISK}),
        min_size,
    )


def _of_own(found: Control, asked: AskedTable, min_size: int) -> Settled:
    return Settled(
        {cell_id: found.marks[cell_id] for cell_id in asked.own},
        frozenset(code for cell_id, code in found.causes.items() if cell_id in asked.own),
        min_size,
    )
