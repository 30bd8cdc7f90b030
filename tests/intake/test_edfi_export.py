"""What is exported and loaded into an empty node is the same there, table by table."""

import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from services.node.domain.record_tables import RECORD_TABLES
from services.node.intake.export import export_edfi_json, export_oneroster
from services.node.intake.export.edfi_json import NOT_CARRIED
from services.node.intake.export.edfi_objects import OBJECTS
from services.node.intake.export.oneroster import CARRIED
from services.node.store.records import RecordStore
from services.node.store.records.tables import TABLES
from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set

Table = list[dict[str, Any]]
Export = Callable[[RecordStore, Path], dict[str, int]]

_MARKS = {"student_key", "changed_in", "source_key"}

FILES = {
    "school": (
        "school_id,name,level,attendance_kind\n010,Élan,k8,exceptions\nelm,Elm,high,every_day\n"
        "oak,Oak,other,\nash,Ash,,\nfir,Fir,middle,\n"
    ),
    "session": (
        "school_id,session_name,school_year,begin_date,end_date,instructional_days\n"
        "elm,Fall,2027,2026-08-31,2026-12-18,70\n"
    ),
    "calendar_date": (
        "school_id,calendar_date,instructional\nelm,2026-09-07,false\nelm,2026-09-08,true\n"
    ),
    "student": (
        "student_id,state_id,given_name,middle_name,family_name,birth_date,gender,races,hispanic,"
        "grade_level,english_learner,special_education,homeless,nighttime_residence,foster_care,"
        "lunch_eligibility,school_id,street_address,city,state,postal_code,phone,email,photo,"
        "household_income\n"
        '0001,007,Žofie,李,"O\'Brien, #1",2012-02-29,nonbinary,asian;white,true,KG,true,true,true,'
        'shelter,false,free,elm,"12 Elm St, №3",Brockton,MA,02301,+1 508 555 0100,z@example.org,'
        "p/1.jpg,31000.5\n"
        "ben,,Ben,,Lee,2013-01-01,male,multiple,false,12,false,false,false,,true,full,,,,,,,,,\n"
        "cy,,Cy,,Oh,,,declined,,,,,,,,reduced,oak,,,,,,,,\n"
        "dee,,,,,,,,,,,,,,,,,,,,,,,,\n"
    ),
    "enrollment": (
        "student_id,school_id,entry_date,school_year,entry_type,entry_grade_level,exit_date,"
        "exit_type,graduated,primary_school,full_time_equivalency\n"
        "0001,elm,2026-08-31,2027,Transfer in,01,,,,true,0.5\n"
        "ben,elm,2025-08-31,2026,,11,2026-06-20,Graduated,true,,\n"
        "ben,oak,2024-08-31,,,,2025-06-20,Moved #2,true,false,1\n"
    ),
    "student_status": (
        "student_id,status,begin_date,end_date,detail\n0001,homeless,2026-09-01,,shelter\n"
        "0001,english_learner,2024-09-01,2026-06-01,\nben,homeless,2024-01-01,2024-03-01,\n"
        "ben,homeless,2025-01-01,,\ncy,runaway,2026-01-01,,\ncy,special_education,2026-01-01,,\n"
    ),
    "guardian": (
        "student_id,guardian_id,relation,given_name,family_name,phone,email,legal_guardian,"
        "lives_with,primary_contact\n0001,g1,Mother,Ana,Núñez,+1 508 555 0101,a@example.org,true,"
        "true,false\nben,g1,Aunt,Anna,Núñez,,,,,\n"
    ),
    "attendance": (
        "student_id,school_id,event_date,category,reason,duration_days\n"
        "0001,elm,2026-09-08,tardy,FEW MINUTES LATE,0.5\n0001,elm,2026-09-08,partial,,\n"
        "ben,oak,2026-09-09,in_attendance,,1\nben,oak,2026-09-10,excused_absence,ill,\n"
    ),
    "discipline_incident": (
        "incident_id,student_id,behavior,school_id,incident_date\nelm/7,0001,Křik,elm,2026-09-08\n"
        "elm/7,ben,Křik,elm,2026-09-08\n7,ben,Fight,oak,2026-09-09\n8,ben,Fight,,2026-09-10\n"
    ),
    "discipline_action": (
        "action_id,student_id,action_type,action_date,school_id,planned_days,actual_days\n"
        "elm/1,0001,in_school_suspension,2026-09-08,elm,3,2.5\n1,ben,expulsion,2026-09-08,oak,,\n"
        "2,ben,out_of_school_suspension,2026-09-09,,1,1\n3,cy,other,2026-09-09,elm,,\n"
    ),
    "section_enrollment": (
        "student_id,school_id,section_id,begin_date,course_code,course_title,end_date\n"
        "0001,elm,s1,2026-08-31,m,Mathématiques,\nben,elm,s1,2026-08-31,m,Other title,2026-12-01\n"
        "ben,oak,s1,2026-08-31,,,\n"
    ),
    "course_grade": (
        "student_id,school_id,course_code,term,grade_kind,course_title,letter_grade,numeric_grade,"
        "credits_earned\n0001,elm,m,2026 Fall,transcript,Mathématiques,A,93.5,1\n"
        "0001,elm,m,T1,grading_period,Math,B,,\n0001,elm,m,quiz 1,gradebook,,,7,0.5\n"
        "ben,elm,art,Summer,transcript,,C,,\n"
    ),
    "assessment_result": (
        "student_id,result_id,assessment_title,administration_date,subject,score_metric,score,"
        "performance_level\n0001,map/1,MAP,2026-05-05,Reading,Scale score,212,Met\n"
        "ben,map/1,MAP,2026-05-05,Reading,,,\nben,plain,Other,,,,,\n"
    ),
    "program_participation": (
        "student_id,program_name,program_type,begin_date,end_date\n"
        "0001,Club,After school,2026-09-01,\nben,Club,Other,2026-09-01,2026-12-01\n"
    ),
    "service_event": (
        "student_id,service_name,service_date,hours\n0001,Club,2026-09-08,1.5\n"
        "ben,Club,2026-09-08,0.3333\ncy,Club,2026-09-08,\n"
    ),
    "gpa": (
        "student_id,school_year,term,weighted,grade_point_average\n0001,2026,cumulative,true,3.25\n"
        "0001,2026,Fall Semester,false,3\n"
    ),
}
LEFT = {
    "document": "student_id,document_id,element,title\n0001,d1,transcript,Transcript\n",
    "directory_opt_out": "student_id,element\n0001,all\n",
    "contested_statement": (
        "student_id,element,filed_on,statement\n0001,suspensions,2026-01-01,No\n"
    ),
}


