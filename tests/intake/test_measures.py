"""The measures of real sets are those computed apart; small ones can be counted by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from services.node.intake.run import Choices, ingest
from services.node.store.records.measures import MeasureRules, Measures
from services.runtime.database import open_database
from tests.intake.shared_sets import shared_set

TODAY = date(2026, 6, 30)
MONDAY = date(2025, 9, 8)
ALL = MeasureRules()
FALL_2011 = MeasureRules(date(2011, 8, 1), date(2012, 7, 31))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/records.db"


@contextmanager
def measures(url: str) -> Iterator[Measures]:
    engine = open_database(url)
    try:
        yield Measures(engine)
    finally:
        engine.dispose()


def load(url: str, folder: Path, **tables: list[str]) -> None:
    """Loads tables given as lines, the header first."""
    folder.mkdir(exist_ok=True)
    for name, lines in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    report = ingest("record_csv", folder, url, Choices(today=TODAY))
    assert report.rejections == []


def school_days(count: int, first: date = MONDAY) -> list[date]:
    days = [first + timedelta(days=n) for n in range(2 * count)]
    return [day for day in days if day.weekday() < 5][:count]


class TestPublishedSets:
    """Two public sets, whose numbers were computed apart."""

    def test_daybreak(self, url: str) -> None:
        ingest("edfi_xml", shared_set("inbloom-il-daybreak"), url)
        with measures(url) as found:
            schools = found.attendance_of_schools(FALL_2011)

        attended = sum(s.days_attended for s in schools)
        enrolled = sum(s.days_enrolled for s in schools)
        assert {s.days_in_session for s in schools} == {74}
        assert (sum(s.students for s in schools), enrolled, enrolled - attended) == (75, 5_550, 210)
        ada = sum((s.average_daily_attendance for s in schools), Fraction(0))
        assert round(ada, 4) == Fraction("72.1622")
        assert round(Fraction(attended, enrolled), 6) == Fraction("0.962162")
        assert sum(s.chronic for s in schools) == 6

    def test_grand_bend(self, url: str) -> None:
        ingest("edfi_xml", shared_set("edfi-grandbend-ds52-xml"), url)
        with measures(url) as found:
            students = found.attendance_of_students(ALL)
            schools = found.attendance_of_schools(ALL)
            suspended = found.suspensions(ALL)

        assert {s.days_in_session for s in schools} == {169}
        assert {s.school_id: s.chronic for s in schools} == {
            "255901107": 17,
            "255901044": 12,
            "255901001": 15,
        }
        assert sum(s.absent for s in students) == 1_850
        assert sum(s.absent > 0 for s in students) == 192
        assert min(s.absent for s in students if s.chronic) == 17
        assert max(s.absent for s in students if not s.chronic) <= 16
        assert sum(s.in_school for s in suspended) == 20


SCHOOL = ["school_id,name,attendance_kind", "a,A,exceptions", "b,B,every_day"]


def test_days_after_the_school_last_reported_are_nobodys(url: str, tmp_path: Path) -> None:
    """No row means present only up to the last day on which the school said anything."""
    days = school_days(40)
    load(
        url,
        tmp_path / "set",
        school=SCHOOL,
        calendar_date=["school_id,calendar_date,instructional", *[f"a,{d},true" for d in days]],
        student=["student_id,given_name", "1,Ana", "2,Ben"],
        enrollment=[
            "student_id,school_id,entry_date,exit_date",
            f"1,a,{days[0]},",
            f"2,a,{days[10]},{days[14]}",
        ],
        attendance=[
            "student_id,school_id,event_date,category",
            f"1,a,{days[3]},unexcused_absence",
            f"1,a,{days[19]},excused_absence",
        ],
    )
    with measures(url) as found:
        students = found.attendance_of_students(ALL)
        stricter = found.attendance_of_students(MeasureRules(exit_day_counts=False))

    assert [(s.enrolled, s.absent, s.chronic, s.tier) for s in students] == [
        (20, 2, True, "moderate"),
        (5, 0, False, None),
    ]
    assert [s.enrolled for s in stricter] == [20, 4]


@pytest.mark.parametrize("spells", [True, False])
def test_a_school_that_never_reported_has_no_days(url: str, tmp_path: Path, spells: bool) -> None:
    """Nobody is called present because nothing was said, as where attendance is kept elsewhere."""
    days = school_days(40)
    spell = [f"1,a,{days[0]},"] if spells else []
    load(
        url,
        tmp_path / "set",
        school=SCHOOL,
        session=[
            "school_id,session_name,school_year,begin_date,end_date,instructional_days",
            f"a,Year,2026,{days[0]},{days[39]},40",
        ],
        calendar_date=["school_id,calendar_date,instructional", *[f"a,{d},true" for d in days]],
        student=["student_id,given_name,school_id", "1,Ana,a"],
        enrollment=["student_id,school_id,entry_date,exit_date", *spell],
    )
    with measures(url) as found:
        assert found.attendance_of_students(ALL) == []


def test_a_mover_counts_at_each_school_for_its_own_days_and_a_gap_for_none(
    url: str, tmp_path: Path
) -> None:
    days = school_days(30)
    events = [f"1,b,{d},in_attendance" for d in days]  # also in the gap, and before the entry
    load(
        url,
        tmp_path / "set",
        school=[*SCHOOL, "c,C,every_day"],
        student=["student_id,given_name", "1,Ana"],
        enrollment=[
            "student_id,school_id,entry_date,exit_date",
            f"1,b,{days[2]},{days[11]}",
            f"1,c,{days[15]},",
        ],
        attendance=[
            "student_id,school_id,event_date,category",
            *events,
            *[f"1,c,{d},excused_absence" for d in days[15:]],
        ],
    )
    with measures(url) as found:
        students = found.attendance_of_students(ALL)

    assert [(s.school_id, s.enrolled, s.absent) for s in students] == [("b", 10, 0), ("c", 15, 15)]


@pytest.mark.parametrize(
    ("events", "absent"),
    [
        (["unexcused_absence,1.0", "tardy,"], 0),
        (["excused_absence,0.5"], 1),
        (["excused_absence,0.4"], 0),
        (["partial,0.3", "unexcused_absence,0.3"], 0),
        (["excused_absence,", "unexcused_absence,"], 1),
    ],
    ids=["corrected to tardy", "half a day", "less than half", "partial", "two absences"],
)
def test_a_day_has_one_status(url: str, tmp_path: Path, events: list[str], absent: int) -> None:
    load(
        url,
        tmp_path / "set",
        school=SCHOOL,
        student=["student_id,given_name", "1,Ana"],
        enrollment=["student_id,school_id,entry_date", f"1,b,{MONDAY}"],
        attendance=[
            "student_id,school_id,event_date,category,duration_days",
            *[f"1,b,{MONDAY},{event}" for event in events],
        ],
    )
    with measures(url) as found:
        [student] = found.attendance_of_students(ALL)

    assert (student.enrolled, student.absent) == (1, absent)


@pytest.mark.parametrize(("absent", "chronic"), [(16, False), (17, True)])
def test_chronic_absence_is_compared_in_whole_numbers(
    url: str, tmp_path: Path, absent: int, chronic: bool
) -> None:
    days = school_days(169)
    load(
        url,
        tmp_path / "set",
        school=SCHOOL,
        student=["student_id,given_name", "1,Ana"],
        enrollment=["student_id,school_id,entry_date", f"1,b,{MONDAY}"],
        attendance=[
            "student_id,school_id,event_date,category",
            *[
                f"1,b,{d},{'unexcused_absence' if n < absent else 'in_attendance'}"
                for n, d in enumerate(days)
            ],
        ],
    )
    with measures(url) as found:
        [student] = found.attendance_of_students(ALL)

    assert (student.enrolled, student.absent, student.chronic) == (169, absent, chronic)


def test_suspended_students_are_counted_once_and_by_enrollment(url: str, tmp_path: Path) -> None:
    actions = [
        f"{n},1,{kind},{MONDAY},a"
        for n, kind in enumerate(["in_school_suspension"] * 3 + ["out_of_school_suspension"])
    ]
    load(
        url,
        tmp_path / "set",
        school=SCHOOL,
        student=["student_id,given_name", *[f"{n},Ana" for n in range(1, 5)]],
        enrollment=[
            "student_id,school_id,entry_date",
            *[f"{n},a,{MONDAY}" for n in range(1, 5)],
        ],
        discipline_action=["action_id,student_id,action_type,action_date,school_id", *actions],
    )
    with measures(url) as found:
        [school] = found.suspensions(ALL)

    assert (school.students, school.in_school, school.out_of_school) == (4, 1, 1)
    assert school.rate == Fraction(1, 4)


def test_indicators_differ_between_middle_and_high_school(url: str, tmp_path: Path) -> None:
    days = school_days(20)
    who = [(1, "06", 3), (2, "06", 5), (3, "10", 2)]  # student, grade, days absent
    load(
        url,
        tmp_path / "set",
        school=SCHOOL,
        student=["student_id,given_name,grade_level", *[f"{n},A,{g}" for n, g, _ in who]],
        enrollment=["student_id,school_id,entry_date", *[f"{n},b,{MONDAY}" for n, _, _ in who]],
        attendance=[
            "student_id,school_id,event_date,category",
            *[
                f"{n},b,{d},{'excused_absence' if day < absent else 'in_attendance'}"
                for n, _, absent in who
                for day, d in enumerate(days)
            ],
        ],
        course_grade=[
            "student_id,school_id,course_code,term,grade_kind,course_title,letter_grade",
            "1,b,ART,S1,transcript,Art,F",
            "2,b,M6,S1,transcript,Mathematics 6,F",
            "3,b,ART,S1,transcript,Art,F",
        ],
        discipline_action=[
            "action_id,student_id,action_type,action_date,school_id",
            f"1,1,in_school_suspension,{MONDAY},b",
        ],
    )
    with measures(url) as found:
        told = [(i.attendance, i.behavior, i.courses) for i in found.indicators(ALL)]

    assert told == [(False, True, False), (True, False, True), (True, False, True)]
