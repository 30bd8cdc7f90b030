"""The rules that make typed values of a source's texts, or say why not.

A refusal says where and why, and never repeats a value: reports may be read by anyone who runs a
node.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import date
from functools import lru_cache, partial
from typing import Any, NamedTuple

from homeroom.catalog import ValueKind
from services.node.domain.record_tables import RECORD_TABLES, RecordColumn

_EARLIEST_YEAR = 1900
_LATEST_YEAR = 2200
_MAX_INTEGER_DIGITS = 9
_MAX_NUMBER = 1e15
_REMEMBERED = 2_048
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)

Value = str | date | int | float | bool | None


class Refusal(NamedTuple):
    """Why the rules refuse a row, or a code in it; the class of the value, never the value."""

    field: str
    reason: str
    value_class: str = ""


class RowRules:
    """The rules for some columns of a table: makes typed values of texts.

    A code that no word list knows costs a row only if the row is known by it. Elsewhere the value
    is left empty and the code is told in `unknown`: one misspelt code must not cost a thousand
    rows, and must not vanish in silence either.
    """

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        spec = RECORD_TABLES[table]
        chosen = [spec.column(name) for name in columns]
        self.unknown: list[Refusal] = []
        self._rules = [(c.name, c.name in spec.key, reader_of(c)) for c in chosen]
        first, last = spec.period
        self._period = (
            (columns.index(first), columns.index(last))
            if first in columns and last in columns
            else None
        )

    def read(self, texts: Sequence[str | None]) -> list[Value] | Refusal:
        """The values of a row, or why it is refused."""
        values: list[Value] = []
        self.unknown = []
        text, name, required = "", "", False
        for (name, required, reader), raw in zip(self._rules, texts, strict=True):
            text = raw.strip() if raw else ""
            if text:
                try:
                    values.append(reader(text))
                except _UnknownCode as why:
                    if required:
                        return Refusal(name, str(why), value_class(text))
                    self.unknown.append(Refusal(name, str(why), value_class(text)))
                    values.append(why.known)
                except Unreadable as why:
                    return Refusal(name, str(why), value_class(text))
            elif required:
                return Refusal(name, "is missing", "missing")
            else:
                values.append(None)
        return self._refused_period(values) or values

    def _refused_period(self, values: Sequence[Any]) -> Refusal | None:
        if self._period is None:
            return None
        first, last = (values[place] for place in self._period)
        if first is not None and last is not None and last < first:
            return Refusal(self._rules[self._period[1]][0], "is before the period begins", "date")
        return None


class Unreadable(ValueError):  # noqa: N818  # never leaves the row rules; it says why, not that
    """Why a text is no value of its column; never the text itself."""


class _UnknownCode(Unreadable):
    """A text that is no word of its column; of several words, those that are."""

    def __init__(self, known: str | None = None) -> None:
        super().__init__("is not one of the words of this field")
        self.known = known


_CLASSES = (
    ("date", re.compile(r"\d{1,4}[-/]\d{1,2}[-/]\d{1,4}([T ].*)?")),
    ("digits", re.compile(r"\d+")),
    ("number", re.compile(r"[-+]?\d*[.,]\d+")),
    ("e-mail address", re.compile(r"\S+@\S+")),
    ("word", re.compile(r"[^\W\d_]+")),
    ("words", re.compile(r"[^\W\d_]+([ ,.'-]+[^\W\d_]+)+")),
)


def value_class(text: str) -> str:
    """What kind of thing a text is, for reports that must not repeat it."""
    if not text.strip():
        return "missing"
    return next((name for name, form in _CLASSES if form.fullmatch(text.strip())), "other text")


def reader_of(column: RecordColumn) -> Callable[[str], Value]:
    """What reads a column's texts; it remembers some, for days and words come again and again."""
    if column.joined:
        return lru_cache(_REMEMBERED)(lambda text: _joined_words(text, column.words))
    if column.words:
        return lru_cache(_REMEMBERED)(lambda text: _word(text, column.words))
    if column.kind is ValueKind.TEXT:
        return partial(_text, longest=column.longest)
    return lru_cache(_REMEMBERED)(_READERS[column.kind])


def _word(text: str, words: frozenset[str]) -> str:
    if text not in words:
        raise _UnknownCode
    return text


def _joined_words(text: str, words: frozenset[str]) -> str:
    said = {part.strip() for part in text.split(";")} - {""}
    known = ";".join(sorted(said & words))
    if said - words:
        raise _UnknownCode(known or None)
    return known


def _text(text: str, longest: int) -> str:
    if len(text) > longest:
        raise Unreadable("is too long")
    if "\x00" in text:
        raise Unreadable("has a null character")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unreadable("is not UTF-8") from None
    # One person's name must be one text, however it was typed.
    return unicodedata.normalize("NFC", text)


def _date(text: str) -> date:
    """A date, or the date of a time: some sources give midnights for days."""
    day, _, _time = text.replace(" ", "T").partition("T")
    try:
        value = date.fromisoformat(day)
    except ValueError:
        raise Unreadable("is not a date (YYYY-MM-DD)") from None
    if not _DAY.fullmatch(day):  # the calendar's weeks, and days without dashes, are dates too
        raise Unreadable("is not a date (YYYY-MM-DD)")
    if not _EARLIEST_YEAR <= value.year <= _LATEST_YEAR:
        raise Unreadable("is not a date of our times")
    return value


def _integer(text: str) -> int:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_INTEGER_DIGITS):
        raise Unreadable("is not a whole number")
    return int(text)


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise Unreadable("is not a number")
    value = float(text)
    if not abs(value) < _MAX_NUMBER:
        raise Unreadable("is not a number")
    return value


def _boolean(text: str) -> bool:
    match text.lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise Unreadable("is neither true nor false")


_READERS: dict[ValueKind, Callable[[str], Value]] = {
    ValueKind.DATE: _date,
    ValueKind.INTEGER: _integer,
    ValueKind.NUMBER: _number,
    ValueKind.BOOLEAN: _boolean,
}
