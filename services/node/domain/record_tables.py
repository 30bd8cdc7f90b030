"""The tables of the records as sources give them: their columns, words and natural keys."""

from dataclasses import dataclass

from homeroom.catalog import ValueKind
from homeroom.vocabulary import Element

STUDENT_ID = "student_id"
"""How sources name a student; in the database it becomes a key."""

_LONG_TEXT = 100_000

GRADE_LEVELS = frozenset({"PK", "KG", *(f"{grade:02}" for grade in range(1, 13))})
RACES = frozenset(
    {
        *("american_indian", "asian", "black", "pacific_islander", "white", "other", "declined"),
        "multiple",
    }
)
"""`multiple` stands alone: a source that says only that there are several, not which."""

ATTENDANCE_CATEGORIES = frozenset(
    {
        "in_attendance",
        "excused_absence",
        "unexcused_absence",
        "tardy",
        "early_departure",
        "partial",
    }
)
STATUSES = frozenset(
    {
        "english_learner",
        "special_education",
        "section_504",
        "homeless",
        "foster_care",
        "economic_disadvantage",
        "migrant",
        "immigrant",
        "military_connected",
        "runaway",
    }
)
"""What may be so of a student for a time."""

DOCUMENTED = frozenset(
    {
        Element.HONORS_AWARDS,
        Element.ACTIVITIES_SPORTS,
        Element.TRANSCRIPT,
        Element.IEP,
        Element.SPED_EVALUATION,
        Element.HEALTH_IMMUNIZATION,
        Element.HEALTH_CONDITIONS,
        Element.EARLY_WARNING_FLAG,
        Element.SURVEY_PROTECTED_RESPONSES,
        Element.CASE_NOTES,
    }
)
"""The elements that are kept as documents."""

ALL_ELEMENTS = "all"
"""An opt-out of every kind of directory information."""

ACTION_TYPES = frozenset({"in_school_suspension", "out_of_school_suspension", "expulsion", "other"})


@dataclass(frozen=True, slots=True)
class RecordColumn:
    """One column.

    Attributes:
        words: the values it may have; empty where any will do.
        joined: whether it holds several of the words, sorted and joined by ';'.
        longest: how many characters a text may have.
    """

    name: str
    kind: ValueKind = ValueKind.TEXT
    words: frozenset[str] = frozenset()
    joined: bool = False
    longest: int = 2_000


