"""One intake run: reads a file set in a format, and loads it whole or not at all."""

import time
from collections.abc import Callable
from pathlib import Path

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import (
    IntakeReport,
    RecordSink,
    Refusal,
    Rejection,
    RowRules,
    RowSource,
    SourceRow,
    TableReport,
    Value,
)
from services.node.domain.record_tables import RECORD_TABLES, STUDENT_ID
from services.node.intake.edfi_xml import EdFiXml
from services.node.intake.record_csv import RecordCsv
from services.node.migrations import RECORDS, RECORDS_VERSION_TABLE
from services.node.store.records import RecordStore
from services.runtime.database import upgrade

_BATCH = 2_000

OnProgress = Callable[[str, int], None]

FORMATS: dict[str, Callable[[Path], RowSource]] = {
    "edfi_xml": EdFiXml,
    "record_csv": RecordCsv,
}
"""The formats that can be read, by name."""


def ingest(
    format_name: str,
    path: Path,
    records_url: str,
    *,
    on_progress: OnProgress = lambda _table, _rows: None,
) -> IntakeReport:
    """Imports a file set into a node's records.

    Args:
        format_name: one of `FORMATS`.
        path: a folder, a file or a zip archive.
        records_url: the records' database; its tables are made or brought up to date.
        on_progress: told a table and how many of its rows have been read so far.

    Raises:
        RequestInvalidError: if the format is unknown or the files are not in it; the node then
            stays as it was.
    """
    if format_name not in FORMATS:
        raise RequestInvalidError("there is no such format", field="format_name")
    began = time.monotonic()
    source = FORMATS[format_name](path)
    upgrade(records_url, RECORDS, version_table=RECORDS_VERSION_TABLE)
    report = IntakeReport(format_name)
    store = RecordStore(records_url)
    try:
        with store.intake() as run:
            Intake(run, report, on_progress).take(source)
    finally:
        store.close()
    report.dropped, report.skipped = dict(source.dropped), dict(source.skipped)
    report.seconds = time.monotonic() - began
    return report


class Intake:
    """Carries rows from a source through the row rules to the records, in batches."""

    def __init__(self, sink: RecordSink, report: IntakeReport, on_progress: OnProgress) -> None:
        self._sink = sink
        self._report = report
        self._on_progress = on_progress
        self._pending: dict[tuple[str, tuple[str, ...]], _Pending] = {}

    def take(self, source: RowSource) -> None:
        """Takes every row of the source."""
        for row in source.rows():
            if isinstance(row, Rejection):
                self._report.reject(row)
            else:
                self._take(row)
        for pending in self._pending.values():
            self._load(pending)
        self._report.tally(self._sink.tallies())

    def _take(self, row: SourceRow) -> None:
        pending = self._pending.get(row[:2])
        if pending is None:
            pending = self._pending[row[:2]] = self._begin(row.table, row.columns)
        pending.report.read += 1
        values = pending.rules.read(row.values)
        if isinstance(values, Refusal):
            self._report.reject(Rejection(row.table, row.file, row.line, *values))
            return
        if pending.student_place is not None:
            key = self._sink.student_keys.get(str(values[pending.student_place]))
            if key is None:
                reason = "names no student of this node"
                self._report.reject(Rejection(row.table, row.file, row.line, STUDENT_ID, reason))
                return
            values[pending.student_place] = key
        pending.rows.append(values)
        if len(pending.rows) >= _BATCH:
            self._load(pending)

    def _begin(self, table: str, columns: tuple[str, ...]) -> "_Pending":
        if table != "student":
            # Rows about students need their keys, so all that is read of students goes first.
            for earlier in self._pending.values():
                if earlier.table == "student":
                    self._load(earlier)
        return _Pending(table, columns, self._report.table(table))

    def _load(self, pending: "_Pending") -> None:
        if pending.rows:
            self._sink.load(pending.table, pending.columns, pending.rows)
            pending.rows = []
        self._on_progress(pending.table, pending.report.read)


class _Pending:
    """Rows of one table that wait to be loaded together, and how to read them."""

    def __init__(self, table: str, columns: tuple[str, ...], report: TableReport) -> None:
        self.table = table
        self.report = report
        self.rules = RowRules(table, columns)
        self.rows: list[list[Value]] = []
        refers = table != "student" and STUDENT_ID in RECORD_TABLES[table].key
        self.student_place = columns.index(STUDENT_ID) if refers else None
        self.columns = tuple("student_key" if refers and c == STUDENT_ID else c for c in columns)
