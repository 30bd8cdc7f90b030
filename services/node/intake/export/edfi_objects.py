"""Makes Ed-Fi objects of the rows of each table: those that they name, and last the row's own."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from services.node.intake.export import edfi_words as words
from services.node.intake.export.edfi_words import descriptor

Row = Mapping[str, Any]
_YEAR_AND_TERM = re.compile(r"(\d{4}) (.+)")


class EdFiObject(NamedTuple):
    """An object of one resource; `key` tells it from others that many rows name."""

    resource: str
    content: dict[str, Any]
    key: tuple[str, ...] = ()


def _school_objects(row: Row) -> Iterator[EdFiObject]:
    level = row["level"] or ""
    category = descriptor("SchoolCategory", words.SCHOOL_CATEGORY.get(level))
    grades = [words.GRADE_LEVEL[grade] for grade in words.GRADES_OF_SCHOOL.get(level, ())]
    yield EdFiObject(
        "schools",
        {
            "schoolId": row["school_id"],
            "nameOfInstitution": row["name"],
            "schoolCategories": [{"schoolCategoryDescriptor": category}] if category else [],
            "gradeLevels": [{"gradeLevelDescriptor": descriptor("GradeLevel", g)} for g in grades],
        },
    )


def _session_objects(row: Row) -> Iterator[EdFiObject]:
    yield EdFiObject(
        "sessions",
        {
            "schoolReference": _school(row),
            "sessionName": row["session_name"],
            "schoolYearTypeReference": {"schoolYear": row["school_year"]},
            "beginDate": row["begin_date"],
            "endDate": row["end_date"],
            "totalInstructionalDays": row["instructional_days"],
        },
    )


def _calendar_date_objects(row: Row) -> Iterator[EdFiObject]:
    event = "Instructional day" if row["instructional"] else "Non-instructional day"
    yield EdFiObject(
        "calendarDates",
        {
            "calendarReference": _school(row) | {"calendarCode": row["school_id"]},
            "date": row["calendar_date"],
            "calendarEvents": [{"calendarEventDescriptor": descriptor("CalendarEvent", event)}],
        },
    )


def _enrollment_objects(row: Row) -> Iterator[EdFiObject]:
    grade = words.GRADE_LEVEL.get(row["entry_grade_level"] or "")
    yield EdFiObject(
        "studentSchoolAssociations",
        {
            "studentReference": _student(row),
            "schoolReference": _school(row),
            "entryDate": row["entry_date"],
            "schoolYearTypeReference": {"schoolYear": row["school_year"]},
            "entryTypeDescriptor": descriptor("EntryType", row["entry_type"]),
            "entryGradeLevelDescriptor": descriptor("GradeLevel", grade),
            "exitWithdrawDate": row["exit_date"],
            "exitWithdrawTypeDescriptor": descriptor("ExitWithdrawType", row["exit_type"]),
            "primarySchool": row["primary_school"],
            "fullTimeEquivalency": row["full_time_equivalency"],
        },
    )


def _guardian_objects(row: Row) -> Iterator[EdFiObject]:
    phone, email = row["phone"], row["email"]
    yield EdFiObject(
        "contacts",
        {
            "contactUniqueId": row["guardian_id"],
            "firstName": row["given_name"],
            "lastSurname": row["family_name"],
            "telephones": [{"telephoneNumber": phone}] if phone else [],
            "electronicMails": [{"electronicMailAddress": email}] if email else [],
        },
        (row["guardian_id"],),
    )
    yield EdFiObject(
        "studentContactAssociations",
        {
            "studentReference": _student(row),
            "contactReference": {"contactUniqueId": row["guardian_id"]},
            "relationDescriptor": descriptor("Relation", row["relation"]),
            "legalGuardian": row["legal_guardian"],
            "livesWith": row["lives_with"],
            "primaryContactStatus": row["primary_contact"],
        },
    )


def _attendance_objects(row: Row) -> Iterator[EdFiObject]:
    category = words.ATTENDANCE_CATEGORY.get(row["category"])
    yield EdFiObject(
        "studentSchoolAttendanceEvents",
        {
            "studentReference": _student(row),
            "schoolReference": _school(row),
            "eventDate": row["event_date"],
            "attendanceEventCategoryDescriptor": descriptor("AttendanceEventCategory", category),
            "attendanceEventReason": row["reason"],
            "eventDuration": row["duration_days"],
        },
    )


def _discipline_incident_objects(row: Row) -> Iterator[EdFiObject]:
    named = {"incidentIdentifier": _number(row, "incident_id")}
    yield EdFiObject(
        "disciplineIncidents",
        named | {"schoolReference": _school(row), "incidentDate": row["incident_date"]},
        (row["incident_id"],),
    )
    yield EdFiObject(
        "studentDisciplineIncidentBehaviorAssociations",
        {
            "studentReference": _student(row),
            "disciplineIncidentReference": named | _school(row),
            "behaviorDescriptor": descriptor("Behavior", row["behavior"]),
        },
    )


def _discipline_action_objects(row: Row) -> Iterator[EdFiObject]:
    kind = descriptor("Discipline", words.DISCIPLINE.get(row["action_type"]))
    yield EdFiObject(
        "disciplineActions",
        {
            "disciplineActionIdentifier": _number(row, "action_id"),
            "studentReference": _student(row),
            "responsibilitySchoolReference": _school(row),
            "disciplineDate": row["action_date"],
            "disciplines": [{"disciplineDescriptor": kind}],
            "disciplineActionLength": row["planned_days"],
            "actualDisciplineActionLength": row["actual_days"],
        },
    )


def _section_enrollment_objects(row: Row) -> Iterator[EdFiObject]:
    yield from _course(row)
    offering = _school(row) | {"localCourseCode": row["course_code"]}
    yield EdFiObject(
        "sections",
        {"sectionIdentifier": row["section_id"], "courseOfferingReference": offering},
        (row["school_id"], row["section_id"]),
    )
    yield EdFiObject(
        "studentSectionAssociations",
        {
            "studentReference": _student(row),
            "sectionReference": offering | {"sectionIdentifier": row["section_id"]},
            "beginDate": row["begin_date"],
            "endDate": row["end_date"],
        },
    )


def _course_grade_objects(row: Row) -> Iterator[EdFiObject]:
    if row["grade_kind"] == "transcript":
        yield _transcript(row)
        return
    yield from _course(row)
    said = {
        "studentSectionAssociationReference": _student(row)
        | _school(row)
        | {"localCourseCode": row["course_code"]},
        "letterGradeEarned": row["letter_grade"],
        "numericGradeEarned": row["numeric_grade"],
    }
    if row["grade_kind"] == "gradebook":
        entry = {"gradebookEntryIdentifier": row["term"]}
        yield EdFiObject("studentGradebookEntries", {"gradebookEntryReference": entry} | said)
        return
    period = {"gradingPeriodDescriptor": descriptor("GradingPeriod", row["term"])}
    yield EdFiObject("grades", {"gradingPeriodReference": period} | said)


def _assessment_result_objects(row: Row) -> Iterator[EdFiObject]:
    identifier, _, number = row["result_id"].partition("/")
    named = {"assessmentIdentifier": identifier, "namespace": "uri://ed-fi.org/Assessment"}
    subject = descriptor("AcademicSubject", row["subject"])
    yield EdFiObject(
        "assessments",
        named
        | {
            "assessmentTitle": row["assessment_title"],
            "academicSubjects": [{"academicSubjectDescriptor": subject}] if subject else [],
        },
        (identifier,),
    )
    method = descriptor("AssessmentReportingMethod", row["score_metric"])
    level = descriptor("PerformanceLevel", row["performance_level"])
    score = {"assessmentReportingMethodDescriptor": method, "result": row["score"]}
    yield EdFiObject(
        "studentAssessments",
        {
            "studentAssessmentIdentifier": number or identifier,
            "studentReference": _student(row),
            "assessmentReference": named,
            "administrationDate": row["administration_date"],
            "scoreResults": [score] if row["score"] or method else [],
            "performanceLevels": [{"performanceLevelDescriptor": level}] if level else [],
        },
    )


def _program_participation_objects(row: Row) -> Iterator[EdFiObject]:
    program = {
        "programName": row["program_name"],
        "programTypeDescriptor": descriptor("ProgramType", row["program_type"]),
    }
    yield EdFiObject("programs", program, (row["program_name"], row["program_type"]))
    yield EdFiObject(
        "studentProgramAssociations",
        {
            "studentReference": _student(row),
            "programReference": program,
            "beginDate": row["begin_date"],
            "endDate": row["end_date"],
        },
    )


def _service_event_objects(row: Row) -> Iterator[EdFiObject]:
    category = descriptor("AttendanceEventCategory", "In Attendance")
    minutes = None if row["hours"] is None else row["hours"] * 60
    yield EdFiObject(
        "studentProgramAttendanceEvents",
        {
            "studentReference": _student(row),
            "programReference": {"programName": row["service_name"]},
            "eventDate": row["service_date"],
            "attendanceEventCategoryDescriptor": category,
            "programAttendanceDuration": None if minutes is None else round(minutes),
        },
    )


def _gpa_objects(row: Row) -> Iterator[EdFiObject]:
    kind = descriptor("GradePointAverageType", "Weighted" if row["weighted"] else "Unweighted")
    cumulative = row["term"] == "cumulative"
    average = {
        "gradePointAverageTypeDescriptor": kind,
        "gradePointAverageValue": row["grade_point_average"],
        "isCumulative": cumulative,
    }
    yield EdFiObject(
        "studentAcademicRecords",
        {
            "studentReference": _student(row),
            "schoolYearTypeReference": {"schoolYear": row["school_year"]},
            "termDescriptor": None if cumulative else descriptor("Term", row["term"]),
            "gradePointAverages": [average],
        },
    )


def _transcript(row: Row) -> EdFiObject:
    found = _YEAR_AND_TERM.fullmatch(row["term"])
    year, term = found.groups() if found else (None, row["term"])
    school_id = row["school_id"]
    record = {"educationOrganizationId": school_id, "schoolYear": year}
    return EdFiObject(
        "courseTranscripts",
        {
            "courseReference": {
                "courseCode": row["course_code"],
                "educationOrganizationId": school_id,
            },
            "studentAcademicRecordReference": _student(row)
            | record
            | {"termDescriptor": descriptor("Term", term)},
            "courseTitle": row["course_title"],
            "finalLetterGradeEarned": row["letter_grade"],
            "finalNumericGradeEarned": row["numeric_grade"],
            "earnedCredits": row["credits_earned"],
        },
    )


def _course(row: Row) -> Iterator[EdFiObject]:
    school_id, code, title = row["school_id"], row["course_code"], row["course_title"]
    if not code:
        return
    named = {"courseCode": code, "educationOrganizationId": school_id}
    yield EdFiObject(
        "courses",
        {
            "courseCode": code,
            "educationOrganizationReference": {"educationOrganizationId": school_id},
            "courseTitle": title,
        },
        (school_id, code),
    )
    yield EdFiObject(
        "courseOfferings",
        {
            "localCourseCode": code,
            "schoolReference": _school(row),
            "localCourseTitle": title,
            "courseReference": named,
        },
        (school_id, code),
    )


def _student(row: Row) -> dict[str, Any]:
    return {"studentUniqueId": row["student_id"]}


def _school(row: Row) -> dict[str, Any]:
    return {"schoolId": row["school_id"]}


def _number(row: Row, column: str) -> str:
    """The number that a school gave: our ids of incidents and actions begin with the school's."""
    return str(row[column]).removeprefix(f"{row['school_id']}/")


OBJECTS: Mapping[str, Callable[[Row], Iterator[EdFiObject]]] = {
    "school": _school_objects,
    "session": _session_objects,
    "calendar_date": _calendar_date_objects,
    "enrollment": _enrollment_objects,
    "guardian": _guardian_objects,
    "attendance": _attendance_objects,
    "discipline_incident": _discipline_incident_objects,
    "discipline_action": _discipline_action_objects,
    "section_enrollment": _section_enrollment_objects,
    "course_grade": _course_grade_objects,
    "assessment_result": _assessment_result_objects,
    "program_participation": _program_participation_objects,
    "service_event": _service_event_objects,
    "gpa": _gpa_objects,
}
"""What makes objects of the rows of each table but students and their statuses."""
