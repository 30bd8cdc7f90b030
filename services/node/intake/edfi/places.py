"""Finds what an element refers to: its student, its school, its section and its term."""

from services.node.intake.edfi.items import Item

_ORGANIZATION_IDS = ("SchoolId", "EducationOrganizationId", "StateOrganizationId")


def student_of(item: Item) -> str:
    """The id of the student an element is about."""
    for named in ("", "StudentSectionAssociationReference", "StudentAcademicRecordReference"):
        of = item.at(named) if named else item
        # In JSON a reference holds the keys themselves; in XML, more references.
        if text := of.at("StudentReference", "StudentUniqueId").text:
            return text
        if named and (text := of.at("StudentUniqueId").text):
            return text
    return ""


def organization_of(item: Item) -> str:
    """The id of a school or other organization that an element is or names."""
    for reference in ("", "SchoolReference", "EducationOrganizationReference"):
        named = item.at(reference) if reference else item
        for key in _ORGANIZATION_IDS:
            if text := named.at(key).text:
                return text
    return ""


def section_of(item: Item) -> tuple[str, str, str]:
    """The school, the id and the course code, where told, of a section that an element names."""
    section = item.at("SectionReference")
    if not section.children:
        section = item.at("StudentSectionAssociationReference", "SectionReference")
    if not section.children:
        section = item.at("GradebookEntryReference", "SectionReference")
    if not section.children:
        section = item.at("StudentSectionAssociationReference")
    offering = section.at("CourseOfferingReference")
    school_id = organization_of(section) or organization_of(offering)
    code = offering.at("LocalCourseCode").text or section.at("LocalCourseCode").text
    return school_id, section.at("SectionIdentifier").text, code


def incident_of(item: Item) -> str:
    """The id of the incident that an element is or names; its number is unique in its school."""
    named = item if item.at("IncidentIdentifier").text else item.at("DisciplineIncidentReference")
    return "/".join(filter(None, (organization_of(named), named.at("IncidentIdentifier").text)))


def term_of(item: Item) -> str:
    """The term of a transcript row: its session by name, or its year and term."""
    record = item.at("StudentAcademicRecordReference")
    session = record.at("SessionReference", "SessionName").text
    return session or " ".join(filter(None, (record.at("SchoolYear").text, record.word("Term"))))
