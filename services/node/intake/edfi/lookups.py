"""What a first pass over a file set gathers: titles, offenders, and the facts of each student.

Facts of one student stand in several files: the student, the enrollment, the programs. They are
put together here, so that a student is written once, whole.
"""

from typing import Any

from services.node.intake.edfi import vocabulary
from services.node.intake.edfi.items import OWN, Item, texts_of
from services.node.intake.edfi.places import (
    incident_of,
    organization_of,
    section_of,
    student_of,
)

known = vocabulary.known
StudentFacts = dict[str, str | None]

_PERPETRATOR = "Perpetrator"
_FLAG_OF_PROGRAM = {
    "StudentHomelessProgramAssociation": "homeless",
    "StudentSpecialEducationProgramAssociation": "special_education",
}
_FLAG_OF_CHARACTERISTIC = {"Homeless": "homeless", "Foster Care": "foster_care"}
_LUNCH_ORDER = ("free", "reduced", "full")


def is_program_association(name: str) -> bool:
    """Whether an element says that a student takes part in a program, of any type."""
    return name.startswith("Student") and name.endswith("ProgramAssociation")


class FirstPassNames:
    """The elements that the first pass reads: what rows are completed from."""

    _NAMES = frozenset(
        {
            "Assessment",
            "Contact",
            "Course",
            "CourseOffering",
            "DisciplineIncident",
            "EducationOrganization",
            "GradebookEntry",
            "GradingPeriod",
            "Program",
            "School",
            "Section",
            "Session",
            "Student",
            "StudentAcademicRecord",
            "StudentDisciplineIncidentAssociation",
            "StudentDisciplineIncidentBehaviorAssociation",
            "StudentDisciplineIncidentNonOffenderAssociation",
            "StudentEducationOrganizationAssociation",
            "StudentSchoolAssociation",
            "StudentSectionAssociation",
        }
    )

    def __contains__(self, name: object) -> bool:
        text = str(name)
        return text in self._NAMES or is_program_association(text)


