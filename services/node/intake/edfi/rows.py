"""Makes rows of the records of Ed-Fi elements, one function for each kind of element.

Each gives the columns of its table by name; the row rules judge them.
"""

from collections.abc import Iterator

from services.node.intake.edfi import vocabulary
from services.node.intake.edfi.items import Item
from services.node.intake.edfi.lookups import Lookups, is_offender
from services.node.intake.edfi.places import (
    incident_of,
    organization_of,
    section_of,
    student_of,
    term_of,
)
from services.node.intake.edfi.programs import (
    program_participation,
    service_event,
    student_statuses,
)
from services.node.intake.edfi.row import Row, Translate

__all__ = ["TRANSLATE", "Row", "Translate", "program_participation"]


def _school(item: Item, _lookups: Lookups) -> Iterator[Row]:
    if item.name == "EducationOrganization" and item.word("OrganizationCategory") != "School":
        return
    yield Row(
        "school",
        {
            "school_id": organization_of(item),
            "name": item.at("NameOfInstitution").text,
            "level": vocabulary.school_level(item),
        },
    )


def _session(item: Item, _lookups: Lookups) -> Iterator[Row]:
    yield Row(
        "session",
        {
            "school_id": organization_of(item),
            "session_name": item.at("SessionName").text,
            "school_year": item.at("SchoolYear").text,
            "begin_date": item.at("BeginDate").text,
            "end_date": item.at("EndDate").text,
            "instructional_days": item.at("TotalInstructionalDays").text,
        },
    )


_INSTRUCTION = {"Instructional day", "Make-up day", "Student late arrival/early dismissal"}


def _calendar_date(item: Item, _lookups: Lookups) -> Iterator[Row]:
    events = {event.word() for event in item.all("CalendarEvent")}
    calendar = item.at("CalendarReference")
    yield Row(
        "calendar_date",
        {
            "school_id": organization_of(calendar) or organization_of(item),
            "calendar_date": item.at("Date").text,
            "instructional": str(bool(events & _INSTRUCTION)).lower(),
        },
    )


def _guardian(item: Item, lookups: Lookups) -> Iterator[Row]:
    guardian_id = item.at("ContactReference", "ContactUniqueId").text
    given_name, family_name, phone, email = lookups.contacts.get(guardian_id, ("", "", "", ""))
    yield Row(
        "guardian",
        {
            "student_id": student_of(item),
            "guardian_id": guardian_id,
            "relation": item.word("Relation"),
            "given_name": given_name,
            "family_name": family_name,
            "phone": phone,
            "email": email,
            "legal_guardian": item.at("LegalGuardian").text,
            "lives_with": item.at("LivesWith").text,
            "primary_contact": item.at("PrimaryContactStatus").text,
        },
    )


def _enrollment(item: Item, _lookups: Lookups) -> Iterator[Row]:
    exit_type = item.word("ExitWithdrawType")
    yield Row(
        "enrollment",
        {
            "student_id": student_of(item),
            "school_id": organization_of(item),
            "entry_date": item.at("EntryDate").text,
            "school_year": item.at("SchoolYear").text,
            "entry_type": item.word("EntryType"),
            "entry_grade_level": vocabulary.known(
                vocabulary.GRADE_LEVEL, item.word("EntryGradeLevel")
            ),
            "exit_date": item.at("ExitWithdrawDate").text,
            "exit_type": exit_type,
            "primary_school": item.at("PrimarySchool").text,
            "full_time_equivalency": item.at("FullTimeEquivalency").text,
            "graduated": str(exit_type == "Graduated").lower() if exit_type else None,
        },
    )


def _attendance(item: Item, _lookups: Lookups) -> Iterator[Row]:
    if item.at("SectionReference").children:
        return  # 1.0 has the events of a class in the same element; ours are of the day
    category = item.word("AttendanceEventCategory")
    yield Row(
        "attendance",
        {
            "student_id": student_of(item),
            "school_id": organization_of(item),
            "event_date": item.at("EventDate").text,
            "category": vocabulary.known(vocabulary.ATTENDANCE_CATEGORY, category),
            "reason": item.at("AttendanceEventReason").text,
            "duration_days": item.at("EventDuration").text,
        },
    )


