"""Mapped CSV: maps that are wrong, exports that are dirty, and the ready maps on their sets."""

from datetime import date
from pathlib import Path

import pytest

from homeroom.errors import RequestInvalidError
from services.node.intake.mapped_csv import ready_maps
from services.node.intake.mapped_csv.map_file import read_map
from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set

STUDENT_MAP = """\
description: Students.
files:
  - match: ["students*.csv"]
    rows:
      - table: student
        columns:
          student_id: id
          given_name: name
          birth_date: born
          gender: {column: sex, codes: {F: female}}
"""


def map_of(tmp_path: Path, text: str) -> str:
    (tmp_path / "map.yaml").write_text(text, "utf-8")
    return str(tmp_path / "map.yaml")


@pytest.mark.parametrize("name", sorted(ready_maps()))
def test_every_ready_map_can_be_read(name: str) -> None:
    assert read_map(name).description


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ("description: [", "no YAML"),
        (STUDENT_MAP.replace("table: student", "table: pupil"), "names no table"),
        (STUDENT_MAP.replace("given_name", "nickname"), "a column that the table has not"),
        (STUDENT_MAP.replace("student_id: id\n", "state_id: id\n"), "rows are told apart"),
        (STUDENT_MAP.replace("codes:", "coeds:"), "coeds"),
        (STUDENT_MAP.replace("column: sex", "column: sex, value: x"), "none or several"),
    ],
)
def test_a_wrong_map_is_refused_before_a_file_is_read(
    records: LoadedRecords, tmp_path: Path, folder: Path, wrong: str, match: str
) -> None:
    (folder / "students.csv").write_text("id,name,born,sex\n", "utf-8")

    with pytest.raises(RequestInvalidError, match=match):
        records.ingest("mapped_csv", folder, mapping=map_of(tmp_path, wrong))


def test_an_unknown_map_names_the_ready_ones(records: LoadedRecords, folder: Path) -> None:
    with pytest.raises(RequestInvalidError, match="aspen_x2"):
        records.ingest("mapped_csv", folder, mapping="nothing")


def test_bad_lines_are_told_and_good_ones_are_kept(
    records: LoadedRecords, tmp_path: Path, folder: Path
) -> None:
    lines = ["id,name,born,sex,SSN", "1,Ana,2012-02-29,F,078051120", "2,Ben,nodate,F,", "3,Cem"]
    (folder / "students_1.csv").write_text("\r".join([*lines, "4,Di,2013-01-01,Q,"]), "utf-8")
    report = records.ingest("mapped_csv", folder, mapping=map_of(tmp_path, STUDENT_MAP))

    assert [(r.line, r.field, r.value_class) for r in report.rejections] == [
        (3, "birth_date", "word"),
        (4, "", ""),
    ]
    assert [(n.line, n.field, n.value_class) for n in report.notices] == [(5, "gender", "word")]
    assert report.dropped == {"SSN": 1}
    assert records.rows("SELECT student_id, gender FROM student ORDER BY 1") == [
        ("1", "female"),
        ("4", None),
    ]


def attendance_map(kind: str, by: str, periods: int = 0) -> str:
    return (
        STUDENT_MAP
        + f"""\
  - match: ["attendance.csv"]
    rows:
      - table: attendance
        attendance: {{kind: {kind}, by: {by}, periods: {periods}}}
        columns:
          student_id: id
          school_id: {{value: a}}
          event_date: day
          category:
            column: code
            codes: {{A: unexcused_absence, E: excused_absence, T: tardy, P: in_attendance}}
"""
    )


@pytest.mark.parametrize(
    ("kind", "periods", "codes", "expected"),
    [
        ("every_day", 0, "PPPAAA", ("unexcused_absence", 0.5)),
        ("every_day", 0, "PPPPAA", ("partial", 0.333)),
        ("every_day", 0, "TPPPPP", ("tardy", None)),
        ("every_day", 0, "PPPPPP", ("in_attendance", None)),
        ("exceptions", 6, "AAE", ("unexcused_absence", 0.5)),
        ("exceptions", 7, "AAE", ("partial", 0.429)),
        ("exceptions", 6, "T", ("tardy", None)),
    ],
)
def test_periods_become_days(
    tmp_path: Path, kind: str, periods: int, codes: str, expected: tuple[str, float | None]
) -> None:
    records, folder = LoadedRecords(tmp_path), tmp_path / "set"
    folder.mkdir()
    (folder / "students.csv").write_text("id,name,born,sex\n1,Ana,,\n", "utf-8")
    lines = [f"1,2025-09-08,{code}" for code in codes]
    (folder / "attendance.csv").write_text("\n".join(["id,day,code", *lines]), "utf-8")
    mapping = map_of(tmp_path, attendance_map(kind, "period", periods))
    report = records.ingest("mapped_csv", folder, mapping=mapping)

    assert report.rejections == []
    assert records.rows("SELECT category, duration_days FROM attendance") == [expected]
    assert records.rows("SELECT attendance_kind FROM school") == [(kind,)]


def test_a_code_of_attendance_that_nobody_knows_is_rejected_with_its_line(
    records: LoadedRecords, tmp_path: Path, folder: Path
) -> None:
    (folder / "students.csv").write_text("id,name,born,sex\n1,Ana,,\n", "utf-8")
    (folder / "attendance.csv").write_text("id,day,code\n1,2025-09-08,Z\n1,2025-09-09,A\n", "utf-8")
    mapping = map_of(tmp_path, attendance_map("exceptions", "day"))
    report = records.ingest("mapped_csv", folder, mapping=mapping)

    assert [(r.line, r.field, r.value_class) for r in report.rejections] == [
        (2, "category", "word")
    ]
    assert records.count("SELECT count(*) FROM attendance") == 1