class Lookups:
    """What the first pass has gathered."""

    def __init__(self) -> None:
        self.students: dict[str, StudentFacts] = {}
        self.incidents: dict[str, tuple[str, str, str]] = {}
        self.programs: dict[str, tuple[str, str]] = {}
        self.contacts: dict[str, tuple[str, str, str, str]] = {}
        self.assessments: dict[tuple[str, str], tuple[str, str]] = {}
        self.gradebook_entries: dict[str, tuple[str, str, str]] = {}
        self._sections: dict[tuple[str, str], tuple[str, str]] = {}
        self._offerings: dict[tuple[str, str], tuple[str, tuple[str, str]]] = {}
        self._courses: dict[tuple[str, str], str] = {}
        self._offenders: set[tuple[str, str]] = set()
        self._bystanders: set[tuple[str, str]] = set()
        self._flags_told: set[str] = set()
        self._told: dict[str, dict[str, str]] = {}
        self._current: dict[str, tuple[str, str]] = {}

    def gather(self, item: Item) -> None:
        """Takes what is needed later from an element."""
        if is_program_association(item.name):
            self._gather_program_association(item)
        elif gather := _GATHER.get(item.name):
            gather(self, item)

    def finish(self) -> None:
        """Says no, of every student, to flags that the set gives only to whom they apply.

        What another node told of a student counts before all else: it knows what is unknown, too.
        """
        for facts in self.students.values():
            for flag in self._flags_told:
                facts.setdefault(flag, "false")
        for student_id, told in self._told.items():
            self._facts(student_id).update(told)

    def course_of_section(
        self, school_id: str, section_id: str, course_code: str
    ) -> tuple[str, str]:
        """The code and the title of a section's course, empty where the set does not tell."""
        code, section_name = self._sections.get((school_id, section_id), ("", ""))
        code = course_code or code
        title, course = self._offerings.get((school_id, code), ("", (school_id, code)))
        return code, title or self._courses.get(course, "") or section_name

    def course_title(self, organization_id: str, course_code: str) -> str:
        """The title of a course, empty where the set does not tell."""
        return self._courses.get((organization_id, course_code), "")

    def was_only_bystander(self, incident_id: str, student_id: str) -> bool:
        """Whether a student was victim or witness of an incident, and no offender in it."""
        who = (incident_id, student_id)
        return who in self._bystanders and who not in self._offenders

    def _facts(self, student_id: str) -> StudentFacts:
        return self.students.setdefault(student_id, {})

    def _gather_student(self, item: Item) -> None:
        student_id = item.at("StudentUniqueId").text
        facts = self._facts(student_id)
        facts["student_id"] = student_id
        told = {
            "given_name": item.at("FirstName").text,
            "middle_name": item.at("MiddleName").text,
            "family_name": item.at("LastSurname").text,
            "birth_date": item.at("BirthDate").text,
            "grade_level": known(vocabulary.GRADE_LEVEL, item.word("CurrentGradeLevel")),
        }
        # A composite may name a student by the id alone, beside the student's own object.
        facts.update({name: text for name, text in told.items() if text})
        self._gather_demographics(facts, item)

    def _gather_association(self, item: Item) -> None:
        student_id = student_of(item)
        self._gather_demographics(self._facts(student_id), item)
        if own := item.at(OWN, "student").children:
            self._told[student_id] = texts_of(own)

    def _gather_demographics(self, facts: StudentFacts, item: Item) -> None:
        codes, hispanic = vocabulary.races(item)
        told: StudentFacts = {
            "state_id": _state_id(item),
            "gender": known(vocabulary.GENDER, item.word("Sex")),
            "races": codes,
            "hispanic": "true" if hispanic else item.at("HispanicLatinoEthnicity").text,
            "english_learner": known(
                vocabulary.ENGLISH_LEARNER, item.word("LimitedEnglishProficiency")
            ),
            "lunch_eligibility": known(vocabulary.LUNCH, item.word("SchoolFoodServiceEligibility")),
            **_address(item),
        }
        for characteristic in item.all("StudentCharacteristic"):
            word = characteristic.word("Characteristic") or characteristic.word()
            if flag := _FLAG_OF_CHARACTERISTIC.get(word):
                told[flag] = "true"
                self._flags_told.add(flag)
        facts.update({name: text for name, text in told.items() if text})

    def _gather_enrollment(self, item: Item) -> None:
        """Takes the grade of the latest enrollment."""
        student_id = student_of(item)
        grade = known(vocabulary.GRADE_LEVEL, item.word("EntryGradeLevel"))
        spell = (item.at("EntryDate").text, item.at("ExitWithdrawDate").text or "9999")
        if grade and spell >= self._current.get(student_id, ("", "")):
            self._current[student_id] = spell
            self._facts(student_id)["grade_level"] = grade

    def _gather_program_association(self, item: Item) -> None:
        facts = self._facts(student_of(item))
        if flag := _FLAG_OF_PROGRAM.get(item.name):
            self._flags_told.add(flag)
            if item.at("IdeaEligibility").text not in {"0", "false"}:
                facts[flag] = "true"
        residence = known(
            vocabulary.NIGHTTIME_RESIDENCE, item.word("HomelessPrimaryNighttimeResidence")
        )
        if residence:
            facts["nighttime_residence"] = residence
        if item.at("EnglishLearnerParticipation").text in {"1", "true"}:
            facts.setdefault("english_learner", "true")
        self._gather_lunch(facts, item)

    def _gather_lunch(self, facts: StudentFacts, item: Item) -> None:
        services = {
            vocabulary.LUNCH.get(service.word())
            for service in item.all("SchoolFoodServiceProgramService")
        }
        services.add(facts.get("lunch_eligibility"))
        best = next((kind for kind in _LUNCH_ORDER if kind in services), None)
        if best:
            facts["lunch_eligibility"] = best

    def _gather_participation(self, item: Item) -> None:
        who = (incident_of(item), student_of(item))
        (self._offenders if is_offender(item) else self._bystanders).add(who)

    def _gather_incident(self, item: Item) -> None:
        behavior = item.word("Behavior")
        self.incidents[incident_of(item)] = (
            organization_of(item),
            item.at("IncidentDate").text,
            behavior,
        )

    def _gather_program(self, item: Item) -> None:
        program_id, name = item.at("ProgramId").text, item.at("ProgramName").text
        self.programs[program_id] = (name or program_id, item.word("ProgramType"))

    def _gather_contact(self, item: Item) -> None:
        self.contacts[item.at("ContactUniqueId").text] = (
            item.at("FirstName").text,
            item.at("LastSurname").text,
            *_reached_at(item),
        )

    def _gather_assessment(self, item: Item) -> None:
        key = (item.at("AssessmentIdentifier").text, item.at("Namespace").text)
        self.assessments[key] = (item.at("AssessmentTitle").text, item.word("AcademicSubject"))

    def _gather_gradebook_entry(self, item: Item) -> None:
        self.gradebook_entries[item.at("GradebookEntryIdentifier").text] = section_of(item)

    def _gather_section(self, item: Item) -> None:
        offering = item.at("CourseOfferingReference")
        school_id = organization_of(offering) or organization_of(item)
        code = offering.at("LocalCourseCode").text
        name = item.at("SectionName").text
        self._sections[school_id, item.at("SectionIdentifier").text] = (code, name)

    def _gather_offering(self, item: Item) -> None:
        school_id, code = organization_of(item), item.at("LocalCourseCode").text
        course = item.at("CourseReference")
        self._offerings[school_id, code] = (
            item.at("LocalCourseTitle").text,
            (organization_of(course), _course_code(course)),
        )

    def _gather_course(self, item: Item) -> None:
        self._courses[organization_of(item), _course_code(item)] = item.at("CourseTitle").text


