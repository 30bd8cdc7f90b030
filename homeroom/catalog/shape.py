"""What a dataset and its columns are, and the Arrow schema of an answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from homeroom.vocabulary import Element

SUBJECT_REF = "subject_ref"
"""The first column of every answer."""


OBLIGATIONS = "obligations"
"""The column of what a recipient has to do with a row, words joined by ';'."""

STATEMENT = "statement"
"""The column of what a family put on file against something that the row says."""

TOLD_BESIDE = (pa.field(OBLIGATIONS, pa.string()), pa.field(STATEMENT, pa.string()))
"""The last columns of an answer in which some row calls for something."""


class ValueKind(StrEnum):
    """What a column's values are."""

    TEXT = "text"
    DATE = "date"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


_ARROW_TYPE = {
    ValueKind.TEXT: pa.string(),
    ValueKind.DATE: pa.date32(),
    ValueKind.INTEGER: pa.int64(),
    ValueKind.NUMBER: pa.float64(),
    ValueKind.BOOLEAN: pa.bool_(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a dataset.

    Attributes:
        ceds_id: the number of the CEDS element; empty where CEDS has none.
        note: the values or the unit.
    """

    name: str
    element: Element
    kind: ValueKind
    ceds_id: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A named table of records about students.

    Attributes:
        row_element: the element that a row is; without it no row may leave, for the number of rows
            would tell it. None where a row says only that there is such a student.
    """

    name: str
    description: str
    row_element: Element | None
    columns: tuple[Column, ...]

    @property
    def elements(self) -> tuple[Element, ...]:
        """The elements that can be asked of it, in the order of its columns."""
        return tuple(dict.fromkeys(column.element for column in self.columns))

    def columns_of(self, elements: Iterable[str]) -> tuple[Column, ...]:
        """The columns of some elements, in the dataset's order."""
        wanted = set(elements)
        return tuple(column for column in self.columns if column.element in wanted)

    def schema_of(self, elements: Iterable[str]) -> pa.Schema:
        """The Arrow schema of an answer with some elements."""
        fields = [pa.field(SUBJECT_REF, pa.string(), nullable=False)]
        fields += [pa.field(c.name, _ARROW_TYPE[c.kind]) for c in self.columns_of(elements)]
        return pa.schema(fields)
