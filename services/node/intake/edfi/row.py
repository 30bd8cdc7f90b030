"""What the items of Ed-Fi are made into: the texts of one row, by the columns of its table."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from services.node.domain.intake import SourceRow
from services.node.domain.record_tables import RECORD_TABLES
from services.node.intake.edfi.items import Item
from services.node.intake.edfi.lookups import Lookups

Texts = Mapping[str, str | None]


class Row(NamedTuple):
    """The texts of one row; `refused` says why it is none, if it is none."""

    table: str
    texts: Texts
    refused: str = ""


Translate = Callable[[Item, Lookups], Iterator[Row]]

_COLUMNS = {name: table.column_names for name, table in RECORD_TABLES.items()}


def source_row(row: Row, file: str, line: int) -> SourceRow:
    """A row with the place that it was read at."""
    columns = _COLUMNS[row.table]
    return SourceRow(row.table, columns, file, line, list(map(row.texts.get, columns)))
