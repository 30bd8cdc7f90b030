"""An import of inBloom's Daybreak district (Ed-Fi 1.0) gives the numbers published about it."""

from fractions import Fraction
from pathlib import Path

import pytest

from services.node.domain.intake_report import IntakeReport
from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set


@pytest.fixture(scope="module")
def daybreak(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[LoadedRecords, IntakeReport]:
    records = LoadedRecords(tmp_path_factory.mktemp("daybreak"))
    return records, records.ingest("edfi_xml", shared_set("inbloom-il-daybreak"))


@pytest.fixture
def records(daybreak: tuple[LoadedRecords, IntakeReport]) -> LoadedRecords:
    return daybreak[0]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("student", 78),
        ("school", 3),
        ("session", 22),
        ("enrollment", 167),
        ("section_enrollment", 297),
        ("assessment_result", 203),
        ("attendance", 5_550),
        ("program_participation", 6),
        ("guardian", 9),
        ("calendar_date", 556),
    ],
)
def test_a_table_has_as_many_rows_as_published(
    records: LoadedRecords, table: str, expected: int
) -> None:
    assert records.count(f"SELECT count(*) FROM {table}") == expected  # noqa: S608  # a word above


@pytest.mark.parametrize(
    ("kind", "expected"), [("transcript", 196), ("gradebook", 315), ("grading_period", 4)]
)
def test_grades_of_each_kind_are_all_there(
    records: LoadedRecords, kind: str, expected: int
) -> None:
    query = f"SELECT count(*) FROM course_grade WHERE grade_kind = '{kind}'"  # noqa: S608  # as above
    assert records.count(query) == expected


def test_exact_repeats_are_told_as_unchanged(
    daybreak: tuple[LoadedRecords, IntakeReport],
) -> None:
    sections = daybreak[1].tables["section_enrollment"]

    assert (sections.read, sections.added, sections.unchanged) == (325, 297, 28)
    assert (sections.changed, sections.rejected) == (0, 0)


def test_a_second_import_changes_nothing(tmp_path: Path) -> None:
    records = LoadedRecords(tmp_path)
    folder = shared_set("inbloom-il-daybreak")
    first = records.ingest("edfi_xml", folder)
    second = records.ingest("edfi_xml", folder)

    assert {name: t.read for name, t in second.tables.items()} == {
        name: t.unchanged for name, t in second.tables.items()
    }
    assert {name: t.read for name, t in second.tables.items()} == {
        name: t.read for name, t in first.tables.items()
    }


def test_attendance_gives_the_measures_computed_apart(records: LoadedRecords) -> None:
    days, students = records.rows(
        "SELECT count(DISTINCT event_date), count(DISTINCT student_key) FROM attendance"
    )[0]
    absences = dict(
        records.rows(
            "SELECT student_key, count(*) FROM attendance"
            " WHERE category IN ('excused_absence', 'unexcused_absence') GROUP BY student_key"
        )
    )
    absent = sum(absences.values())

    assert (days, students, absent) == (74, 75, 210)
    assert round(Fraction(days * students - absent, days), 4) == Fraction("72.1622")
    assert round(Fraction(days * students - absent, days * students), 6) == Fraction("0.962162")
    assert sum(absence * 10 >= days for absence in absences.values()) == 6


def test_each_school_is_known_to_report_every_day(records: LoadedRecords) -> None:
    assert records.rows("SELECT DISTINCT attendance_kind FROM school") == [("every_day",)]


def test_victims_and_witnesses_are_in_no_discipline_row(records: LoadedRecords) -> None:
    offenders = records.rows(
        "SELECT student_id FROM discipline_incident JOIN student USING (student_key) ORDER BY 1"
    )

    assert offenders == [("900000016",), ("900000017",)]


def test_an_action_that_names_two_students_is_about_both(records: LoadedRecords) -> None:
    actions = records.rows(
        "SELECT student_id, action_type, planned_days, actual_days"
        " FROM discipline_action JOIN student USING (student_key) ORDER BY 1"
    )

    assert actions == [
        (student_id, "out_of_school_suspension", 74.0, 64.0)
        for student_id in ("100000000", "100000001", "100000002")
    ]


def test_the_current_school_and_grade_are_those_of_the_latest_enrollment(
    records: LoadedRecords,
) -> None:
    by_school = records.rows(
        "SELECT school_id, min(grade_level), count(*) FROM student GROUP BY school_id ORDER BY 1"
    )

    assert by_school == [
        ("Daybreak Central High", "11", 25),
        ("East Daybreak Junior High", "08", 28),
        ("South Daybreak Elementary", "01", 25),
    ]


def test_english_learners_are_those_who_are_limited_now(records: LoadedRecords) -> None:
    assert records.count("SELECT count(*) FROM student WHERE english_learner") == 17


def test_guardians_have_names_as_they_are_written(records: LoadedRecords) -> None:
    names = records.rows("SELECT DISTINCT family_name FROM guardian")

    assert ("Lê",) in names
    assert records.count("SELECT count(DISTINCT student_key) FROM guardian") == 3


def test_spells_that_were_never_closed_are_told_and_end_where_the_next_begins(
    daybreak: tuple[LoadedRecords, IntakeReport],
) -> None:
    records, report = daybreak

    told = report.noticed["enrollment.exit_date is open though a later spell began"]
    assert told > 50
    assert (
        records.count(
            "SELECT max(n) FROM (SELECT count(*) AS n FROM enrollment"
            " WHERE first_day IS NOT NULL AND last_day IS NULL GROUP BY student_key)"
        )
        == 1
    )
