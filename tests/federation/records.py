"""A handful of students whose records are hard to handle, and what their families allowed."""

import csv
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HARBOR = "harbor_ps"
MILL_RIVER = "mill_river_ps"

K8, HIGH, CHARTER = "hps_elm_k8", "hps_bay_high", "hps_dock_charter"
MILL_SCHOOL = "mrps_weir_middle"
SCHOOLS: Mapping[str, Sequence[str]] = {HARBOR: (K8, HIGH, CHARTER), MILL_RIVER: (MILL_SCHOOL,)}

ATTENDANCE = "daily_attendance"
SCHOOL = "school_of_enrollment"
GRADES = "course_grades"
GRADE_LEVEL = "grade_level"

DAYS = (dt.date(2026, 3, 2), dt.date(2026, 3, 3), dt.date(2026, 3, 4))

_TELLING_BYTES = 6

TODAY = dt.datetime.now(dt.UTC).date()


def _years_ago(day: dt.date, years: int) -> dt.date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February, in a year that has none
        return day.replace(year=day.year - years, day=28)


@dataclass(frozen=True, slots=True)
class Child:
    """A student, and what the family's form allows; no elements mean that there is no form."""

    holder: str
    student_id: str
    given_name: str
    family_name: str
    birth_date: dt.date
    school_id: str
    allowed: tuple[str, ...] = ()


TWO_SURNAMES = Child(
    HARBOR,
    "HPS-7704411",
    "José Andrés",
    "Núñez Etxeberria",
    dt.date(2013, 4, 9),
    K8,
    (ATTENDANCE, SCHOOL, GRADE_LEVEL),
)
TWIN = Child(
    HARBOR, "HPS-7704412", "Ngọc Lan", "Trầnhoàng", dt.date(2014, 7, 21), K8, (ATTENDANCE,)
)
OTHER_TWIN = Child(
    HARBOR, "HPS-7704413", "Ngọc Mai", "Trầnhoàng", dt.date(2014, 7, 21), K8, (GRADES, GRADE_LEVEL)
)
LEAP_DAY = Child(
    HARBOR,
    "HPS-7704414",
    "Zoë",
    "O'Łukaszewicz",
    dt.date(2012, 2, 29),
    K8,
    (ATTENDANCE, SCHOOL, GRADES, GRADE_LEVEL),
)
TURNS_18_TOMORROW = Child(
    HARBOR,
    "HPS-7704415",
    "Þórdís",
    "Quispemamani",
    _years_ago(TODAY + dt.timedelta(days=1), 18),
    HIGH,
    (ATTENDANCE,),
)
TURNED_18 = Child(
    HARBOR,
    "HPS-7704416",
    "Ọlábísí",
    "Adégbóyèga",
    _years_ago(TODAY, 18),
    HIGH,
    (ATTENDANCE,),
)
NO_FORM = Child(HARBOR, "HPS-7704417", "Wrenna", "Vandersloot", dt.date(2013, 11, 30), K8)
OUT_OF_SCOPE = Child(
    HARBOR,
    "HPS-7704418",
    "Priyanka",
    "Raghunathan",
    dt.date(2012, 8, 17),
    CHARTER,
    (ATTENDANCE, SCHOOL),
)
SPARE = Child(HARBOR, "HPS-7704419", "Đorđe", "Živojinović", dt.date(2013, 1, 5), K8)
LATE = Child(HARBOR, "HPS-7704420", "Nāʻālehu", "Kealohapauʻole", dt.date(2013, 5, 15), K8)
SAME_NAME = Child(
    MILL_RIVER,
    "MR/88-2201",
    "José Andrés",
    "Núñez Etxeberria",
    dt.date(2013, 4, 9),
    MILL_SCHOOL,
    (ATTENDANCE, SCHOOL),
)
MILL_CHILD = Child(
    MILL_RIVER,
    "MR/88-2202",
    "Siobhán",
    "McGillacuddy",
    dt.date(2012, 12, 24),
    MILL_SCHOOL,
    (ATTENDANCE, GRADES),
)
MILL_NO_FORM = Child(
    MILL_RIVER, "MR/88-2203", "Xiǎoqīng", "Ouyangfeng", dt.date(2013, 9, 3), MILL_SCHOOL
)
LONG_RECORD = Child(
    MILL_RIVER, "MR/88-2204", "Methuselah", "Långström", dt.date(2011, 6, 6), MILL_SCHOOL
)
"""Has a great many days of attendance, in `write_long_record`; nobody has allowed anything yet."""

CHILDREN: tuple[Child, ...] = (
    TWO_SURNAMES,
    TWIN,
    OTHER_TWIN,
    LEAP_DAY,
    TURNS_18_TOMORROW,
    TURNED_18,
    NO_FORM,
    OUT_OF_SCOPE,
    SPARE,
    LATE,
    SAME_NAME,
    MILL_CHILD,
    MILL_NO_FORM,
    LONG_RECORD,
)

ATTENDANCE_ALLOWED = frozenset(
    {TWO_SURNAMES, TWIN, LEAP_DAY, TURNS_18_TOMORROW, SAME_NAME, MILL_CHILD}
)
"""Whose attendance may be in an answer: not a grown student's on a parent's word, nor a student's
at a school that the agreement does not list."""


def write_records(folder: Path, holder: str) -> Path:
    """Writes one district's file set in the records' own CSV form."""
    own = folder / f"{holder}_records"
    own.mkdir()
    children = [child for child in CHILDREN if child.holder == holder]
    _write(own / "school.csv", ({"school_id": s, "name": s} for s in SCHOOLS[holder]))
    _write(own / "student.csv", (_student(child) for child in children))
    _write(own / "attendance.csv", (day for child in children for day in _attendance(child)))
    _write(own / "course_grade.csv", (_grade(child) for child in children))
    return own


def secrets_of(children: Sequence[Child]) -> Iterator[str]:
    """The values that must never stand in a log, at the hub or in an error message."""
    for child in children:
        yield child.student_id
        yield f"{child.given_name} {child.family_name}"
        yield child.birth_date.isoformat()
        for word in (*child.given_name.split(), *child.family_name.split()):
            # Shorter words stand in keys and digests by chance.
            if len(word.encode()) >= _TELLING_BYTES:
                yield word


def _student(child: Child) -> dict[str, str]:
    return {
        "student_id": child.student_id,
        "given_name": child.given_name,
        "family_name": child.family_name,
        "birth_date": child.birth_date.isoformat(),
        "grade_level": "07",
        "homeless": "false",
        "school_id": child.school_id,
    }


def _attendance(child: Child) -> Iterator[dict[str, str]]:
    for day in DAYS:
        yield {
            "student_id": child.student_id,
            "school_id": child.school_id,
            "event_date": day.isoformat(),
            "category": "in_attendance",
            "duration_days": "1",
        }


def _grade(child: Child) -> dict[str, str]:
    return {
        "student_id": child.student_id,
        "school_id": child.school_id,
        "course_code": "MATH7",
        "term": "2025-26 S1",
        "grade_kind": "transcript",
        "course_title": "Mathematics",
        "letter_grade": "B",
        "numeric_grade": "86",
    }


def _write(path: Path, rows: Iterator[dict[str, str]]) -> None:
    listed = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, listed[0])
        writer.writeheader()
        writer.writerows(listed)
