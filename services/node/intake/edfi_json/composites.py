"""Takes apart the composites of ODS/API 2.x: sections with students, students with schools."""

from collections.abc import Iterator

from services.node.intake.edfi.items import Item


def parts_of(item: Item) -> Iterator[Item]:
    """The items that an object holds; most hold themselves alone."""
    if item.name == "Section" and item.all("Student"):
        yield from _section(item)
    elif item.name == "Student" and item.all("SchoolAssociation"):
        yield _student(item)
    else:
        yield item


def _section(section: Item) -> Iterator[Item]:
    """A section, its session, and each of its students: known by the id alone, and enrolled."""
    students = section.children.pop("Student")
    yield section
    session = section.at("SessionReference")
    if session.children:
        named = Item("Session", section.line)
        named.children = dict(session.children)
        yield named
    for student in students:
        known = Item("Student", section.line)
        known.add(student.at("StudentUniqueId"))
        yield known
        enrolled = Item("StudentSectionAssociation", section.line)
        enrolled.children["StudentReference"] = [student]
        reference = Item("SectionReference", section.line)
        for name in ("SectionIdentifier", "SchoolReference", "CourseOfferingReference"):
            reference.children[name] = section.all(name) or [Item(name, section.line)]
        enrolled.children["SectionReference"] = [reference]
        enrolled.add(Item("BeginDate", section.line, session.at("BeginDate").text))
        enrolled.add(Item("EndDate", section.line, session.at("EndDate").text))
        yield enrolled


def _student(student: Item) -> Item:
    """A student, with the grade of the latest of the schools."""
    for association in student.all("SchoolAssociation"):
        if grade := association.word("GradeLevel"):
            student.children["CurrentGradeLevel"] = [Item("CurrentGradeLevel", student.line, grade)]
    return student
