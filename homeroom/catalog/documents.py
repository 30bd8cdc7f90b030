"""The datasets of what is said of a student in a few words: contacts, rates and documents."""

from homeroom.catalog.shape import Column, Dataset, ValueKind
from homeroom.vocabulary import Element

_TEXT, _DATE, _NUMBER = ValueKind.TEXT, ValueKind.DATE, ValueKind.NUMBER
_RATE = Element.ATTENDANCE_RATE


def _document(name: str, element: Element, description: str, title: str = "") -> Dataset:
    """A dataset of documents of one kind; `title` says what stands there."""
    return Dataset(
        name,
        description,
        element,
        (
            Column("title", element, _TEXT, "", title),
            Column("document_date", element, _DATE, ""),
            Column("text", element, _TEXT, ""),
        ),
    )


_DISCLOSURE = Element.DISCLOSURE_RECORD

DOCUMENTS: tuple[Dataset, ...] = (
    Dataset(
        "disclosures",
        "Who asked for a student's records and what may have left (34 CFR 99.32)",
        _DISCLOSURE,
        (
            Column("recorded_on", _DISCLOSURE, _DATE, ""),
            Column(
                "event",
                _DISCLOSURE,
                _TEXT,
                "",
                "request_refused, request, unnamed_answer, disclosure",
            ),
            Column("requester", _DISCLOSURE, _TEXT, ""),
            Column("role", _DISCLOSURE, _TEXT, ""),
            Column("purpose", _DISCLOSURE, _TEXT, ""),
            Column("basis", _DISCLOSURE, _TEXT, ""),
            Column("elements_asked", _DISCLOSURE, _TEXT, "", "joined by ';'"),
            Column("elements_released", _DISCLOSURE, _TEXT, "", "joined by ';'"),
            Column("onward_to", _DISCLOSURE, _TEXT, "", "joined by ';'"),
        ),
    ),
    Dataset(
        "contacts",
        "Whom to call about a student",
        Element.EMERGENCY_CONTACTS,
        (
            Column("relation", Element.EMERGENCY_CONTACTS, _TEXT, "000425"),
            Column("given_name", Element.EMERGENCY_CONTACTS, _TEXT, "000115"),
            Column("family_name", Element.EMERGENCY_CONTACTS, _TEXT, "000172"),
            Column("phone", Element.EMERGENCY_CONTACTS, _TEXT, "000279"),
            Column("email", Element.EMERGENCY_CONTACTS, _TEXT, "000088"),
        ),
    ),
    Dataset(
        "attendance_rates",
        "Each student's attendance at each school, in the period asked or else this school year",
        _RATE,
        (
            Column("school_id", Element.SCHOOL_OF_ENROLLMENT, _TEXT, "001069"),
            Column("first_day", _RATE, _DATE, ""),
            Column("last_day", _RATE, _DATE, ""),
            Column("days_enrolled", _RATE, ValueKind.INTEGER, "", "days"),
            Column("days_absent", _RATE, ValueKind.INTEGER, "", "days"),
            Column("attendance_rate", _RATE, _NUMBER, "", "0 to 1; null if never enrolled"),
        ),
    ),
    Dataset(
        "gpas",
        "Grade point averages by school year and term",
        Element.GPA,
        (
            Column("school_year", Element.GPA, _TEXT, "000243"),
            Column("term", Element.GPA, _TEXT, "", "a session's name, or cumulative"),
            Column("weighted", Element.GPA, ValueKind.BOOLEAN, ""),
            Column("grade_point_average", Element.GPA, _NUMBER, "000127"),
        ),
    ),
    _document("honors", Element.HONORS_AWARDS, "Honors and awards", "the honor"),
    _document("activities", Element.ACTIVITIES_SPORTS, "Activities and sports", "the activity"),
    _document("transcripts", Element.TRANSCRIPT, "Transcripts of record"),
    _document("ieps", Element.IEP, "Individualized education programs (IDEA Part B)"),
    _document(
        "special_education_evaluations",
        Element.SPED_EVALUATION,
        "Evaluations for special education (IDEA Part B)",
    ),
    _document("immunizations", Element.HEALTH_IMMUNIZATION, "Immunizations on file", "the vaccine"),
    _document("health_conditions", Element.HEALTH_CONDITIONS, "Health conditions on file"),
    _document(
        "early_warning_flags",
        Element.EARLY_WARNING_FLAG,
        "Flags that the district computed of attendance, behavior and courses",
        "the flag",
    ),
    _document(
        "survey_responses",
        Element.SURVEY_PROTECTED_RESPONSES,
        "Answers to surveys that 20 USC 1232h(b) protects",
    ),
    _document("case_notes", Element.CASE_NOTES, "A community organization's own notes"),
)
