"""Takes rows away: those that a source names, and those it does not say any more.

What is taken away leaves a mark in the change sequence. A student is never taken away.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    MetaData,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from homeroom.errors import RequestInvalidError
from services.node.store.records.tables import TABLES, housekeeping
from services.node.store.records.upsert import Mark

_BATCH = 2_000
_SHRINKS_BY = 5
"""One part in so many of a table may go without a person's say."""


@dataclass(frozen=True, slots=True)
class _Spells:
    """How the spells of a table end: their last day, their first, and what they are spells of."""

    first: str
    last: str
    of: tuple[str, ...]


_SPELLS = {
    "enrollment": _Spells("entry_date", "exit_date", ("student_key", "school_id")),
    "section_enrollment": _Spells("begin_date", "end_date", ("student_key", "section_id")),
    "program_participation": _Spells(
        "begin_date", "end_date", ("student_key", "program_name", "program_type")
    ),
    "student_status": _Spells("begin_date", "end_date", ("student_key", "status")),
}
_DAY_OF_EVENTS = {
    "attendance": "event_date",
    "discipline_incident": "incident_date",
    "discipline_action": "action_date",
    "assessment_result": "administration_date",
    "service_event": "service_date",
    "calendar_date": "calendar_date",
}


class Seen:
    """The keys of one table that a source has said in this run, kept beside the records."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self.table = table
        self.key = [c.name for c in table.primary_key]
        self._connection = connection
        self.said = Table(
            f"seen_{table.name}",
            MetaData(),
            *[c._copy() for c in table.primary_key],
            prefixes=["TEMPORARY"],
        )
        for column in self.said.c:
            column.foreign_keys.clear()
        for constraint in list(self.said.foreign_key_constraints):
            self.said.constraints.discard(constraint)
        self.said.create(connection)
        into = postgresql if connection.dialect.name == "postgresql" else sqlite
        self._insert = into.insert(self.said).on_conflict_do_nothing()

    def note(self, keys: Sequence[Sequence[Any]]) -> None:
        """Notes some keys."""
        if keys:
            said = [dict(zip(self.key, key, strict=True)) for key in keys]
            self._connection.execute(self._insert, said)

    def count(self) -> int:
        """How many there are."""
        return self._connection.scalar(select(func.count()).select_from(self.said)) or 0

    def unsaid(self) -> ColumnElement[bool]:
        """That a row of the table was not said."""
        same = [self.table.c[name] == self.said.c[name] for name in self.key]
        return ~exists(select(1).where(and_(*same)))

    def drop(self) -> None:
        """Forgets them."""
        self.said.drop(self._connection)


class Removals:
    """Removes and ends rows in the transaction of one run."""

    def __init__(self, connection: Connection, mark: Mark, today: date) -> None:
        self._connection = connection
        self._mark = mark
        self._today = today

    def remove(self, table: str, condition: ColumnElement[bool]) -> list[Mapping[str, Any]]:
        """Deletes the rows of a condition; returns their keys."""
        target = TABLES[table]
        key = [target.c[name] for name in [c.name for c in target.primary_key]]
        found: list[Mapping[str, Any]] = [
            dict(row._mapping) for row in self._connection.execute(select(*key).where(condition))
        ]
        if found:
            bound = and_(*[column == bindparam(f"k_{column.name}") for column in key])
            gone = [{f"k_{name}": value for name, value in row.items()} for row in found]
            for batch in _batches(gone):
                self._connection.execute(delete(target).where(bound), batch)
            self._leave_marks(table, found)
        return found

    def _leave_marks(self, table: str, keys: Sequence[Mapping[str, Any]]) -> None:
        marks = [
            {
                "removed_in": self._mark.run,
                "table_name": table,
                "student_key": key.get("student_key"),
                "natural_key": json.dumps(dict(key), default=str, sort_keys=True),
            }
            for key in keys
        ]
        for batch in _batches(marks):
            self._connection.execute(insert(housekeeping("removed_record")), batch)

    def settle(
        self, seen: Seen, added: int, *, may_shrink: bool
    ) -> tuple[list[Mapping[str, Any]], int]:
        """Removes or ends what was not said; returns the keys of both, and how many were ended.

        Raises:
            RequestInvalidError: if more than a fifth of the table would go, and that may not be.
        """
        table = seen.table
        gone = and_(table.c.source_key == self._mark.source_key, seen.unsaid())
        if table.name == "student":
            return self._end_students(seen, gone, added, may_shrink=may_shrink)
        spells = _SPELLS.get(table.name)
        if spells is None:
            gone = and_(gone, *self._within_days_said(seen))
            self._guard(seen, gone, added, may_shrink=may_shrink)
            return self.remove(table.name, gone), 0
        begun = table.c[spells.first] <= self._today
        is_open = or_(table.c[spells.last].is_(None), table.c[spells.last] > self._today)
        replaced = self._said_otherwise(seen, spells)
        self._guard(seen, and_(gone, or_(replaced, is_open)), added, may_shrink=may_shrink)
        removed = self.remove(table.name, and_(gone, or_(replaced, and_(is_open, ~begun))))
        ended = self._end(table, spells, and_(gone, is_open))
        return removed + ended, len(ended)

    def _end(
        self, table: Table, spells: _Spells, condition: ColumnElement[bool]
    ) -> list[Mapping[str, Any]]:
        key = list(table.primary_key)
        found: list[Mapping[str, Any]] = [
            dict(row._mapping) for row in self._connection.execute(select(*key).where(condition))
        ]
        if found:
            self._connection.execute(
                update(table)
                .where(condition)
                .values({spells.last: self._today, "changed_in": self._mark.run})
            )
        return found

    def _end_students(
        self, seen: Seen, gone: ColumnElement[bool], added: int, *, may_shrink: bool
    ) -> tuple[list[Mapping[str, Any]], int]:
        """Ends the open spells of students who are said no more; the students stay."""
        enrollment, spells = TABLES["enrollment"], _SPELLS["enrollment"]
        students = select(seen.table.c.student_key).where(gone)
        is_open = and_(
            enrollment.c.student_key.in_(students),
            enrollment.c.exit_date.is_(None),
            enrollment.c.entry_date <= self._today,
        )
        current = and_(gone, self._is_member(seen.table))
        self._guard(seen, current, added, may_shrink=may_shrink)
        return self._end(enrollment, spells, is_open), 0

    def _is_member(self, student: Table) -> ColumnElement[bool]:
        """That a student has no spells at all, or an open one: who left is not missed again."""
        enrollment = TABLES["enrollment"]
        own = enrollment.c.student_key == student.c.student_key
        return or_(
            ~exists(select(1).where(own)),
            exists(select(1).where(own, enrollment.c.exit_date.is_(None))),
        )

    def _within_days_said(self, seen: Seen) -> list[ColumnElement[bool]]:
        """A file of this year says nothing about the last one."""
        day = _DAY_OF_EVENTS.get(seen.table.name)
        if day is None:
            return []
        said = select(func.min(seen.table.c[day]), func.max(seen.table.c[day])).where(
            seen.table.c.source_key == self._mark.source_key, ~seen.unsaid()
        )
        first, last = self._connection.execute(said).one()
        if first is None:
            return []
        return [seen.table.c[day] >= first, seen.table.c[day] <= last]

    def _said_otherwise(self, seen: Seen, spells: _Spells) -> ColumnElement[bool]:
        """That the same is said with another first day: a correction, not an end."""
        same = [seen.table.c[name] == seen.said.c[name] for name in spells.of]
        return exists(select(1).where(and_(*same)))

    def _guard(
        self, seen: Seen, gone: ColumnElement[bool], added: int, *, may_shrink: bool
    ) -> None:
        count = (
            self._connection.scalar(select(func.count()).select_from(seen.table).where(gone)) or 0
        )
        held = count + seen.count() - added
        if count * _SHRINKS_BY > held and not may_shrink:
            raise RequestInvalidError(
                "a table would shrink by more than 20 %: look at the files, then allow it",
                table=seen.table.name,
                held=str(held),
                gone=str(count),
            )


def _batches(values: Sequence[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch
