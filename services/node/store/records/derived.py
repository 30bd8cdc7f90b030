"""Facts that follow from records when the source does not give them.

When a student was a member of a school follows from all the student's spells, and with it the
current school; a school's kind of attendance, and the last day it reported, from its events. Only
what the run touched is derived again, so what an earlier source said stays.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from services.node.domain.membership import (
    Spell,
    current_school,
    memberships,
    overlapping,
    without_primary,
)
from services.node.store.records.tables import TABLES

_BATCH = 1_000
_SATURDAY = 5
_WEEKEND_MATTERS = {
    "attendance": "event_date",
    "discipline_incident": "incident_date",
}


class DerivedFacts:
    """Notes what a run touches, then derives and writes what it left open.

    Attributes:
        findings: what is odd about what the run touched, and how often.
    """

    def __init__(self, connection: Connection, run: int) -> None:
        self.findings: Counter[str] = Counter()
        self._connection = connection
        self._run = run
        self._students: set[int] = set()
        self._students_told: set[int] = set()
        self._lost_spells: set[int] = set()
        self._schools: set[str] = set()
        self._schools_told: set[str] = set()
        self._lost_events: set[str] = set()
        self._days: dict[str, Counter[date | None]] = defaultdict(Counter)

    def note(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        student_keys: Mapping[str, int],
    ) -> None:
        """Notes the rows of a table that were just loaded."""
        if table == "enrollment":
            self._students |= _values(columns, rows, "student_key")
        elif table == "attendance":
            self._schools |= _values(columns, rows, "school_id")
        elif table == "student":
            self._students |= {student_keys[i] for i in _values(columns, rows, "student_id")}
            told = _told(columns, rows, "student_id", "school_id")
            self._students_told |= {student_keys[i] for i in told}
        elif table == "school":
            self._schools |= _values(columns, rows, "school_id")
            self._schools_told |= _told(columns, rows, "school_id", "attendance_kind")
        if table in _WEEKEND_MATTERS and _WEEKEND_MATTERS[table] in columns:
            place = columns.index(_WEEKEND_MATTERS[table])
            self._days[table].update([row[place] for row in rows])

    def touch(self, table: str, keys: Iterable[Mapping[str, Any]]) -> None:
        """Notes rows that were removed or ended."""
        for key in keys:
            if table in {"enrollment", "student"}:
                self._students.add(key["student_key"])
                self._lost_spells.add(key["student_key"])
            elif table in {"attendance", "school"}:
                self._schools.add(key["school_id"])
                self._lost_events |= {key["school_id"]} if table == "attendance" else set()

    def write(self) -> None:
        """Derives and writes memberships, current schools, and the kinds of attendance."""
        for keys in _batches(self._students):
            spells = self._spells(keys)
            self._write_memberships(spells)
            # Whose only spells were taken away is at no school any more.
            known = spells.keys() | self._lost_spells.intersection(keys)
            open_ones = {key: spells.get(key, []) for key in known - self._students_told}
            schools = {key: _current(of_student) for key, of_student in open_ones.items()}
            self._write("student", "student_key", "school_id", schools)
        for ids in _batches(self._schools):
            kinds, last_days = self._attendance(ids)
            # Of a school whose last event was taken back, nothing is reported any more.
            known_by_events = kinds.keys() | self._lost_events.intersection(ids)
            open_kinds = {i: kinds.get(i) for i in known_by_events - self._schools_told}
            self._write("school", "school_id", "attendance_kind", open_kinds)
            told_until = {i: last_days.get(i) for i in ids}
            self._write("school", "school_id", "last_reported_date", told_until)
        for table, days in self._days.items():
            found = sum(
                n for day, n in days.items() if day is not None and day.weekday() >= _SATURDAY
            )
            self.findings[f"{table}.{_WEEKEND_MATTERS[table]} is on a weekend"] += found

    def _spells(self, keys: list[int]) -> dict[int, list[tuple[Any, Spell]]]:
        t = TABLES["enrollment"].c
        query = (
            select(TABLES["enrollment"])
            .where(t.student_key.in_(keys))
            .order_by(t.student_key, t.entry_date, t.school_id)
        )
        spells: dict[int, list[tuple[Any, Spell]]] = defaultdict(list)
        for row in self._connection.execute(query):
            spell = Spell(
                row.school_id,
                row.entry_date,
                row.exit_date,
                row.exit_type,
                row.primary_school,
                row.full_time_equivalency,
            )
            spells[row.student_key].append((row, spell))
        return spells

    def _write_memberships(self, spells: Mapping[int, list[tuple[Any, Spell]]]) -> None:
        changed = []
        for of_student in spells.values():
            only = [spell for _, spell in of_student]
            found = memberships(only)
            self._find(only, found)
            changed += [
                {
                    "of": row.student_key,
                    "at": row.school_id,
                    "since": row.entry_date,
                    "first": membership.first_day,
                    "last": membership.last_day,
                }
                for (row, _), membership in zip(of_student, found, strict=True)
                if (row.first_day, row.last_day) != (membership.first_day, membership.last_day)
            ]
        if changed:
            table = TABLES["enrollment"]
            statement = (
                update(table)
                .where(
                    table.c.student_key == bindparam("of"),
                    table.c.school_id == bindparam("at"),
                    table.c.entry_date == bindparam("since"),
                )
                .values(
                    first_day=bindparam("first"), last_day=bindparam("last"), changed_in=self._run
                )
            )
            self._connection.execute(statement, changed)

    def _find(self, spells: Sequence[Spell], found: Sequence[Any]) -> None:
        told = {
            "is open though a later spell began": sum(
                int(m.presumed and s.exit_date is None) for s, m in zip(spells, found, strict=True)
            ),
            "is after the next spell at the school began": overlapping(
                [s for s in spells if not s.no_show and s.exit_date]
            ),
        }
        for reason, count in told.items():
            self.findings[f"enrollment.exit_date {reason}"] += count
        self.findings["enrollment.primary_school is told of several at once"] += without_primary(
            spells, found
        )
        self.findings["enrollment.exit_type is missing though the spell ended"] += sum(
            s.exit_date is not None and not s.exit_type for s in spells
        )

    def _attendance(self, ids: list[str]) -> tuple[dict[Any, str], dict[Any, date]]:
        """Every day, where at least half of a school's events say that somebody was there."""
        attendance = TABLES["attendance"]
        present = func.sum(case((attendance.c.category == "in_attendance", 1), else_=0))
        query = (
            select(attendance.c.school_id, func.count(), present, func.max(attendance.c.event_date))
            .where(attendance.c.school_id.in_(ids))
            .group_by(attendance.c.school_id)
        )
        kinds: dict[Any, str] = {}
        last_days: dict[Any, date] = {}
        for school_id, events, days_present, last_day in self._connection.execute(query):
            kinds[school_id] = "every_day" if 2 * days_present >= events else "exceptions"
            last_days[school_id] = last_day
        return kinds, last_days

    def _write(self, table: str, key: str, column: str, values: Mapping[Any, Any]) -> None:
        if not values:
            return
        target = TABLES[table]
        statement = (
            update(target)
            .where(
                target.c[key] == bindparam("of"),
                target.c[column].is_distinct_from(bindparam("now")),
            )
            .values({column: bindparam("now"), "changed_in": self._run})
        )
        self._connection.execute(
            statement, [{"of": of, "now": now} for of, now in sorted(values.items())]
        )


def _current(of_student: Sequence[tuple[Any, Spell]]) -> str | None:
    spells = [spell for _, spell in of_student]
    return current_school(spells, memberships(spells))


def _batches(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _values(columns: Sequence[str], rows: Sequence[Sequence[Any]], name: str) -> set[Any]:
    place = columns.index(name)
    return {row[place] for row in rows}


def _told(columns: Sequence[str], rows: Sequence[Sequence[Any]], key: str, fact: str) -> set[Any]:
    """The keys of the rows that give the fact."""
    if fact not in columns:
        return set()
    key_place, place = columns.index(key), columns.index(fact)
    return {row[key_place] for row in rows if row[place] is not None}