def small(records: LoadedRecords, tmp_path: Path) -> Path:
    """A district that has everything, in a folder."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name, text in {**FILES, **LEFT}.items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    assert records.ingest("record_csv", folder).rejections == []
    return folder


def exported(records: LoadedRecords, tmp_path: Path, export: Export = export_edfi_json) -> Path:
    store = RecordStore(records.url)
    try:
        export(store, tmp_path / "export.zip")
    finally:
        store.close()
    return tmp_path / "export.zip"


def there_and_back(
    records: LoadedRecords,
    tmp_path: Path,
    export: Export = export_edfi_json,
    read: str = "edfi_json",
) -> LoadedRecords:
    """A new node, loaded from the export of another."""
    archive = exported(records, tmp_path, export)
    (tmp_path / "new").mkdir()
    new = LoadedRecords(tmp_path / "new")
    report = new.ingest(read, archive)
    assert (report.rejections, report.notices, report.skipped) == ([], [], {})
    return new


def tables(records: LoadedRecords) -> dict[str, Table]:
    """Every table's rows, without what only this node numbers."""
    store = RecordStore(records.url)
    try:
        return {name: sorted_rows(list(store.rows(name))) for name in TABLES}
    finally:
        store.close()


def sorted_rows(rows: list[Any]) -> Table:
    kept = [{k: v for k, v in row.items() if k not in _MARKS} for row in rows]
    return sorted(kept, key=lambda row: json.dumps(row, default=str, sort_keys=True))


