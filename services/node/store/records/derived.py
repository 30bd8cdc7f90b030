"""Facts that follow from records when the source does not give them.

A student's current school follows from the enrollments, a school's kind of attendance from its
events. Only what the run touched is derived again, so what an earlier source said stays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from services.node.store.records.tables import TABLES

_BATCH = 1_000


class DerivedFacts:
    """Notes what a run touches, then derives and writes what it left open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._students: set[int] = set()
        self._students_told: set[int] = set()
        self._schools: set[str] = set()
        self._schools_told: set[str] = set()

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

    def write(self) -> None:
        """Derives and writes the current schools and the kinds of attendance."""
        for keys in _batches(self._students - self._students_told):
            self._write("student", "student_key", "school_id", self._current_schools(keys))
        for ids in _batches(self._schools - self._schools_told):
            self._write("school", "school_id", "attendance_kind", self._attendance_kinds(ids))

    def _current_schools(self, keys: list[int]) -> dict[Any, str]:
        """The school of each student's latest enrollment among those open or, else, ending last."""
        enrollment = TABLES["enrollment"]
        query = select(
            enrollment.c.student_key,
            enrollment.c.exit_date,
            enrollment.c.entry_date,
            enrollment.c.school_id,
        ).where(enrollment.c.student_key.in_(keys))
        latest: dict[Any, tuple[date, date, str]] = {}
        for key, exit_date, entry_date, school_id in self._connection.execute(query):
            spell = (exit_date or date.max, entry_date, school_id)
            latest[key] = max(spell, latest.get(key, spell))
        return {key: school_id for key, (_, _, school_id) in latest.items()}

    def _attendance_kinds(self, ids: list[str]) -> dict[Any, str]:
        """Every day, where at least half of a school's events say that somebody was there."""
        attendance = TABLES["attendance"]
        present = func.sum(case((attendance.c.category == "in_attendance", 1), else_=0))
        query = (
            select(attendance.c.school_id, func.count(), present)
            .where(attendance.c.school_id.in_(ids))
            .group_by(attendance.c.school_id)
        )
        return {
            school_id: "every_day" if 2 * days_present >= events else "exceptions"
            for school_id, events, days_present in self._connection.execute(query)
        }

    def _write(self, table: str, key: str, column: str, values: Mapping[Any, str]) -> None:
        if not values:
            return
        target = TABLES[table]
        statement = (
            update(target)
            .where(target.c[key] == bindparam("of"))
            .values({column: bindparam("now")})
        )
        self._connection.execute(
            statement, [{"of": of, "now": now} for of, now in sorted(values.items())]
        )


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
