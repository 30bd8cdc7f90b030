"""Which rows follow from more than one object, so that a change of one is a change of others."""

from services.node.intake.edfi.lookups import is_program_association

_OF_SECTION = frozenset({"Section", "CourseOffering", "Course"})
_OF_PROGRAM = frozenset({"Program"})
_DEPENDS = {
    "StudentContactAssociation": frozenset({"Contact"}),
    "StudentDisciplineIncidentAssociation": frozenset({"DisciplineIncident"}),
    "StudentDisciplineIncidentBehaviorAssociation": frozenset({"DisciplineIncident"}),
    "DisciplineAction": frozenset(
        {
            "StudentDisciplineIncidentAssociation",
            "StudentDisciplineIncidentBehaviorAssociation",
            "StudentDisciplineIncidentNonOffenderAssociation",
        }
    ),
    "StudentSectionAssociation": _OF_SECTION,
    "CourseTranscript": frozenset({"Course"}),
    "Grade": _OF_SECTION,
    "StudentGradebookEntry": _OF_SECTION | {"GradebookEntry"},
    "StudentAssessment": frozenset({"Assessment"}),
    "StudentProgramAttendanceEvent": _OF_PROGRAM,
}
_TELLS_OF_STUDENTS = frozenset(
    {"Student", "StudentEducationOrganizationAssociation", "StudentSchoolAssociation"}
)


def depends_on(kind: str) -> frozenset[str]:
    """What else the rows of a kind follow from."""
    return _OF_PROGRAM if is_program_association(kind) else _DEPENDS.get(kind, frozenset())


def tells_of_students(kind: str) -> bool:
    """Whether the row of a student follows from a kind."""
    return kind in _TELLS_OF_STUDENTS or is_program_association(kind)
