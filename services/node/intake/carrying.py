"""Carries the pieces of a source through the row rules to the records, in batches."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Protocol

from services.node.domain.column_rules import ColumnRules
from services.node.domain.intake import (
    Identity,
    Piece,
    RecordSink,
    Removal,
    Renaming,
    RowSource,
    SourceRow,
)
from services.node.domain.intake_report import IntakeReport, Notice, Rejection, TableReport
from services.node.domain.record_tables import RECORD_TABLES, STUDENT_ID
from services.node.domain.row_rules import Refusal, RowRules, Value

# How many values wait to be loaded together; the records sort rows by key, which pays with many.
_BATCH_VALUES = 200_000
# None of those objects is in a cycle: looking through them every 700 takes a third of the time.
_COLLECT_AFTER = (100_000, 20, 20)
_IS_ANOTHER = "is the id of another student already"
_IDENTITY = ("given_name", "family_name", "birth_date")

OnProgress = Callable[[str, int], None]


class Allowed(Protocol):
    """What a person has allowed for one intake."""

    @property
    def may_shrink(self) -> bool:
        """Whether more than a fifth of a table may go."""

    @property
    def may_be_others(self) -> bool:
        """Whether a student's id may come with another name and birth date."""


class Intake:
    """One run from a source to the records."""

    def __init__(
        self,
        sink: RecordSink,
        report: IntakeReport,
        on_progress: OnProgress,
        latest: date,
        allowed: Allowed,
    ) -> None:
        self._sink = sink
        self._report = report
        self._on_progress = on_progress
        self._latest = latest
        self._allowed = allowed
        self._pending: dict[tuple[str, tuple[str, ...]], _Pending] = {}
        self._latest_pending: _Pending | None = None
        self._met: dict[str, Identity] = {}

    def take(self, source: RowSource) -> None:
        """Takes every piece of the source."""
        with _seldom_collected():
            for piece in source.rows(self._sink.memory):
                if isinstance(piece, SourceRow):
                    self._take(piece)
                else:
                    self._take_other(piece)
            self._load_all()
        self._sink.settle_complete(source.complete, may_shrink=self._allowed.may_shrink)
        self._report.tally(self._sink.tallies())
        self._report.in_order()

    def _take_other(self, piece: Piece) -> None:
        match piece:
            case Rejection():
                self._report.reject(piece)
            case Notice():
                self._report.notice(piece)
            case Removal():
                self._load_all()
                self._remove(piece)
            case Renaming(file, line, old, new):
                self._load_all()
                if not self._sink.rename(old, new):
                    reason = "names no student of this node, or one that has the new id already"
                    self._report.reject(Rejection("student", file, line, STUDENT_ID, reason))

    def _take(self, row: SourceRow) -> None:
        pending = self._latest_pending
        if pending is None or pending.table != row.table or pending.given != row.columns:
            pending = self._pending.get(row[:2])
            if pending is None:
                pending = self._pending[row[:2]] = self._begin(row.table, row.columns)
            self._latest_pending = pending
        pending.waiting.append(row)
        if len(pending.waiting) >= pending.room:
            self._load(pending)

    def _values(self, pending: "_Pending", waiting: list[SourceRow]) -> list[Sequence[Value]]:
        """The values of the rows that are taken; most are read all together."""
        columns, doubtful = pending.column_rules.read([row.values for row in waiting])
        self._check(pending, columns, doubtful)
        rows: list[Sequence[Value]] = list(zip(*columns, strict=True))
        if not doubtful and not pending.identity_places:
            return rows
        taken: list[Sequence[Value]] = []
        for place, (row, values) in enumerate(zip(waiting, rows, strict=True)):
            if place in doubtful:
                taken += self._singly(pending, row)
            elif pending.identity_places and self._is_another(pending, values):
                refused = Refusal(STUDENT_ID, _IS_ANOTHER)
                self._report.reject(Rejection(row.table, row.file, row.line, *refused))
            else:
                taken.append(values)
        return taken

    def _check(
        self, pending: "_Pending", columns: list[Sequence[Value]], doubtful: set[int]
    ) -> None:
        """Makes keys of the ids of students, and adds the places of rows that must be refused."""
        if pending.student_place is not None:
            ids = columns[pending.student_place]
            keys: list[Value] = list(map(self._sink.student_keys.get, ids))  # type: ignore[arg-type]  # texts
            columns[pending.student_place] = keys
            if None in keys:
                doubtful.update(place for place, key in enumerate(keys) if key is None)
        if pending.day_place is not None:
            for place, day in enumerate(columns[pending.day_place]):
                if isinstance(day, date) and day > self._latest:
                    doubtful.add(place)

    def _singly(self, pending: "_Pending", row: SourceRow) -> list[Sequence[Value]]:
        """The values of a row, if it is taken; tells why it is not, and of codes not known."""
        values = pending.rules.read(row.values)
        if isinstance(values, Refusal):
            self._report.reject(Rejection(row.table, row.file, row.line, *values))
            return []
        if refused := self._refused(pending, values):
            self._report.reject(Rejection(row.table, row.file, row.line, *refused))
            return []
        for unknown in pending.rules.unknown:
            self._report.notice(Notice(row.table, row.file, row.line, *unknown))
        return [values]

    def _refused(self, pending: "_Pending", values: list[Value]) -> Refusal | None:
        """Why a row of good values is refused after all; makes a key of the student's id."""
        if pending.student_place is not None:
            key = self._sink.student_keys.get(str(values[pending.student_place]))
            if key is None:
                return Refusal(STUDENT_ID, "names no student of this node")
            values[pending.student_place] = key
        if pending.day_place is not None:
            day = values[pending.day_place]
            if isinstance(day, date) and day > self._latest:
                return Refusal(pending.columns[pending.day_place], "is in the future", "date")
        if pending.identity_places and self._is_another(pending, values):
            return Refusal(STUDENT_ID, _IS_ANOTHER)
        return None

    def _is_another(self, pending: "_Pending", values: Sequence[Value]) -> bool:
        """Whether an id comes with another name and birth date than it had.

        Consents and links follow the id, so whoever is given a known id would inherit another
        child's.
        """
        student_id = str(values[pending.id_place])
        given, family, born = (values[place] for place in pending.identity_places)
        new = Identity(_text(given), _text(family), born)
        known = self._met.get(student_id)
        if known is None and not self._allowed.may_be_others:
            key = self._sink.student_keys.get(student_id)
            known = self._sink.identities.get(key) if key is not None else None
        if known is not None and known.contradicts(new):
            return True
        self._met.setdefault(student_id, new)
        return False

    def _remove(self, removal: Removal) -> None:
        rules = RowRules(removal.table, removal.columns)
        values = rules.read(removal.values)
        if isinstance(values, Refusal):
            self._report.reject(Rejection(removal.table, removal.file, removal.line, *values))
            return
        columns = list(removal.columns)
        if removal.table != "student" and STUDENT_ID in columns:
            place = columns.index(STUDENT_ID)
            key = self._sink.student_keys.get(str(values[place]))
            if key is None:
                return  # of a student who is not here nothing is left to take away
            columns[place], values[place] = "student_key", key
        self._sink.remove(removal.table, columns, [values])

    def _begin(self, table: str, columns: tuple[str, ...]) -> "_Pending":
        return _Pending(table, columns, self._report.table(table))

    def _load_all(self) -> None:
        for pending in self._pending.values():
            self._load(pending)

    def _load(self, pending: "_Pending") -> None:
        if pending.table != "student":
            # Rows about students need their keys, so all that is read of students goes first.
            for earlier in self._pending.values():
                if earlier.table == "student":
                    self._load(earlier)
        waiting, pending.waiting = pending.waiting, []
        if waiting:
            pending.report.read += len(waiting)
            if taken := self._values(pending, waiting):
                self._sink.load(pending.table, pending.columns, taken)
            self._on_progress(pending.table, pending.report.read)


class _Pending:
    """Rows of one table that wait to be loaded together, and how to read them."""

    def __init__(self, table: str, given: tuple[str, ...], report: TableReport) -> None:
        self.table = table
        self.given = given
        self.report = report
        self.rules = RowRules(table, given)
        self.column_rules = ColumnRules(table, given)
        self.waiting: list[SourceRow] = []
        self.room = _BATCH_VALUES // len(given)
        spec = RECORD_TABLES[table]
        refers = table != "student" and STUDENT_ID in spec.key
        self.student_place = given.index(STUDENT_ID) if refers else None
        self.columns = tuple("student_key" if refers and c == STUDENT_ID else c for c in given)
        self.day_place = given.index(spec.event_day) if spec.event_day in given else None
        tells_who = table == "student" and set(_IDENTITY) <= set(given)
        self.identity_places = [given.index(c) for c in _IDENTITY] if tells_who else []
        self.id_place = given.index(STUDENT_ID) if tells_who else 0


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Looks for garbage in cycles less often than usual."""
    usual = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