def _incident(item: Item, lookups: Lookups) -> Iterator[Row]:
    """Offenders only: victims and witnesses are in no row."""
    if not is_offender(item):
        return
    incident_id = incident_of(item)
    school_id, incident_date, incident_behavior = lookups.incidents.get(incident_id, ("", "", ""))
    named = item.at("DisciplineIncidentReference")
    for behavior in item.all("Behavior") or [Item("Behavior", item.line, incident_behavior)]:
        yield Row(
            "discipline_incident",
            {
                "incident_id": incident_id,
                "student_id": student_of(item),
                "behavior": behavior.word() or incident_behavior or "Other",
                "school_id": school_id or organization_of(named),
                "incident_date": incident_date,
            },
        )


def _action(item: Item, lookups: Lookups) -> Iterator[Row]:
    """One row for each student and kind of action: old files name several of both."""
    school = item.at("ResponsibilitySchoolReference")
    school_id = organization_of(school) or organization_of(item.at("AssignmentSchoolReference"))
    number = item.at("DisciplineActionIdentifier").text
    incidents = [incident_of(named) for named in item.all("DisciplineIncidentReference")]
    kinds = sorted({vocabulary.action_type(d) for d in item.all("Discipline")}) or ["other"]
    for student in item.all("StudentReference"):
        student_id = student.at("StudentUniqueId").text
        refused = ""
        if incidents and all(lookups.was_only_bystander(i, student_id) for i in incidents):
            refused = "is about no offender of the incident"
        for kind in kinds:
            texts = {
                "action_id": "/".join(filter(None, (school_id, number))) if number else "",
                "student_id": student_id,
                "action_type": kind,
                "action_date": item.at("DisciplineDate").text,
                "school_id": school_id,
                "planned_days": item.at("DisciplineActionLength").text,
                "actual_days": item.at("ActualDisciplineActionLength").text,
            }
            yield Row("discipline_action", texts, refused)


def _section_enrollment(item: Item, lookups: Lookups) -> Iterator[Row]:
    school_id, section_id, course_code = section_of(item)
    code, title = lookups.course_of_section(school_id, section_id, course_code)
    yield Row(
        "section_enrollment",
        {
            "student_id": student_of(item),
            "school_id": school_id,
            "section_id": section_id,
            "begin_date": item.at("BeginDate").text,
            "course_code": code,
            "course_title": title,
            "end_date": item.at("EndDate").text,
        },
    )


def _transcript(item: Item, lookups: Lookups) -> Iterator[Row]:
    course = item.at("CourseReference")
    record = item.at("StudentAcademicRecordReference")
    course_code = course.at("CourseCode").text
    yield Row(
        "course_grade",
        {
            "student_id": student_of(item),
            "school_id": organization_of(record.at("SessionReference"))
            or organization_of(record)
            or organization_of(course),
            "course_code": course_code,
            "term": term_of(item),
            "grade_kind": "transcript",
            "course_title": item.at("CourseTitle").text
            or lookups.course_title(organization_of(course), course_code),
            "letter_grade": item.at("FinalLetterGradeEarned").text,
            "numeric_grade": item.at("FinalNumericGradeEarned").text,
            "credits_earned": item.at("EarnedCredits", "Credits").text
            or item.at("EarnedCredits").text,
        },
    )


def _grade(item: Item, lookups: Lookups) -> Iterator[Row]:
    period = item.at("GradingPeriodReference")
    year = period.at("SchoolYear").text or item.at("SchoolYear").text
    name = period.word("GradingPeriod") or period.word("GradingPeriodName")
    term = (year, name, item.word("GradeType"))
    yield _section_grade(item, lookups, section_of(item), "grading_period", term)


def _gradebook(item: Item, lookups: Lookups) -> Iterator[Row]:
    """The term of a gradebook grade is the entry itself, which its key would else not tell."""
    entry = item.at("GradebookEntryReference")
    number = entry.at("GradebookEntryIdentifier").text
    section = lookups.gradebook_entries.get(number) if number else section_of(item)
    term = (
        (number,)
        if number
        else (
            entry.word("GradebookEntryType") or entry.at("GradebookEntryTitle").text,
            entry.at("DateAssigned").text,
        )
    )
    yield _section_grade(item, lookups, section or section_of(item), "gradebook", term)


