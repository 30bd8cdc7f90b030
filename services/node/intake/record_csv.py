"""Reads the records' own CSV form: a folder with one `<table>.csv` for each table.

The header names the columns; an empty cell is a null. Files for no table are passed over.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import SourceMemory, SourceRow
from services.node.domain.intake_report import Rejection
from services.node.domain.record_tables import RECORD_TABLES, RecordTable
from services.node.intake.file_set import FileSet, SetFile
from services.node.intake.sensitive import is_sensitive_name
from services.node.intake.texts import folded, opened, without_padding

if TYPE_CHECKING:
    from _csv import Reader as CsvReader  # the class has no public name before Python 3.13


class RecordCsv:
    """The rows of a set of CSV files."""

    position: str | None = None

    def __init__(self, path: Path, *, bulk: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._bulk = bulk
        files: dict[str, SetFile] = {}
        for file in FileSet(path, ".csv"):
            if files.setdefault(PurePosixPath(file.name).stem, file) is not file:
                raise RequestInvalidError("two files are of one table", file=file.name)
        for name in files.keys() - RECORD_TABLES.keys():
            self.skipped[f"{name}.csv"] += 1
        self._files = [
            (table, files[name]) for name, table in RECORD_TABLES.items() if name in files
        ]

    @property
    def complete(self) -> Mapping[str, bool]:
        """The tables that have a file, if the files are said to be all there is."""
        return {table.name: False for table, _ in self._files} if self._bulk else {}

    def rows(self, _memory: SourceMemory) -> Iterator[SourceRow | Rejection]:
        """The rows of every file, students before what is about them."""
        for table, file in self._files:
            with opened(file) as text:
                yield from self._rows_of(table, file, text)

    def _rows_of(
        self, table: RecordTable, file: SetFile, text: io.TextIOWrapper
    ) -> Iterator[SourceRow | Rejection]:
        reader = csv.reader(text)
        header = _header(table, next(reader, []))
        missing = [name for name in table.key if name not in header]
        if missing:
            yield Rejection(table.name, file.name, 1, missing[0], "the file has no such column")
            return
        places, refused = _places(table, header, file)
        yield from refused
        columns = tuple(header[place] for place in places)
        sensitive = {p: n for p, n in enumerate(header) if is_sensitive_name(n)}
        every_cell = places == list(range(len(header)))
        for line, cells in _lines(reader, len(header)):
            if len(cells) != len(header):
                reason = "has not as many cells as the header"
                yield Rejection(table.name, file.name, line, "", reason)
                continue
            if sensitive:
                self._drop(sensitive, cells)
            values = cells if every_cell else [cells[p] for p in places]
            yield SourceRow(table.name, columns, file.name, line, values)

    def _drop(self, sensitive: dict[int, str], cells: Sequence[str]) -> None:
        for place, name in sensitive.items():
            if cells[place].strip():
                self.dropped[name] += 1


def _lines(reader: "CsvReader", columns: int) -> Iterator[tuple[int, list[str]]]:
    """The lines that have cells, with their numbers; one that is no CSV has too few cells."""
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = [""]
        if cells is None:
            return
        if len(cells) > columns:
            cells = without_padding(cells, columns)
        if cells:
            yield reader.line_num, cells


def _header(table: RecordTable, cells: Sequence[str]) -> list[str]:
    """The names of the columns; ours are known however a table program wrote them."""
    ours = set(table.column_names)
    return [name if (name := folded(cell)) in ours else cell.strip() for cell in cells]


def _places(
    table: RecordTable, header: Sequence[str], file: SetFile
) -> tuple[list[int], list[Rejection]]:
    """Which cells of a line to read, and a rejection for each unknown or repeated column.

    A rejected column is told by its place: without a header, the first line is a person's.
    """
    places: list[int] = []
    refused: list[Rejection] = []
    known = set(table.column_names)
    for place, name in enumerate(header):
        if name in known:
            known.discard(name)
            places.append(place)
        elif name and not is_sensitive_name(name):
            column = f"column {place + 1}"
            refused.append(Rejection(table.name, file.name, 1, column, "the table has none such"))
    return places, refused
