"""Finds what an element refers to: its student, its school, its section and its term."""

from services.node.intake.edfi_xml.elements import Item


def student_of(item: Item) -> str:
    """The id of the student an element is about."""
    return (
        item.at("StudentReference", "StudentUniqueId").text
        or item.at("StudentSectionAssociationReference", "StudentReference", "StudentUniqueId").text
        or item.at("StudentAcademicRecordReference", "StudentReference", "StudentUniqueId").text
    )


def organization_of(item: Item) -> str:
    """The id of a school or other organization that an element is or names."""
    for named in (item, item.at("SchoolReference"), item.at("EducationOrganizationReference")):
        for key in ("SchoolId", "EducationOrganizationId", "StateOrganizationId"):
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
    offering = section.at("CourseOfferingReference")
    school_id = organization_of(section) or organization_of(offering)
    return school_id, section.at("SectionIdentifier").text, offering.at("LocalCourseCode").text


def incident_of(item: Item) -> str:
    """The id of the incident that an element is or names; its number is unique in its school."""
    named = item if item.at("IncidentIdentifier").text else item.at("DisciplineIncidentReference")
    return "/".join(filter(None, (organization_of(named), named.at("IncidentIdentifier").text)))


def term_of(item: Item) -> str:
    """The term of a transcript row: its session by name, or its year and term."""
    record = item.at("StudentAcademicRecordReference")
    session = record.at("SessionReference", "SessionName").text
    return session or " ".join(filter(None, (record.at("SchoolYear").text, record.word("Term"))))