class TestReadyMaps:
    """The ready maps on the exports they are for."""

    def test_sds_of_100_users(self, records: LoadedRecords) -> None:
        for form in ("SDS Format", "UK Format"):
            folder = shared_set("ms-sds-csv") / form / "100 Users"
            report = records.ingest("mapped_csv", folder, mapping="sds_v1")

            assert report.rejections == []
            assert report.dropped["Password"] == 86
        assert records.count("SELECT count(*) FROM student") == 86
        assert records.count("SELECT count(*) FROM school") == 2
        enrolled = "SELECT count(*) FROM section_enrollment WHERE begin_date = '2017-07-01'"
        assert records.count(enrolled) == report.tables["section_enrollment"].added + 602

    def test_sds_with_the_least_columns(self, records: LoadedRecords) -> None:
        folder = shared_set("ms-sds-csv") / "SDS Format" / "Min Required Attributes"
        report = records.ingest("mapped_csv", folder, mapping="sds_v1")

        assert report.tables["student"].added > 20
        assert {r.field for r in report.rejections} <= {"begin_date", "session_name", "school_year"}

    def test_sds_2_1_has_guardians_and_flags(self, records: LoadedRecords) -> None:
        folder = shared_set("ms-sds-csv") / "SDS v2.1"
        report = records.ingest("mapped_csv", folder, mapping="sds_v2_1")

        assert report.rejections == []
        assert report.dropped == {"password": 8}
        assert records.rows(
            "SELECT student_id, special_education, lunch_eligibility, races, hispanic"
            " FROM student ORDER BY 1"
        ) == [
            ("114001", 1, None, None, 1),
            ("114003", None, "free", "asian", None),
            ("114004", None, None, "white", None),
            ("114008", None, None, "black", None),
        ]
        assert records.count("SELECT count(*) FROM guardian WHERE given_name IS NOT NULL") == 3
        assert records.count("SELECT count(*) FROM enrollment") == 4
        assert records.count("SELECT count(*) FROM section_enrollment") == 4

    def test_aspen_exports(self, records: LoadedRecords) -> None:
        folder = shared_set("sis-aspen-x2-studentinsights") / "spec"
        report = records.ingest("mapped_csv", folder, mapping="aspen_x2")

        assert records.rows(
            "SELECT student_id, given_name, family_name, grade_level, special_education,"
            " lunch_eligibility, races, hispanic FROM student ORDER BY 1 LIMIT 2"
        ) == [
            ("100", "First", "Fake Student", "07", 1, "full", "black", 0),
            ("101", "Second", "Fake Student", "10", 0, "free", "asian", 0),
        ]
        assert records.count("SELECT count(*) FROM enrollment") == report.tables["student"].added
        told = {(r.file.rpartition("/")[2], r.line, r.field) for r in report.rejections}
        assert ("bad_x2_assessments.csv", 2, "administration_date") in told
        # All eight of the student who is here; the other files are about students who are not.
        results = "SELECT count(*) FROM assessment_result"
        assert records.count(results) == 8

    def test_earthmovers_two_towns_are_not_confused(
        self, records: LoadedRecords, tmp_path: Path
    ) -> None:
        folder = shared_set("earthmover-examples") / "09_edfi" / "sources"
        report = records.ingest("mapped_csv", folder, mapping="earthmover_students")

        assert report.rejections == []
        assert records.count("SELECT count(*) FROM student") == 2 * 1_199
        assert records.count("SELECT count(*) FROM school") == 6
        assert records.rows(
            "SELECT given_name, family_name FROM student WHERE state_id = '7758226' ORDER BY 1"
        ) == [("Edward", "Vaughan"), ("Tommy", "Webb")]
        assert records.count("SELECT count(*) FROM student WHERE student_id LIKE '%-625560'") == 2

    def test_earthmovers_incidents_and_actions(
        self, records: LoadedRecords, tmp_path: Path, folder: Path
    ) -> None:
        inputs = shared_set("earthmover-examples") / "10_jinja" / "inputs"
        ids = [
            line.split(",")[4] for line in (inputs / "actions.csv").read_text("utf-8").splitlines()
        ]
        (folder / "student.csv").write_text("\n".join(ids), "utf-8")
        records.ingest("record_csv", folder)
        report = records.ingest("mapped_csv", inputs, mapping="earthmover_discipline")

        assert report.rejections == []
        assert records.count("SELECT count(*) FROM discipline_incident") == 6
        assert records.rows(
            "SELECT action_type, count(*) FROM discipline_action GROUP BY 1 ORDER BY 1"
        ) == [("in_school_suspension", 1), ("other", 5)]


def test_days_may_be_written_in_any_way_the_map_names(
    records: LoadedRecords, tmp_path: Path, folder: Path
) -> None:
    text = STUDENT_MAP + 'dialect: {dates: ["%m/%d/%y", "%m/%d/%Y"]}\n'
    born = ["11/1/98", "4/4/2005", "1425823743000", "2012-02-29"]
    lines = [f"{n},A{n},{day}," for n, day in enumerate(born)]
    (folder / "students.csv").write_text("\n".join(["id,name,born,sex", *lines]), "utf-8")
    records.ingest("mapped_csv", folder, mapping=map_of(tmp_path, text))

    assert [date.fromisoformat(d) for (d,) in records.rows("SELECT birth_date FROM student")] == [
        date(1998, 11, 1),
        date(2005, 4, 4),
        date(2015, 3, 8),
        date(2012, 2, 29),
    ]
