"""Which rows a decision lets leave: the selection, its reader, and who is covered."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from homeroom.catalog import SUBJECT_REF, Dataset
from homeroom.question import Period
from homeroom.vocabulary import Element
from services.node.domain.decision import Schools

ROWS_PER_BATCH = 4_096
"""About 256 KiB of attendance: large enough that sealing and framing cost little per row."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows may leave, by what was decided; consents narrow it further, student by student.

    Attributes:
        elements: those that may leave, for students whose family allows them.
        subject_refs: the students asked for; None means everyone who is covered.
        instant: the moment at which grants must be valid.
    """

    dataset: Dataset
    elements: frozenset[Element]
    recipient: str
    purpose: str
    schools: Schools
    subject_refs: tuple[str, ...] | None
    period: Period | None
    instant: dt.datetime

    @property
    def schema(self) -> pa.Schema:
        return self.dataset.schema_of(self.elements)


Covered = Mapping[str, frozenset[Element]]
"""For each subject_ref the elements that may leave now."""


class RowReader(Protocol):
    """The rows of one selection, a batch at a time, all from one state of the database."""

    async def next_batch(self) -> pa.RecordBatch | None:
        """The next batch, in the selection's schema; None after the last."""
        ...

    async def close(self) -> None:
        """Ends the read, finished or not."""
        ...


class Records(Protocol):
    """The node's records, as an answer reads them."""

    async def open(self, selection: Selection) -> RowReader:
        """Begins to read a selection, joined to the grants valid at its instant."""
        ...

    async def covered(self, selection: Selection) -> Covered:
        """Who is covered at the selection's instant, and by which elements."""
        ...


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What is still permitted in the middle of an answer; it can only take away."""

    covered: Covered
    dataset: Dataset

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Drops the rows, and blanks the values, that are no longer permitted."""
        row_element = self.dataset.row_element
        refs = [
            ref
            for ref, elements in self.covered.items()
            if row_element is None or row_element in elements
        ]
        batch = batch.filter(pc.is_in(batch.column(SUBJECT_REF), pa.array(refs, pa.string())))
        for column in self.dataset.columns:
            if column.name in batch.schema.names:
                batch = self._blank(batch, column.name, column.element)
        return batch

    def _blank(self, batch: pa.RecordBatch, name: str, element: Element) -> pa.RecordBatch:
        permitted = [ref for ref, elements in self.covered.items() if element in elements]
        if len(permitted) == len(self.covered):
            return batch
        keep = pc.is_in(batch.column(SUBJECT_REF), pa.array(permitted, pa.string()))
        place = batch.schema.get_field_index(name)
        empty = pa.scalar(None, batch.schema.field(place).type)
        return batch.set_column(
            place, batch.schema.field(place), pc.if_else(keep, batch.column(place), empty)
        )


def still_permits(now: Selection, begun: Selection) -> bool:
    """Whether what is permitted now includes all that an answer was begun with."""
    return (
        now.elements >= begun.elements
        and now.schools & begun.schools == begun.schools
        and _covers(now.period, begun.period)
    )


def _covers(now: Period | None, begun: Period | None) -> bool:
    if now is None or begun is None:
        return now is None
    return now.start_date <= begun.start_date and begun.end_date <= now.end_date
