"""Makes the rows of items that are told alike: the first by its kind's rules, the rest by filling.

A source may give the same item again with other texts. Where a kind's rows have some texts as they
are told, two items that differ in these alone have rows that differ in these alone. So a row is
made once with a mark in place of each such text, and then the marks are filled.
"""

from collections.abc import Sequence
from typing import NamedTuple

from services.node.domain.intake import SourceRow
from services.node.intake.edfi.items import OWN, Item
from services.node.intake.edfi.lookups import Lookups
from services.node.intake.edfi.row import Row, source_row
from services.node.intake.edfi.rows import TRANSLATE

_MARK = "\x00"
_MOST_KEPT = 1_000

_OF_ATTENDANCE = frozenset(
    {
        *("AttendanceEventReason", "EventDate", "EventDuration", "StudentUniqueId"),
        *("StudentUniqueStateId", "EducationOrganizationId", "SchoolId", "StateOrganizationId"),
    }
)
AS_TOLD = {
    "AttendanceEvent": _OF_ATTENDANCE,
    "StudentSchoolAttendanceEvent": _OF_ATTENDANCE,
}
"""The texts that the rules of a kind look at only to see whether there is one."""


class _Template(NamedTuple):
    """A row but for some of its values: those that an item told."""

    row: SourceRow
    told: Sequence[tuple[int, Item]]


class _Alike(NamedTuple):
    """The items that one object stands for in turn."""

    as_told: list[Item]
    read: list[Item]
    templates: "dict[tuple[str | bool, ...], _Template | None]"


class AlikeRows:
    """The rows of items that a source gives again with other texts."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._of: dict[Item, _Alike | None] = {}

    def row(self, file: str, item: Item) -> SourceRow | None:
        """The one row of an item; None where the rules of its kind must say."""
        if item not in self._of:
            self._of[item] = _apart(item)
        alike = self._of[item]
        if alike is None:
            return None
        key: tuple[str | bool, ...]
        key = (*[leaf.text for leaf in alike.read], *[not leaf.text for leaf in alike.as_told])
        if key not in alike.templates:
            if len(alike.templates) >= _MOST_KEPT:
                alike.templates.clear()
            alike.templates[key] = self._learn(item, alike.as_told)
        template = alike.templates[key]
        if template is None:
            return None
        (table, columns, _, _, values), told = template
        filled = [*values]
        for place, leaf in told:
            filled[place] = leaf.text
        return SourceRow(table, columns, file, item.line, filled)

    def _learn(self, item: Item, as_told: list[Item]) -> _Template | None:
        texts = [leaf.text for leaf in as_told]
        for number, leaf in enumerate(as_told):
            leaf.text = f"{_MARK}{number}" if leaf.text else ""
        try:
            made = list(TRANSLATE[item.name](item, self._lookups))
        finally:
            for leaf, text in zip(as_told, texts, strict=True):
                leaf.text = text
        return self._template(made[0], as_told) if len(made) == 1 else None

    def _template(self, made: Row, as_told: list[Item]) -> _Template | None:
        row = source_row(made, "", 0)
        marks = {f"{_MARK}{number}": leaf for number, leaf in enumerate(as_told)}
        told = [(place, marks[text]) for place, text in enumerate(row.values) if text in marks]
        marked = sum(_MARK in text for text in row.values if text)
        if made.refused or marked != len(told):
            return None
        return _Template(row, told)


def _apart(item: Item) -> _Alike | None:
    """An item's leaves, those that its rows have as they are told apart from the others."""
    as_told = AS_TOLD.get(item.name)
    if as_told is None or item.leaves is None or OWN in item.children:
        return None
    return _Alike(
        [leaf for leaf in item.leaves if leaf.name in as_told],
        [leaf for leaf in item.leaves if leaf.name not in as_told],
        {},
    )
