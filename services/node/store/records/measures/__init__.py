"""The measures of the records, defined once, in SQL that runs on SQLite and on PostgreSQL.

Definitions and their sources: CEDS 002022 and EDFacts FS195 for absence, PowerSchool and Aeries for
average daily attendance, CRDC for suspensions, Balfanz and the Wisconsin DPI for the indicators.
Comparisons are of whole numbers: 17 of 169 days is chronic, 16 is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Date, Engine, bindparam, text

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class MeasureRules:
    """What states decide differently.

    Attributes:
        first_day, last_day: the days that are measured, both included.
        min_days: who was enrolled for fewer is not called chronically absent; 10 in Maine.
        exit_day_counts: whether the day of the exit is a day of membership.
    """

    first_day: date = date(1900, 1, 1)
    last_day: date = date(2200, 12, 31)
    min_days: int = 10
    exit_day_counts: bool = True


@dataclass(frozen=True, slots=True)
class StudentAttendance:
    """One student's days at one school; `tier` is empty for who was not there long enough."""

    student_key: int
    school_id: str
    enrolled: int
    absent: int
    chronic: bool
    tier: str | None


@dataclass(frozen=True, slots=True)
class SchoolAttendance:
    """One school's attendance.

    Attributes:
        long_enough: the students that the number of chronically absent ones is of.
    """

    school_id: str
    days_in_session: int
    students: int
    days_enrolled: int
    days_attended: int
    chronic: int
    long_enough: int

    @property
    def average_daily_attendance(self) -> Fraction:
        """Days attended by all students, by days in session."""
        return Fraction(self.days_attended, self.days_in_session or 1)

    @property
    def attendance_rate(self) -> Fraction:
        """Days attended by days enrolled."""
        return Fraction(self.days_attended, self.days_enrolled or 1)


@dataclass(frozen=True, slots=True)
class Suspensions:
    """How many students of a school were suspended at least once; never how often."""

    school_id: str
    students: int
    in_school: int
    out_of_school: int
    suspended: int

    @property
    def rate(self) -> Fraction:
        """Students suspended at least once, by students enrolled."""
        return Fraction(self.suspended, self.students or 1)


@dataclass(frozen=True, slots=True)
class SuspendedStudent:
    """Whether one student of a school was suspended there at least once."""

    student_key: int
    school_id: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class Indicators:
    """One student's early warnings; none of attendance for who was not there long enough."""

    student_key: int
    grade_level: str | None
    attendance: bool | None
    behavior: bool
    courses: bool


class Measures:
    """The measures of one node's records."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def attendance_of_students(self, rules: MeasureRules) -> list[StudentAttendance]:
        """Each student's days, once for every school: a mover counts at each."""
        return [
            StudentAttendance(**row | {"chronic": bool(row["chronic"])})
            for row in self._rows("students", rules)
        ]

    def attendance_of_schools(self, rules: MeasureRules) -> list[SchoolAttendance]:
        """Each school's attendance; sums over schools count movers more than once."""
        return [
            SchoolAttendance(row.pop("school_id"), **{k: int(v) for k, v in row.items()})
            for row in self._rows("schools", rules)
        ]

    def suspensions(self, rules: MeasureRules) -> list[Suspensions]:
        """Each school's suspended students."""
        return [Suspensions(**row) for row in self._rows("suspensions", rules)]

    def suspended_students(self, rules: MeasureRules) -> list[SuspendedStudent]:
        """The students of each school, and who of them was suspended."""
        return [
            SuspendedStudent(row["student_key"], row["school_id"], bool(row["suspended"]))
            for row in self._rows("suspended_students", rules)
        ]

    def indicators(self, rules: MeasureRules) -> list[Indicators]:
        """Attendance, behavior and courses of each student."""
        return [
            Indicators(
                row["student_key"],
                row["grade_level"],
                None if row["attendance"] is None else bool(row["attendance"]),
                bool(row["behavior"]),
                bool(row["courses"]),
            )
            for row in self._rows("indicators", rules)
        ]

    def _rows(self, name: str, rules: MeasureRules) -> list[dict[str, Any]]:
        statement = text(measure(name)).bindparams(
            bindparam("first_day", type_=Date), bindparam("last_day", type_=Date)
        )
        said = statement.compile(self._engine).params
        parameters: Mapping[str, Any] = {
            "first_day": rules.first_day,
            "last_day": rules.last_day,
            "min_days": rules.min_days,
            "exit_day_counts": int(rules.exit_day_counts),
        }
        with self._engine.connect() as connection:
            wanted = {k: v for k, v in parameters.items() if k in said}
            return [dict(row._mapping) for row in connection.execute(statement, wanted)]


@cache
def measure(name: str) -> str:
    """The SQL of one measure, with its parameters by name."""
    return "\n".join((_HERE / f"{part}.sql").read_text("utf-8") for part in ("attendance", name))