def is_offender(item: Item) -> bool:
    """Whether an association tells of an offender; where it does not say so, it does not."""
    codes = {code.word() for code in item.all("DisciplineIncidentParticipationCode")}
    if item.name == "StudentDisciplineIncidentBehaviorAssociation":
        # This one is for offenders; a code may add that the student was something else too.
        return not codes or _PERPETRATOR in codes
    return codes == {_PERPETRATOR} and not item.name.endswith("NonOffenderAssociation")


def _address(item: Item) -> StudentFacts:
    """Where a student lives and is reached: the first that is told of each."""
    address = item.at("Address")
    phone, email = _reached_at(item)
    return {
        "street_address": address.at("StreetNumberName").text,
        "city": address.at("City").text,
        "state": address.word("StateAbbreviation"),
        "postal_code": address.at("PostalCode").text,
        "phone": phone,
        "email": email,
    }


def _reached_at(item: Item) -> tuple[str, str]:
    """The first telephone number, and the first address of electronic mail."""
    return (
        item.at("Telephone", "TelephoneNumber").text,
        item.at("ElectronicMail", "ElectronicMailAddress").text,
    )


def _course_code(item: Item) -> str:
    # 1.0 has codes of other systems beside the unique one; they have no text of their own.
    return next((code.text for code in item.all("CourseCode") if code.text), "")


def _state_id(item: Item) -> str | None:
    for code in item.all("StudentIdentificationCode"):
        system = code.word("StudentIdentificationSystem") or code.word("IdentificationSystem")
        if system == "State":
            return code.at("IdentificationCode").text or code.at("ID").text
    return item.at("StudentUniqueStateId").text


_GATHER: dict[str, Any] = {
    "Student": Lookups._gather_student,
    "StudentEducationOrganizationAssociation": Lookups._gather_association,
    "StudentSchoolAssociation": Lookups._gather_enrollment,
    "StudentDisciplineIncidentAssociation": Lookups._gather_participation,
    "StudentDisciplineIncidentBehaviorAssociation": Lookups._gather_participation,
    "StudentDisciplineIncidentNonOffenderAssociation": Lookups._gather_participation,
    "DisciplineIncident": Lookups._gather_incident,
    "Program": Lookups._gather_program,
    "Contact": Lookups._gather_contact,
    "Assessment": Lookups._gather_assessment,
    "GradebookEntry": Lookups._gather_gradebook_entry,
    "Section": Lookups._gather_section,
    "CourseOffering": Lookups._gather_offering,
    "Course": Lookups._gather_course,
}
