"""Reads any export of a school information system by a map of its columns and codes."""

import csv
import fnmatch
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import Piece, SourceMemory, SourceRow
from services.node.domain.intake_report import Notice, Rejection
from services.node.domain.record_tables import RECORD_TABLES
from services.node.intake.file_set import FileSet, SetFile
from services.node.intake.mapped_csv.attendance_days import DayKey, PeriodDays
from services.node.intake.mapped_csv.expressions import Cells, Compiler, Evaluate, Tables
from services.node.intake.mapped_csv.map_file import (
    MappedFile,
    Rows,
    read_map,
    ready_maps,
)
from services.node.intake.sensitive import is_sensitive_name
from services.node.intake.texts import opened, without_padding

__all__ = ["MappedCsv", "ready_maps"]

_SUFFIXES = (".csv", ".tsv", ".txt")
_ORDER = {name: place for place, name in enumerate(RECORD_TABLES)}


class MappedCsv:
    """The rows of the files of an export."""

    position: str | None = None

    def __init__(self, path: Path, mapping: str, *, bulk: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._map = read_map(mapping)
        self._bulk = bulk
        files = list(FileSet(path, *_SUFFIXES))
        self._files = [
            (mapped, file)
            for mapped in self._map.files
            for file in files
            if _is(file, mapped.match)
        ]
        if not self._files:
            raise RequestInvalidError("no file is one of the map's", field="path")
        self._lookups = {
            name: (lookup.key, [file for file in files if _is(file, lookup.match)])
            for name, lookup in self._map.lookups.items()
        }
        self._read = {file.name for _, file in self._files}
        read = set(self._read)
        read |= {file.name for _, found in self._lookups.values() for file in found}
        self.skipped.update(file.name for file in files if file.name not in read)

    @property
    def complete(self) -> Mapping[str, bool]:
        """The tables of files that are all there is; each asks before it shrinks."""
        return {
            rows.table: False
            for mapped, _ in self._files
            if mapped.bulk or self._bulk
            for rows in mapped.rows
        }

    def rows(self, _memory: SourceMemory) -> Iterator[Piece]:
        """The rows of every file, students before what is about them."""
        tables = self._tables()
        steps = [
            (_ORDER[rows.table], place, mapped, file, rows)
            for place, (mapped, file) in enumerate(self._files)
            for rows in mapped.rows
        ]
        counted: set[str] = set()
        for _, _, mapped, file, rows in sorted(steps, key=lambda step: step[:2]):
            yield from self._rows_of(mapped, file, rows, tables, counted)
            counted.add(file.name)

    def _rows_of(
        self, mapped: MappedFile, file: SetFile, rows: Rows, tables: Tables, counted: set[str]
    ) -> Iterator[Piece]:
        with self._lines(file, mapped.header) as (header, lines):
            sensitive = {p: n for p, n in enumerate(header) if is_sensitive_name(n)}
            compiler = Compiler(header, self._map.codes, tables, self._map.dialect.dates)
            reading = _Reading(rows, compiler)
            for name in reading.without:
                yield Notice(rows.table, file.name, 1, name, "is of a column that the file has not")
            if reading.cannot:
                reason = "is of a column that the file has not"
                yield Rejection(rows.table, file.name, 1, reading.cannot, reason)
                return
            for line, cells in lines:
                if len(cells) != len(header):
                    if file.name not in counted:
                        reason = "has not as many cells as the header"
                        yield Rejection(rows.table, file.name, line, "", reason)
                    continue
                if sensitive and file.name not in counted:
                    self._drop(sensitive, cells)
                if reading.wanted(cells):
                    yield from reading.line(file.name, line, cells)
            yield from reading.rest(file.name)

    def _drop(self, sensitive: Mapping[int, str], cells: Cells) -> None:
        for place, name in sensitive.items():
            if cells[place]:
                self.dropped[name] += 1

    def _tables(self) -> Tables:
        tables: dict[str, dict[str, dict[str, str]]] = {}
        for name, (key, files) in self._lookups.items():
            found = tables.setdefault(name, {})
            for file in files:
                with self._lines(file, []) as (header, lines):
                    place = next((header.index(k) for k in key if k in header), None)
                    if place is None:
                        continue
                    sensitive = {p: n for p, n in enumerate(header) if is_sensitive_name(n)}
                    kept = [(p, n) for p, n in enumerate(header) if not is_sensitive_name(n)]
                    for _, cells in lines:
                        if len(cells) == len(header):
                            if file.name not in self._read:
                                self._drop(sensitive, cells)
                            found[cells[place]] = {n: cells[p] for p, n in kept}
        return tables

    @contextmanager
    def _lines(
        self, file: SetFile, header: Sequence[str]
    ) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
        """The header of a file, and its lines with their numbers."""
        dialect = self._map.dialect
        with opened(file, dialect.encoding) as text:
            delimiter = "\t" if file.name.lower().endswith(".tsv") else dialect.delimiter
            reader = csv.reader(
                text, delimiter=delimiter, escapechar=dialect.escape or None, doublequote=True
            )
            nulls = frozenset(dialect.nulls)

            def cells_of() -> Iterator[tuple[int, list[str]]]:
                while True:
                    try:
                        cells = next(reader, None)
                    except csv.Error:
                        cells = ["", ""] * (len(names) + 1)
                    if cells is None:
                        return
                    if any(cells):
                        told = without_padding(cells, len(names))
                        yield reader.line_num, _trimmed(told, nulls)

            first = [] if header else next(reader, [])
            names = [name.strip().strip("'") for name in (header or first)]
            yield names, cells_of()


class _Reading:
    """How the lines of one file become the rows of one table.

    Attributes:
        without: the columns of the table for which the file has none of its own.
        cannot: one of those by which rows are told apart; then there can be no rows.
    """

    def __init__(self, rows: Rows, compiler: Compiler) -> None:
        spec = RECORD_TABLES[rows.table]
        self._table = rows.table
        self.without: list[str] = []
        self.cannot = ""
        found: dict[str, Evaluate] = {}
        for name in [name for name in spec.column_names if name in rows.columns]:
            try:
                found[name] = compiler.expression(rows.columns[name], spec.column(name))
            except RequestInvalidError:
                self.without.append(name)
        self.cannot = next((name for name in self.without if name in spec.key), "")
        self._columns = tuple(found)
        self._evaluate = list(found.values())
        self.wanted: Callable[[Cells], bool] = lambda _cells: True
        if rows.when and not self.cannot:
            self.wanted = compiler.condition(rows.when)
        self._attendance = rows.attendance
        by_period = rows.attendance is not None and rows.attendance.by == "period"
        self._days = PeriodDays(rows.attendance.periods) if by_period and rows.attendance else None
        self._schools: dict[str, int] = {}

    def line(self, file: str, line: int, cells: Cells) -> Iterator[SourceRow]:
        """The row of a line; none yet, if it is about a part of a day."""
        values = [evaluate(cells) for evaluate in self._evaluate]
        if self._attendance is not None:
            self._schools.setdefault(values[self._columns.index("school_id")], line)
        if self._days is None:
            yield SourceRow(self._table, self._columns, file, line, values)
        else:
            told = dict(zip(self._columns, values, strict=True))
            key = DayKey(told["student_id"], told["school_id"], told["event_date"])
            self._days.add(key, told["category"], line)

    def rest(self, file: str) -> Iterator[SourceRow]:
        """What follows from all lines: whole days, and how each school tells of attendance."""
        if self._attendance is None:
            return
        columns = (*DayKey._fields, "category", "duration_days")
        for key, line, category, missed in self._days.days() if self._days else ():
            yield SourceRow(self._table, columns, file, line, [*key, category, missed])
        for school_id, line in self._schools.items():
            told = [school_id, self._attendance.kind]
            yield SourceRow("school", ("school_id", "attendance_kind"), file, line, told)


def _is(file: SetFile, patterns: Sequence[str]) -> bool:
    name = PurePosixPath(file.name).name.lower()
    return any(fnmatch.fnmatch(name, pattern.lower()) for pattern in patterns)


def _trimmed(cells: Sequence[str], nulls: frozenset[str]) -> list[str]:
    if nulls:
        return ["" if (text := cell.strip()) in nulls else text for cell in cells]
    return [cell.strip() for cell in cells]