@dataclass(frozen=True, slots=True)
class RecordTable:
    """One table.

    Attributes:
        key: the columns that tell its rows apart; each row has them all.
        period: the columns of its first and its last day, if it has them; the last is not before
            the first.
        event_day: the column of the day on which it happened, which cannot be in the future.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[RecordColumn, ...]
    period: tuple[str, str] = ("", "")
    event_day: str = ""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Its columns, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> RecordColumn:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)


def _texts(*names: str) -> tuple[RecordColumn, ...]:
    return tuple(RecordColumn(name) for name in names)


def _dates(*names: str) -> tuple[RecordColumn, ...]:
    return tuple(RecordColumn(name, ValueKind.DATE) for name in names)


def _numbers(*names: str) -> tuple[RecordColumn, ...]:
    return tuple(RecordColumn(name, ValueKind.NUMBER) for name in names)


def _booleans(*names: str) -> tuple[RecordColumn, ...]:
    return tuple(RecordColumn(name, ValueKind.BOOLEAN) for name in names)


def _words(name: str, *words: str) -> tuple[RecordColumn, ...]:
    return (RecordColumn(name, words=frozenset(words)),)


_TABLES = (
    RecordTable(
        "school",
        ("school_id",),
        (
            *_texts("school_id", "name"),
            *_words("level", "elementary", "middle", "high", "k8", "other"),
            *_words("attendance_kind", "every_day", "exceptions"),
        ),
    ),
    RecordTable(
        "session",
        ("school_id", "session_name", "school_year"),
        (
            *_texts("school_id", "session_name", "school_year"),
            *_dates("begin_date", "end_date"),
            RecordColumn("instructional_days", ValueKind.INTEGER),
        ),
        period=("begin_date", "end_date"),
    ),
    RecordTable(
        "calendar_date",
        ("school_id", "calendar_date"),
        (
            *_texts("school_id"),
            *_dates("calendar_date"),
            *_booleans("instructional"),
        ),
    ),
    RecordTable(
        "student",
        (STUDENT_ID,),
        (
            *_texts(STUDENT_ID, "state_id", "given_name", "middle_name", "family_name"),
            *_dates("birth_date"),
            *_words("gender", "female", "male", "nonbinary"),
            RecordColumn("races", words=RACES, joined=True),
            *_booleans("hispanic"),
            *_words("grade_level", *GRADE_LEVELS),
            *_booleans("english_learner", "special_education", "homeless"),
            *_words("nighttime_residence", "doubled_up", "hotel_motel", "shelter", "unsheltered"),
            *_booleans("foster_care"),
            *_words("lunch_eligibility", "free", "reduced", "full"),
            *_texts("school_id"),
            *_texts("street_address", "city", "state", "postal_code", "phone", "email", "photo"),
            *_numbers("household_income"),
        ),
    ),
    RecordTable(
        "enrollment",
        (STUDENT_ID, "school_id", "entry_date"),
        (
            *_texts(STUDENT_ID, "school_id"),
            *_dates("entry_date"),
            *_texts("school_year", "entry_type"),
            *_words("entry_grade_level", *GRADE_LEVELS),
            *_dates("exit_date"),
            *_texts("exit_type"),
            *_booleans("graduated", "primary_school"),
            *_numbers("full_time_equivalency"),
        ),
        period=("entry_date", "exit_date"),
    ),
    RecordTable(
        "student_status",
        (STUDENT_ID, "status", "begin_date"),
        (
            *_texts(STUDENT_ID),
            RecordColumn("status", words=STATUSES),
            *_dates("begin_date", "end_date"),
            *_texts("detail"),
        ),
        period=("begin_date", "end_date"),
    ),
    RecordTable(
        "guardian",
        (STUDENT_ID, "guardian_id"),
        (
            *_texts(STUDENT_ID, "guardian_id", "relation", "given_name", "family_name"),
            *_texts("phone", "email"),
            *_booleans("legal_guardian", "lives_with", "primary_contact"),
        ),
    ),
    RecordTable(
        "attendance",
        (STUDENT_ID, "school_id", "event_date", "category"),
        (
            *_texts(STUDENT_ID, "school_id"),
            *_dates("event_date"),
            *_words("category", *ATTENDANCE_CATEGORIES),
            *_texts("reason"),
            *_numbers("duration_days"),
        ),
        event_day="event_date",
    ),
    RecordTable(
        "discipline_incident",
        ("incident_id", STUDENT_ID, "behavior"),
        (
            *_texts("incident_id", STUDENT_ID, "behavior", "school_id"),
            *_dates("incident_date"),
        ),
        event_day="incident_date",
    ),
    RecordTable(
        "discipline_action",
        ("action_id", STUDENT_ID, "action_type"),
        (
            *_texts("action_id", STUDENT_ID),
            *_words("action_type", *ACTION_TYPES),
            *_dates("action_date"),
            *_texts("school_id"),
            *_numbers("planned_days", "actual_days"),
        ),
        event_day="action_date",
    ),
    RecordTable(
        "section_enrollment",
        (STUDENT_ID, "school_id", "section_id", "begin_date"),
        (
            *_texts(STUDENT_ID, "school_id", "section_id"),
            *_dates("begin_date"),
            *_texts("course_code", "course_title"),
            *_dates("end_date"),
        ),
        period=("begin_date", "end_date"),
    ),
    RecordTable(
        "course_grade",
        (STUDENT_ID, "school_id", "course_code", "term", "grade_kind"),
        (
            *_texts(STUDENT_ID, "school_id", "course_code", "term"),
            *_words("grade_kind", "transcript", "grading_period", "gradebook"),
            *_texts("course_title", "letter_grade"),
            *_numbers("numeric_grade", "credits_earned"),
        ),
    ),
    RecordTable(
        "assessment_result",
        (STUDENT_ID, "result_id"),
        (
            *_texts(STUDENT_ID, "result_id", "assessment_title"),
            *_dates("administration_date"),
            *_texts("subject", "score_metric", "score", "performance_level"),
        ),
    ),
    RecordTable(
        "program_participation",
        (STUDENT_ID, "program_name", "program_type", "begin_date"),
        (
            *_texts(STUDENT_ID, "program_name", "program_type"),
            *_dates("begin_date", "end_date"),
        ),
        period=("begin_date", "end_date"),
    ),
    RecordTable(
        "service_event",
        (STUDENT_ID, "service_name", "service_date"),
        (
            *_texts(STUDENT_ID, "service_name"),
            *_dates("service_date"),
            *_numbers("hours"),
        ),
        event_day="service_date",
    ),
    RecordTable(
        "gpa",
        (STUDENT_ID, "school_year", "term", "weighted"),
        (
            *_texts(STUDENT_ID, "school_year", "term"),
            *_booleans("weighted"),
            *_numbers("grade_point_average"),
        ),
    ),
    RecordTable(
        "document",
        (STUDENT_ID, "document_id"),
        (
            *_texts(STUDENT_ID, "document_id"),
            *_words("element", *DOCUMENTED),
            *_texts("title"),
            *_dates("document_date"),
            RecordColumn("text", longest=_LONG_TEXT),
            *_booleans("concerns_others"),
            *_words("survey_consent", "given", "not_required", "missing"),
        ),
    ),
    RecordTable(
        "directory_opt_out",
        (STUDENT_ID, "element"),
        (*_texts(STUDENT_ID), *_words("element", *Element, ALL_ELEMENTS)),
    ),
    RecordTable(
        "contested_statement",
        (STUDENT_ID, "element", "filed_on"),
        (
            *_texts(STUDENT_ID),
            *_words("element", *Element),
            *_dates("filed_on"),
            RecordColumn("statement", longest=_LONG_TEXT),
        ),
    ),
)

RECORD_TABLES: dict[str, RecordTable] = {table.name: table for table in _TABLES}
"""Every table by name, in an order in which it can be loaded."""
