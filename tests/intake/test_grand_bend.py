"""An import of Grand Bend (Ed-Fi 5.2) gives the numbers computed apart from its files."""

import pytest

from services.node.domain.intake_report import IntakeReport
from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set

ABSENT_DAYS = (
    "SELECT student_key, school_id, count(*) AS days FROM attendance"
    " WHERE category IN ('excused_absence', 'unexcused_absence') GROUP BY student_key, school_id"
)


@pytest.fixture(scope="module")
def grand_bend(tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedRecords, IntakeReport]:
    records = LoadedRecords(tmp_path_factory.mktemp("grand_bend"))
    return records, records.ingest("edfi_xml", shared_set("edfi-grandbend-ds52-xml"))


@pytest.fixture
def records(grand_bend: tuple[LoadedRecords, IntakeReport]) -> LoadedRecords:
    return grand_bend[0]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("student", 960),
        ("school", 3),
        ("session", 6),
        ("attendance", 1_917),
        ("discipline_incident", 21),
        ("discipline_action", 25),
        ("course_grade", 250),
        ("assessment_result", 1_292),
        ("program_participation", 706),
        ("guardian", 1_872),
        ("calendar_date", 2),
    ],
)
def test_a_table_has_as_many_rows_as_the_files(
    records: LoadedRecords, table: str, expected: int
) -> None:
    assert records.count(f"SELECT count(*) FROM {table}") == expected  # noqa: S608  # a word above


def test_nothing_is_rejected(grand_bend: tuple[LoadedRecords, IntakeReport]) -> None:
    assert grand_bend[1].rejections == []


def test_events_of_a_class_are_told_as_passed_over(
    grand_bend: tuple[LoadedRecords, IntakeReport],
) -> None:
    assert grand_bend[1].skipped["StudentSectionAttendanceEvent"] == 66


def test_chronic_absence_is_as_computed_apart(records: LoadedRecords) -> None:
    """Everyone is taken as enrolled on all days: the set has no enrollments."""
    [(days,)] = records.rows(
        "SELECT DISTINCT days FROM"
        " (SELECT sum(instructional_days) AS days FROM session GROUP BY school_id)"
    )
    absences = records.rows(ABSENT_DAYS)
    chronic = [school_id for _, school_id, absent in absences if absent * 10 >= days]

    assert days == 169
    assert sum(absent for *_, absent in absences) == 1_850
    assert len({student for student, *_ in absences}) == 192
    assert {school_id: chronic.count(school_id) for school_id in set(chronic)} == {
        "255901107": 17,
        "255901044": 12,
        "255901001": 15,
    }


def test_every_absence_lasts_the_day_it_says(records: LoadedRecords) -> None:
    assert records.count("SELECT sum(duration_days) FROM attendance") == 1_850


def test_each_school_is_known_to_report_exceptions(records: LoadedRecords) -> None:
    assert records.rows("SELECT DISTINCT attendance_kind FROM school") == [("exceptions",)]


def test_removals_are_counted_by_student(records: LoadedRecords) -> None:
    removals = records.rows(
        "SELECT action_type, count(*), count(DISTINCT student_key)"
        " FROM discipline_action GROUP BY action_type ORDER BY 1"
    )

    assert removals == [("expulsion", 1, 1), ("in_school_suspension", 24, 20)]


def test_an_incident_named_by_reference_brings_its_date_and_school(
    records: LoadedRecords,
) -> None:
    incident = records.rows(
        "SELECT student_id, i.school_id, incident_date, behavior FROM discipline_incident i"
        " JOIN student USING (student_key) WHERE incident_id = '255901001/10'"
    )

    assert incident == [("605266", "255901001", "2021-10-18", "State Offense")]


def test_status_flags_come_from_the_programs(records: LoadedRecords) -> None:
    flags = records.rows(
        "SELECT sum(homeless), sum(special_education), count(homeless) FROM student"
    )

    assert flags == [(11, 97, 960)]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("Special Education", 97),
        ("English as a Second Language (ESL)", 38),
        ("Bilingual", 40),
        ("Homeless", 11),
        ("Migrant Education", 275),
        ("Career and Technical Education", 64),
        ("Gifted and Talented", 86),
        ("School Food Service", 82),
        ("Section 504 Placement", 3),
        ("Neglected and Delinquent Program", 8),
        ("Title I Part A", 2),
    ],
)
def test_participations_are_as_many_as_in_each_program_file(
    records: LoadedRecords, program: str, expected: int
) -> None:
    query = f"SELECT count(*) FROM program_participation WHERE program_name = '{program}'"  # noqa: S608  # a name above
    assert records.count(query) == expected


def test_assessments_have_their_title_and_subject_from_the_metadata(
    records: LoadedRecords,
) -> None:
    result = records.rows(
        "SELECT DISTINCT assessment_title, subject FROM assessment_result"
        " WHERE result_id LIKE 'ACT Composite/%'"
    )

    assert result == [("ACT", "Composite")]


def test_gradebook_entries_have_the_course_of_their_section(records: LoadedRecords) -> None:
    courses = records.rows("SELECT DISTINCT school_id, course_code, grade_kind FROM course_grade")

    assert courses == [("255901001", "ALG-1", "gradebook")]


def test_statuses_have_the_periods_of_their_programs(records: LoadedRecords) -> None:
    found = records.rows(
        "SELECT status, count(*), count(DISTINCT student_key) FROM student_status"
        " WHERE status IN ('homeless', 'special_education', 'section_504') GROUP BY 1 ORDER BY 1"
    )

    assert [(status, students) for status, _, students in found] == [
        ("homeless", 11),
        ("section_504", 3),
        ("special_education", 97),
    ]
