"""What an intake of records reads, refuses and reports.

A source gives rows as text; the row rules make values of them or say why not; the report counts
what became of every row. A refusal says where and why, and never repeats a value: reports may be
read by anyone who runs a node.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from homeroom.catalog import ValueKind
from services.node.domain.record_tables import RECORD_TABLES, RecordColumn

MAX_LISTED = 250
"""How many rejections a report lists; it counts them all."""

_EARLIEST_YEAR = 1900
_LATEST_YEAR = 2200
_MAX_TEXT = 2_000
_MAX_INTEGER_DIGITS = 9
_MAX_NUMBER = 1e15
_REMEMBERED = 2_048

Value = str | date | int | float | bool | None


class SourceRow(NamedTuple):
    """A row as a source gives it: the text of each column, in the columns' order."""

    table: str
    columns: tuple[str, ...]
    file: str
    line: int
    values: Sequence[str | None]


class Rejection(NamedTuple):
    """A row, or a part of a file, that was not taken."""

    table: str
    file: str
    line: int
    field: str
    reason: str


class RowSource(Protocol):
    """Where rows come from: a file set in one format."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many sensitive values were dropped so far, by the field they stood in."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many elements were passed over so far because no table holds them, by name."""

    def rows(self) -> Iterator[SourceRow | Rejection]:
        """The rows, students before what is about them.

        Raises:
            RequestInvalidError: if the file set cannot be read in this format.
        """


class Tally(Protocol):
    """What became of the rows loaded into a table."""

    added: int
    changed: int
    unchanged: int


class RecordSink(Protocol):
    """Where rows go: one open transaction of the records."""

    @property
    def student_keys(self) -> Mapping[str, int]:
        """The key of every student known so far."""

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Adds or changes rows by their natural key."""

    def tallies(self) -> Mapping[str, Tally]:
        """What became of the rows so far, by table."""


@dataclass(slots=True)
class TableReport:
    """What became of the rows of one table."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(slots=True)
class IntakeReport:
    """What one intake run did; it names no person.

    Attributes:
        rejections: the first of them; `rejected` of the tables counts all.
        dropped: sensitive values that were never read into anything, by the field they stood in.
        skipped: elements of the source that no table holds, by name.
    """

    format_name: str
    tables: dict[str, TableReport] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def rejected(self) -> int:
        """How many rows were not taken, in all tables."""
        return sum(table.rejected for table in self.tables.values())

    def table(self, name: str) -> TableReport:
        """The report of a table; empty at first."""
        return self.tables.setdefault(name, TableReport())

    def reject(self, rejection: Rejection) -> None:
        """Counts a rejection, and lists it while there is room."""
        self.table(rejection.table).rejected += 1
        if len(self.rejections) < MAX_LISTED:
            self.rejections.append(rejection)

    def tally(self, tallies: Mapping[str, Tally]) -> None:
        """Takes over what the records say became of the rows."""
        for name, tally in tallies.items():
            table = self.table(name)
            table.added, table.changed, table.unchanged = (
                tally.added,
                tally.changed,
                tally.unchanged,
            )

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "format": self.format_name,
            "seconds": round(self.seconds, 3),
            "tables": {
                name: {place: getattr(report, place) for place in TableReport.__slots__}
                for name, report in self.tables.items()
            },
            "rejected": self.rejected,
            "rejections": [rejection._asdict() for rejection in self.rejections],
            "dropped": dict(Counter(self.dropped)),
            "skipped": dict(Counter(self.skipped)),
        }


class Refusal(NamedTuple):
    """Why the rules refuse a row."""

    field: str
    reason: str


class RowRules:
    """The rules for some columns of a table: makes typed values of texts."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        spec = RECORD_TABLES[table]
        chosen = [spec.column(name) for name in columns]
        self._rules = [(c.name, c.name in spec.key, _reader(c)) for c in chosen]
        first, last = spec.period
        self._period = (
            (columns.index(first), columns.index(last))
            if first in columns and last in columns
            else None
        )

    def read(self, texts: Sequence[str | None]) -> list[Value] | Refusal:
        """The values of a row, or why it is refused."""
        values: list[Value] = []
        name = ""
        try:
            for (name, required, reader), raw in zip(self._rules, texts, strict=True):
                text = raw.strip() if raw else ""
                if text:
                    values.append(reader(text))
                elif required:
                    return Refusal(name, "is missing")
                else:
                    values.append(None)
        except _Unreadable as why:
            return Refusal(name, str(why))
        return self._refused_period(values) or values

    def _refused_period(self, values: Sequence[Any]) -> Refusal | None:
        if self._period is None:
            return None
        first, last = (values[place] for place in self._period)
        if first is not None and last is not None and last < first:
            return Refusal(self._rules[self._period[1]][0], "is before the period begins")
        return None


class _Unreadable(ValueError):  # noqa: N818  # never leaves this module; it says why, not that
    """Why a text is no value of its column; never the text itself."""


def _reader(column: RecordColumn) -> Callable[[str], Value]:
    """What reads a column's texts; it remembers some, for days and words come again and again."""
    if column.joined:
        return lru_cache(_REMEMBERED)(lambda text: _joined_words(text, column.words))
    if column.words:
        return lru_cache(_REMEMBERED)(lambda text: _word(text, column.words))
    if column.kind is ValueKind.TEXT:
        return _text
    return lru_cache(_REMEMBERED)(_READERS[column.kind])


def _word(text: str, words: frozenset[str]) -> str:
    if text not in words:
        raise _Unreadable("is not one of the words of this field")
    return text


def _joined_words(text: str, words: frozenset[str]) -> str:
    return ";".join(sorted({_word(part.strip(), words) for part in text.split(";")}))


def _text(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise _Unreadable("is too long")
    if "\x00" in text:
        raise _Unreadable("has a null character")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Unreadable("is not UTF-8") from None
    # One person's name must be one text, however it was typed.
    return unicodedata.normalize("NFC", text)


def _date(text: str) -> date:
    """A date, or the date of a time: some sources give midnights for days."""
    day, _, _time = text.replace(" ", "T").partition("T")
    try:
        value = date.fromisoformat(day)
    except ValueError:
        raise _Unreadable("is not a date (YYYY-MM-DD)") from None
    if len(day) != len("YYYY-MM-DD"):
        raise _Unreadable("is not a date (YYYY-MM-DD)")
    if not _EARLIEST_YEAR <= value.year <= _LATEST_YEAR:
        raise _Unreadable("is not a date of our times")
    return value


def _integer(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_INTEGER_DIGITS):
        raise _Unreadable("is not a whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _Unreadable("is not a number") from None
    if not abs(value) < _MAX_NUMBER:  # which no NaN is
        raise _Unreadable("is not a number")
    return value


def _boolean(text: str) -> bool:
    match text.lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise _Unreadable("is neither true nor false")


_READERS: dict[ValueKind, Callable[[str], Value]] = {
    ValueKind.DATE: _date,
    ValueKind.INTEGER: _integer,
    ValueKind.NUMBER: _number,
    ValueKind.BOOLEAN: _boolean,
}
