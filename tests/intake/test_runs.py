"""What an intake run promises beyond single rows: whole, again, all there is, who is who."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import RequestInvalidError
from tests.intake.loaded_records import LoadedRecords

TODAY = date(2026, 1, 15)
STUDENT = "student_id,given_name,family_name,birth_date"
ATTENDANCE = "student_id,school_id,event_date,category"
ENROLLMENT = "student_id,school_id,entry_date,exit_date"


def table(folder: Path, name: str, header: str, *lines: str) -> None:
    (folder / f"{name}.csv").write_text("\n".join([header, *lines, ""]), "utf-8")


def ten_students(folder: Path, count: int = 10) -> None:
    lines = [f"{n},Given{n},Family{n},2012-02-{n + 10}" for n in range(count)]
    table(folder, "student", STUDENT, *lines)


def days(count: int, first: int = 0) -> list[str]:
    return [f"{n % 10},a,2025-09-{n // 10 + 1:02},tardy" for n in range(first, count)]


def bulk(records: LoadedRecords, folder: Path, **more: Any) -> Any:
    return records.ingest("record_csv", folder, bulk=True, today=TODAY, **more)


def test_what_a_bulk_file_does_not_say_any_more_is_gone(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    table(folder, "attendance", ATTENDANCE, *days(50))
    bulk(records, folder)
    table(folder, "attendance", ATTENDANCE, *days(50, first=5), days(60)[59])
    report = bulk(records, folder)

    counts = report.tables["attendance"]
    assert (counts.added, counts.unchanged, counts.removed) == (1, 45, 5)
    assert records.count("SELECT count(*) FROM attendance") == 46
    assert records.count("SELECT count(*) FROM removed_record WHERE removed_in = 2") == 5


def test_a_file_that_is_not_bulk_takes_nothing_away(records: LoadedRecords, folder: Path) -> None:
    ten_students(folder)
    table(folder, "attendance", ATTENDANCE, *days(50))
    records.ingest("record_csv", folder)
    table(folder, "attendance", ATTENDANCE, *days(1))
    records.ingest("record_csv", folder)

    assert records.count("SELECT count(*) FROM attendance") == 50


def test_a_bulk_file_of_later_days_says_nothing_of_earlier_ones(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    table(folder, "attendance", ATTENDANCE, *days(50))
    bulk(records, folder)
    table(folder, "attendance", ATTENDANCE, *days(100, first=50))
    bulk(records, folder)

    assert records.count("SELECT count(*) FROM attendance") == 100


@pytest.mark.parametrize(("left", "stops"), [(40, False), (39, True)], ids=["20 %", "22 %"])
def test_a_table_that_shrinks_by_more_than_a_fifth_stops_for_a_person(
    records: LoadedRecords, folder: Path, left: int, stops: bool
) -> None:
    ten_students(folder)
    lines = [*days(50)]
    table(folder, "attendance", ATTENDANCE, *lines)
    bulk(records, folder)
    # The last day stays, so that the file is about the same days.
    table(folder, "attendance", ATTENDANCE, *lines[: left - 1], lines[-1])
    if stops:
        with pytest.raises(RequestInvalidError, match="shrink") as stopped:
            bulk(records, folder)
        assert stopped.value.metadata["table"] == "attendance"
        assert records.count("SELECT count(*) FROM attendance") == 50
        bulk(records, folder, may_shrink=True)
    else:
        bulk(records, folder)

    assert records.count("SELECT count(*) FROM attendance") == left


def test_a_student_who_is_said_no_more_stays_and_the_open_spell_ends(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    table(folder, "enrollment", ENROLLMENT, *[f"{n},a,2025-09-01," for n in range(10)])
    bulk(records, folder)
    ten_students(folder, count=9)
    table(folder, "enrollment", ENROLLMENT, *[f"{n},a,2025-09-01," for n in range(9)])
    bulk(records, folder)

    assert records.count("SELECT count(*) FROM student") == 10
    spells = records.rows(
        "SELECT student_id, exit_date, last_day FROM enrollment JOIN student USING (student_key)"
        " WHERE exit_date IS NOT NULL"
    )
    assert spells == [("9", "2026-01-15", "2026-01-15")]


def test_a_spell_that_is_said_with_another_first_day_is_a_correction(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    lines = [f"{n},a,2025-09-01," for n in range(10)]
    table(folder, "enrollment", ENROLLMENT, *lines)
    bulk(records, folder)
    table(folder, "enrollment", ENROLLMENT, *lines[:9], "9,a,2025-09-02,")
    bulk(records, folder)

    assert records.rows(
        "SELECT entry_date FROM enrollment JOIN student USING (student_key) WHERE student_id = '9'"
    ) == [("2025-09-02",)]


def test_one_source_never_takes_away_what_another_brought(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    table(folder, "attendance", ATTENDANCE, *days(50))
    bulk(records, folder, source="sis")
    table(folder, "attendance", ATTENDANCE, days(50)[0], days(60)[59])
    bulk(records, folder, source="another")

    assert records.count("SELECT count(*) FROM attendance") == 51


def test_a_dry_run_reports_and_keeps_nothing(records: LoadedRecords, folder: Path) -> None:
    ten_students(folder)
    report = records.ingest("record_csv", folder, dry_run=True)

    assert (report.tables["student"].added, report.run) == (10, None)
    assert records.count("SELECT count(*) FROM student") == 0
    assert records.count("SELECT count(*) FROM intake_run") == 0


def test_each_kept_run_is_a_step_of_the_change_sequence(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    first = records.ingest("record_csv", folder)
    table(folder, "student", STUDENT, "3,Given3,Renamed,2012-02-13", "4,Given4,Family4,2012-02-14")
    second = records.ingest("record_csv", folder)

    assert (first.run, second.run) == (1, 2)
    assert records.rows("SELECT student_id FROM student WHERE changed_in > 1") == [("3",)]
    kept = records.rows("SELECT run, report FROM intake_run ORDER BY run")
    assert [json.loads(report)["tables"]["student"]["changed"] for _, report in kept] == [0, 1]


def test_an_id_that_names_two_people_is_told_and_never_merged(
    records: LoadedRecords, folder: Path
) -> None:
    table(folder, "student", STUDENT, "1,Ana,Doe,2012-02-29", "1,Ben,Roe,2013-05-06")
    report = records.ingest("record_csv", folder)

    assert [(r.line, r.field, r.reason) for r in report.rejections] == [
        (3, "student_id", "is the id of another student already")
    ]
    assert records.rows("SELECT given_name FROM student") == [("Ana",)]


def test_a_known_id_with_another_name_and_birth_date_needs_a_persons_word(
    records: LoadedRecords, folder: Path
) -> None:
    table(folder, "student", STUDENT, "1,Ana,Doe,2012-02-29")
    records.ingest("record_csv", folder)
    table(folder, "student", STUDENT, "1,Ben,Roe,2013-05-06")

    assert records.ingest("record_csv", folder).rejected == 1
    assert records.ingest("record_csv", folder, may_be_others=True).rejected == 0
    assert records.rows("SELECT given_name FROM student") == [("Ben",)]


def test_a_corrected_birth_date_or_a_new_family_name_is_still_the_same_student(
    records: LoadedRecords, folder: Path
) -> None:
    table(folder, "student", STUDENT, "1,Ana,Doe,2012-02-29", "2,Ben,Doe,2013-05-06")
    records.ingest("record_csv", folder)
    table(folder, "student", STUDENT, "1,Ana,Doe,2012-02-28", "2,Ben,Roe,2013-05-06")

    assert records.ingest("record_csv", folder).tables["student"].changed == 2


def test_an_event_that_has_not_happened_yet_is_rejected(
    records: LoadedRecords, folder: Path
) -> None:
    ten_students(folder)
    table(folder, "attendance", ATTENDANCE, "1,a,2026-01-15,tardy", "1,a,2026-02-15,tardy")
    report = records.ingest("record_csv", folder, today=TODAY)

    assert [(r.line, r.field, r.reason) for r in report.rejections] == [
        (3, "event_date", "is in the future")
    ]


def test_oddities_of_rows_that_were_taken_are_counted(records: LoadedRecords, folder: Path) -> None:
    ten_students(folder)
    table(folder, "attendance", ATTENDANCE, "1,a,2025-09-06,tardy", "1,a,2025-09-08,tardy")
    table(folder, "enrollment", ENROLLMENT, "1,a,2024-09-01,", "1,b,2025-09-01,")
    table(folder, "student", STUDENT + ",gender", "1,Ana,Doe,2012-02-29,frmale")
    report = records.ingest("record_csv", folder)

    assert dict(report.noticed) == {
        "student.gender is not one of the words of this field": 1,
        "enrollment.exit_date is open though a later spell began": 1,
        "attendance.event_date is on a weekend": 1,
    }
    assert [(n.line, n.value_class) for n in report.notices] == [(2, "word")]
    assert "frmale" not in json.dumps(report.to_json())