def _section_grade(
    item: Item,
    lookups: Lookups,
    section: tuple[str, str, str],
    grade_kind: str,
    term: tuple[str, ...],
) -> Row:
    school_id, section_id, course_code = section
    code, title = lookups.course_of_section(school_id, section_id, course_code)
    return Row(
        "course_grade",
        {
            "student_id": student_of(item),
            "school_id": school_id,
            "course_code": code or section_id,
            "term": " ".join(filter(None, term)),
            "grade_kind": grade_kind,
            "course_title": title,
            "letter_grade": item.at("LetterGradeEarned").text,
            "numeric_grade": item.at("NumericGradeEarned").text,
        },
    )


def _assessment(item: Item, lookups: Lookups) -> Iterator[Row]:
    """One row for each `StudentAssessment`.

    The sets' published counts are of these: 203 in inBloom's Daybreak, whose 300 results of an
    objective and 50 of an item are parts of them and stand in elements of their own; 1,292 in
    Grand Bend, which has the parts inside.
    """
    named = item.at("AssessmentReference")
    identifier, namespace = named.at("AssessmentIdentifier").text, named.at("Namespace").text
    title, subject = lookups.assessments.get((identifier, namespace), ("", ""))
    number = item.at("StudentAssessmentIdentifier").text
    told = ("AssessmentTitle", "AcademicSubject", "GradeLevelAssessed", "Version")
    key = (
        (identifier, number)
        if number
        else (item.at("AdministrationDate").text, *(named.word(name) for name in told))
    )
    score = item.at("ScoreResult")
    yield Row(
        "assessment_result",
        {
            "student_id": student_of(item),
            "result_id": "/".join(filter(None, key)),
            "assessment_title": named.at("AssessmentTitle").text or title or identifier,
            "administration_date": item.at("AdministrationDate").text,
            "subject": named.word("AcademicSubject") or subject,
            "score_metric": score.word("AssessmentReportingMethod"),
            "score": score.at("Result").text,
            "performance_level": item.word("PerformanceLevel"),
        },
    )


def _averages(item: Item, _lookups: Lookups) -> Iterator[Row]:
    """The grade point averages of a student's record; one without its type says neither."""
    for average in item.all("GradePointAverage"):
        kind = average.word("GradePointAverageType")
        cumulative = average.at("IsCumulative").text in {"1", "true"}
        if kind in _WEIGHTED:
            yield Row(
                "gpa",
                {
                    "student_id": student_of(item),
                    "school_year": item.at("SchoolYear").text,
                    "term": "cumulative" if cumulative else item.word("Term"),
                    "weighted": _WEIGHTED[kind],
                    "grade_point_average": average.at("GradePointAverageValue").text,
                },
            )


_WEIGHTED = {"Weighted": "true", "Unweighted": "false"}

TRANSLATE: dict[str, Translate] = {
    "School": _school,
    "EducationOrganization": _school,
    "Session": _session,
    "CalendarDate": _calendar_date,
    "Student": student_statuses,
    "StudentEducationOrganizationAssociation": student_statuses,
    "StudentContactAssociation": _guardian,
    "StudentSchoolAssociation": _enrollment,
    "AttendanceEvent": _attendance,
    "StudentSchoolAttendanceEvent": _attendance,
    "StudentDisciplineIncidentAssociation": _incident,
    "StudentDisciplineIncidentBehaviorAssociation": _incident,
    "DisciplineAction": _action,
    "StudentSectionAssociation": _section_enrollment,
    "CourseTranscript": _transcript,
    "StudentAcademicRecord": _averages,
    "Grade": _grade,
    "StudentGradebookEntry": _gradebook,
    "StudentAssessment": _assessment,
    "StudentProgramAttendanceEvent": service_event,
}
"""What makes rows of each element; associations with programs have `program_participation`."""
