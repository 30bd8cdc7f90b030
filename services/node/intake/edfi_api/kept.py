"""What is kept of an Ed-Fi object between runs: what rows are made of, and nothing else.

A change names other objects by their keys alone, so rows need what was said of those earlier.
Descriptions, visas and whatever else no row holds are let go at the door.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from services.node.intake.edfi.items import Item

# Each name that lookups, rows and places read; a test holds it to them.
NAMES = frozenset(
    {
        *("AcademicSubject", "ActualDisciplineActionLength", "Address", "AdministrationDate"),
        *("AssessmentIdentifier", "AssessmentReference", "AssessmentReportingMethod"),
        *("AssessmentTitle", "AssignmentSchoolReference", "AttendanceEventCategory"),
        *("AttendanceEventReason", "BeginDate", "Behavior", "BirthDate", "CalendarEvent"),
        *("CalendarReference", "Characteristic", "City", "CodeValue", "ContactReference"),
        *("ContactUniqueId", "CourseCode", "CourseOfferingReference", "CourseReference"),
        *("CourseTitle", "Credits", "CurrentGradeLevel", "Date", "DateAssigned", "Discipline"),
        *("DisciplineActionIdentifier", "DisciplineActionLength", "DisciplineDate"),
        *("DisciplineIncidentParticipationCode", "DisciplineIncidentReference"),
        *("EarnedCredits", "EducationOrganizationId", "EducationOrganizationReference"),
        *("ElectronicMail", "ElectronicMailAddress"),
        *("EndDate", "EnglishLearnerParticipation", "EntryDate", "EntryGradeLevel", "EntryType"),
        *("EventDate", "EventDuration", "ExitWithdrawDate", "ExitWithdrawType"),
        *("FinalLetterGradeEarned", "FinalNumericGradeEarned", "FirstName"),
        *("FullTimeEquivalency", "GradeLevel", "GradeLevelAssessed", "GradeType"),
        *("GradebookEntryIdentifier", "GradebookEntryReference", "GradebookEntryTitle"),
        *("GradebookEntryType", "GradePointAverage", "GradePointAverageType"),
        *("GradePointAverageValue", "GradingPeriod", "GradingPeriodName", "GradingPeriodReference"),
        *("HispanicLatinoEthnicity", "HomelessPrimaryNighttimeResidence", "ID"),
        *("IdeaEligibility", "IdentificationCode", "IdentificationSystem", "IncidentDate"),
        *(
            "IncidentIdentifier",
            "IsCumulative",
            "LastSurname",
            "LegalGuardian",
            "LetterGradeEarned",
        ),
        *("LimitedEnglishProficiency", "LivesWith", "LocalCourseCode", "LocalCourseTitle"),
        *("MiddleName", "NameOfInstitution", "Namespace", "NumericGradeEarned"),
        *(
            "OrganizationCategory",
            "PerformanceLevel",
            "Period",
            "PostalCode",
            "PrimaryContactStatus",
        ),
        *("PrimarySchool", "ProgramAttendanceDuration", "ProgramId", "ProgramName"),
        *("ProgramReference", "ProgramType", "Race", "RacialCategory", "Relation"),
        *("ResponsibilitySchoolReference", "Result", "SchoolCategories", "SchoolCategory"),
        *("SchoolFoodServiceEligibility", "SchoolFoodServiceProgramService", "SchoolId"),
        *("SchoolReference", "SchoolYear", "ScoreResult", "SectionIdentifier", "SectionName"),
        *(
            "SectionReference",
            "SessionName",
            "SessionReference",
            "Sex",
            "StateAbbreviation",
            "StateOrganizationId",
        ),
        *("StudentAcademicRecordReference", "StudentAssessmentIdentifier"),
        *("StudentCharacteristic", "StudentIdentificationCode", "StudentIdentificationSystem"),
        *(
            "StreetNumberName",
            "StudentReference",
            "StudentSectionAssociationReference",
            "StudentUniqueId",
        ),
        *(
            "StudentUniqueStateId",
            "Telephone",
            "TelephoneNumber",
            "Term",
            "TotalInstructionalDays",
            "Version",
        ),
    }
)

FORM = hashlib.sha256(",".join(sorted(NAMES)).encode()).hexdigest()[:16]
"""By this it is known whether what an earlier release kept is enough for this one."""

Content = dict[str, list[Any]]
"""An item as it is kept: by name, its children, each a text or a content of its own."""


def content_of(item: Item) -> Content:
    """What is kept of an item."""
    return {
        name: [content_of(child) if child.children else child.text for child in children]
        for name, children in item.children.items()
        if name in NAMES
    }


def item_of(name: str, content: Mapping[str, Any], line: int) -> Item:
    """The item that was kept."""
    item = Item(name, line)
    for child, values in content.items():
        item.children[child] = [
            item_of(child, value, line) if isinstance(value, dict) else Item(child, line, value)
            for value in values
        ]
    return item


def renamed(content: Content, renames: Mapping[str, str]) -> Content:
    """The same of students who have other ids now."""
    return {
        name: [
            renamed(value, renames)
            if isinstance(value, dict)
            else (renames.get(value, value) if name == "StudentUniqueId" else value)
            for value in values
        ]
        for name, values in content.items()
    }
