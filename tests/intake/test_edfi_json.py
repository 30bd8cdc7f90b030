"""Ed-Fi JSON: lines and arrays, composites of the old API, and what must not be stored."""

import json
from pathlib import Path

from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set


def lines(folder: Path, name: str, *objects: object) -> None:
    (folder / f"{name}.jsonl").write_text(
        "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects), "utf-8"
    )


def student(student_id: str, **more: object) -> dict[str, object]:
    names = {"firstName": "Zoë", "lastSurname": "Muñoz", "birthDate": "2012-02-29"}
    return {"studentUniqueId": student_id} | names | more


def code(kind: str, value: str) -> str:
    return f"uri://ed-fi.org/{kind}Descriptor#{value}"


def test_boston_has_25_students_with_names_and_750_places_in_sections(
    records: LoadedRecords,
) -> None:
    report = records.ingest("edfi_json", shared_set("edfi-json-v2-bps-ef2or"))

    assert report.rejections == []
    assert records.count("SELECT count(*) FROM student WHERE given_name IS NOT NULL") == 25
    assert records.count("SELECT count(*) FROM section_enrollment") == 750
    assert records.count("SELECT count(DISTINCT student_key) FROM section_enrollment") == 260
    assert records.count("SELECT count(*) FROM school") == 3
    assert records.count("SELECT sum(homeless) FROM student") == 3
    assert report.dropped == {"identificationCodes": 25}
    assert records.rows("SELECT begin_date, course_code FROM section_enrollment LIMIT 1") == [
        ("2010-08-23", "ENG-1")
    ]


def test_lightbeams_schools_are_read_from_files_and_folders(records: LoadedRecords) -> None:
    report = records.ingest("edfi_json", shared_set("lightbeam-examples"))

    schools = records.count("SELECT count(*) FROM school")
    assert schools == report.tables["school"].added > 3
    assert records.rows("SELECT school_id, name, level FROM school WHERE school_id = '6320001'")


OF = {"studentReference": {"studentUniqueId": "0042"}}
AT = {"schoolReference": {"schoolId": 255901001}}
NEWEST: dict[str, object] = {
    "schools": {"schoolId": 255901001, "nameOfInstitution": "Grand Bend High"},
    "sessions": AT
    | {
        "schoolYearTypeReference": {"schoolYear": 2026},
        "sessionName": "Fall",
        "beginDate": "2025-08-15",
        "endDate": "2025-12-17",
        "totalInstructionalDays": 81,
    },
    "calendarDates": {
        "calendarReference": {"calendarCode": "A", "schoolId": 255901001, "schoolYear": 2026},
        "date": "2025-09-08",
        "calendarEvents": [{"calendarEventDescriptor": code("CalendarEvent", "Instructional day")}],
    },
    "students": student("0042"),
    "studentEducationOrganizationAssociations": OF
    | {
        "educationOrganizationReference": {"educationOrganizationId": 255901},
        "sexDescriptor": code("Sex", "Female"),
        "hispanicLatinoEthnicity": True,
        "races": [
            {"raceDescriptor": code("Race", "White")},
            {"raceDescriptor": code("Race", "Asian")},
        ],
        "limitedEnglishProficiencyDescriptor": code("LimitedEnglishProficiency", "Limited"),
        "studentIdentificationCodes": [
            {
                "studentIdentificationSystemDescriptor": code("X", "State"),
                "identificationCode": "S-7",
            },
            {
                "studentIdentificationSystemDescriptor": code("X", "SSN"),
                "identificationCode": "078051120",
            },
        ],
        "studentCharacteristics": [
            {
                "studentCharacteristicDescriptor": code("StudentCharacteristic", "Homeless"),
                "periods": [{"beginDate": "2025-09-01", "endDate": "2025-11-01"}],
            }
        ],
    },
    "studentSchoolAssociations": OF
    | AT
    | {
        "entryDate": "2025-08-15",
        "entryGradeLevelDescriptor": code("GradeLevel", "Ninth grade"),
        "primarySchool": True,
    },
    "studentSchoolAttendanceEvents": OF
    | AT
    | {
        "sessionReference": {"schoolId": 255901001, "schoolYear": 2026, "sessionName": "Fall"},
        "eventDate": "2025-09-08",
        "attendanceEventCategoryDescriptor": code("AttendanceEventCategory", "Tardy"),
    },
    "studentSectionAssociations": OF
    | {
        "sectionReference": {
            "localCourseCode": "ALG-1",
            "schoolId": 255901001,
            "schoolYear": 2026,
            "sectionIdentifier": "X1",
            "sessionName": "Fall",
        },
        "beginDate": "2025-08-15",
    },
    "studentHomelessProgramAssociations": OF
    | {
        "programReference": {
            "educationOrganizationId": 255901,
            "programName": "Homeless",
            "programTypeDescriptor": code("ProgramType", "Homeless"),
        },
        "beginDate": "2025-09-01",
        "homelessPrimaryNighttimeResidenceDescriptor": code("X", "Doubled-up"),
    },
    "contacts": {"contactUniqueId": "C1", "firstName": "Ana", "lastSurname": "Muñoz"},
    "studentContactAssociations": OF
    | {
        "contactReference": {"contactUniqueId": "C1"},
        "relationDescriptor": code("Relation", "Mother"),
        "legalGuardian": True,
    },
}


def test_the_newest_api_gives_every_table(records: LoadedRecords, folder: Path) -> None:
    for name, told in NEWEST.items():
        lines(folder, name, told)
    report = records.ingest("edfi_json", folder)

    assert report.rejections == []
    assert {name for name, table in report.tables.items() if table.added} == {
        *("school", "session", "calendar_date", "student", "student_status", "guardian"),
        *("enrollment", "attendance", "section_enrollment", "program_participation"),
    }
    assert records.rows(
        "SELECT student_id, state_id, given_name, gender, races, hispanic, grade_level,"
        " english_learner, homeless, nighttime_residence, school_id FROM student"
    ) == [("0042", "S-7", "Zoë", "female", "asian;white", 1, "09", 1, 1, "doubled_up", "255901001")]
    assert (
        records.rows("SELECT status, begin_date, end_date, detail FROM student_status")
        == [("homeless", "2025-09-01", None, "doubled_up")]
        or records.count("SELECT count(*) FROM student_status") == 1
    )
    assert records.rows("SELECT course_code FROM section_enrollment") == [("ALG-1",)]
    assert records.rows("SELECT relation, family_name, legal_guardian FROM guardian") == [
        ("Mother", "Muñoz", 1)
    ]
    assert report.dropped == {"studentIdentificationCodes": 1}


def test_a_line_that_is_no_object_is_told_and_others_are_kept(
    records: LoadedRecords, folder: Path
) -> None:
    good = json.dumps(student("1"))
    (folder / "students.jsonl").write_text(f'{good}\n{{"student": \n[1]\n', "utf-8")
    report = records.ingest("edfi_json", folder)

    assert [(r.line, r.reason) for r in report.rejections] == [
        (2, "is no JSON object"),
        (3, "is no JSON object"),
    ]
    assert records.count("SELECT count(*) FROM student") == 1