def test_every_table_is_carried_or_said_not_to_be() -> None:
    assert set(RECORD_TABLES) == {*OBJECTS, "student", "student_status"} | NOT_CARRIED
    assert set(FILES) == set(RECORD_TABLES) - NOT_CARRIED
    assert set(LEFT) == NOT_CARRIED


def test_a_district_that_has_everything_goes_there_and_back(
    records: LoadedRecords, tmp_path: Path
) -> None:
    """Unknown stays unknown, and what is told of a student stays as it was told."""
    small(records, tmp_path)
    before, after = tables(records), tables(there_and_back(records, tmp_path))

    for name in RECORD_TABLES:
        if name in NOT_CARRIED:
            assert before[name]
            assert after[name] == [], name
        else:
            assert after[name] == before[name] != [], name


def test_oneroster_carries_what_it_says_and_the_rest_stays(
    records: LoadedRecords, tmp_path: Path
) -> None:
    small(records, tmp_path)
    before = tables(records)
    # Its roles are primary or secondary, its races five, every user has a role somewhere, and its
    # classes are of one course with one title (which the other page's districts have).
    carried = CARRIED | {
        "section_enrollment": ("student_id", "school_id", "begin_date", "end_date")
    }
    for row in before["enrollment"]:
        row["primary_school"] = row["primary_school"] is not False
    before["student"] = [row for row in before["student"] if row["student_id"] != "dee"]
    for row in before["student"]:
        row["races"] = None if row["races"] == "declined" else row["races"]
    after = tables(there_and_back(records, tmp_path, export_oneroster, "oneroster_csv"))

    for name in RECORD_TABLES:
        columns = carried.get(name, ())
        assert only(after[name], columns) == only(before[name], columns), name
        assert bool(after[name]) == bool(columns), name


def only(rows: Table, columns: Iterable[str]) -> Table:
    """Some columns of the rows."""
    return sorted_rows([{c: row[c] for c in columns} for row in rows]) if columns else []


def test_loading_the_export_again_changes_nothing(records: LoadedRecords, tmp_path: Path) -> None:
    small(records, tmp_path)
    report = records.ingest("edfi_json", exported(records, tmp_path))

    assert report.rejections == []
    changed = {name: (t.added, t.changed) for name, t in report.tables.items()}
    assert set(changed.values()) == {(0, 0)}, changed


@pytest.mark.parametrize("name", ["inbloom-il-daybreak"])
def test_a_published_set_goes_there_and_back(
    records: LoadedRecords, tmp_path: Path, name: str
) -> None:
    records.ingest("edfi_xml", shared_set(name))
    before, after = tables(records), tables(there_and_back(records, tmp_path))

    for table in set(RECORD_TABLES) - NOT_CARRIED:
        assert after[table] == before[table], table
    assert before["attendance"]


def test_what_ed_fi_has_a_word_for_is_said_in_its_words(
    records: LoadedRecords, tmp_path: Path
) -> None:
    """Other systems pass over what is ours: the rest must be whole without it."""
    small(records, tmp_path)
    with zipfile.ZipFile(exported(records, tmp_path)) as archive:
        events = archive.read("studentSchoolAttendanceEvents.jsonl").decode().splitlines()
        told = archive.read("studentEducationOrganizationAssociations.jsonl").decode().splitlines()
    (tardy,) = (e for e in map(json.loads, events) if "#Tardy" in json.dumps(e))
    assert tardy == {
        "studentReference": {"studentUniqueId": "0001"},
        "schoolReference": {"schoolId": "elm"},
        "eventDate": "2026-09-08",
        "attendanceEventCategoryDescriptor": "uri://ed-fi.org/AttendanceEventCategoryDescriptor#Tardy",
        "attendanceEventReason": "FEW MINUTES LATE",
        "eventDuration": 0.5,
    }
    (first,) = (e for e in map(json.loads, told) if "0001" in e["studentReference"].values())
    assert set(first["_ext"]["homeroom"]["student"]) == {
        *("grade_level", "household_income", "lunch_eligibility", "nighttime_residence"),
        *("photo", "school_id", "special_education"),
    }
    assert first["electronicMails"] == [{"electronicMailAddress": "z@example.org"}]
