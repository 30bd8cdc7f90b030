"""Says where the catalog's datasets stand in the record tables."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    FromClause,
    Integer,
    String,
    Table,
    bindparam,
    case,
    column,
    exists,
    func,
    literal,
    not_,
    select,
    text,
    true,
    union_all,
)

from homeroom.vocabulary import Element
from services.node.domain.selection import Selection
from services.node.store.disclosure_tables import (
    DISCLOSED,
    DISCLOSURE_RECORD,
    DISCLOSURE_REFUSED,
)
from services.node.store.records.measures import measure
from services.node.store.records.tables import RecordTable
from services.node.store.statuses import OF_A_DAY, day_of_flags

_TABLES = RecordTable.metadata.tables


@dataclass(frozen=True, slots=True)
class Source:
    """Where one dataset's rows come from.

    Attributes:
        table: the table, or what is computed of several.
        stored: the table that is counted for the dataset.
        first_day, last_day: the days that a row is about, to compare with a period; None where
            rows are about now.
        summed: whether a row says something of all its days at once.
        key: what tells the rows of one student apart.
        concerns_others: whether a row tells of another student too; unknown counts as yes.
        survey_consent: for survey answers, what is known of the consent to the survey.
        renamed: the expressions of columns that are named otherwise in the table.
    """

    table: FromClause
    stored: Table
    first_day: ColumnElement[Any] | None = None
    last_day: ColumnElement[Any] | None = None
    summed: bool = False
    key: tuple[ColumnElement[Any], ...] = ()
    where: ColumnElement[bool] = field(default_factory=true)
    concerns_others: ColumnElement[Any] | None = None
    survey_consent: ColumnElement[Any] | None = None
    renamed: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)

    @property
    def school(self) -> ColumnElement[str] | None:
        """The school that a row itself names; None where only its student has one."""
        return self.table.c.get("school_id")

    def column(self, name: str) -> ColumnElement[Any]:
        return self.renamed[name] if name in self.renamed else self.table.c[name]


def _of(name: str, first_day: str = "", last_day: str = "", **more: Any) -> Source:
    """The rows of one table."""
    table = _TABLES[name]
    key = tuple(c for c in table.primary_key.columns if c.name != "student_key")
    first = table.c[first_day] if first_day else None
    last = table.c[last_day] if last_day else None
    return Source(table, table, first, last, key=key, **more)


def _one_day(name: str, day: str, **more: Any) -> Source:
    return _of(name, day, day, **more)


def _documents(element: Element) -> Source:
    return _one_day(
        "document",
        "document_date",
        where=_DOCUMENT.element == element.value,
        concerns_others=_DOCUMENT.concerns_others,
        survey_consent=_DOCUMENT.survey_consent,
    )


def _rates() -> Source:
    """Attendance as the measures have it, over the days that `days_of` gives."""
    days = {name: bindparam(name, type_=Date, required=False) for name in ("first_day", "last_day")}
    measured = (
        text(measure("rates"))
        .bindparams(*days.values(), bindparam("exit_day_counts", 1, type_=Integer))
        .columns(
            column("student_key", Integer),
            column("school_id", String),
            column("days_enrolled", Integer),
            column("days_absent", Integer),
            column("attendance_rate", Float),
        )
        .subquery("rates")
    )
    return Source(
        measured,
        _TABLES["attendance"],
        days["first_day"],
        days["last_day"],
        summed=True,
        key=(measured.c.school_id,),
        renamed=days,
    )


def days_of(selection: Selection) -> Mapping[str, Any]:
    """The days that rows are computed for: of a measure those asked for, or the school year so far.

    Of a student's flags it is one day.
    """
    if selection.dataset.name not in _MEASURED:
        return day_of_flags(selection)
    if selection.period is not None:
        return {"first_day": selection.period.start_date, "last_day": selection.period.end_date}
    today = selection.instant.date()
    begun = today.year if today.month >= _FIRST_MONTH else today.year - 1
    return {"first_day": dt.date(begun, _FIRST_MONTH, 1), "last_day": today}


def _disclosures() -> Source:
    """The disclosure record of each student; what an order keeps from the family is left out."""
    record = DISCLOSURE_RECORD.c
    said = (
        record.recorded_on,
        record.event,
        record.requester,
        record.role,
        record.purpose,
        record.basis,
        record.elements.label("elements_asked"),
        record.onward_to,
    )
    entries = [
        select(students.c.student_key, record.log_index, *said, released.label("elements_released"))
        .join(DISCLOSURE_RECORD, record.log_index == students.c.log_index)
        .where(record.secret.is_(False))
        for students, released in (
            (DISCLOSED, record.released),
            # Of whom a part may leave stands there already.
            (_WHOLLY_REFUSED, literal("")),
        )
    ]
    table = union_all(*entries).subquery("disclosures")
    day = table.c.recorded_on
    return Source(table, DISCLOSURE_RECORD, day, day, key=(table.c.log_index,))


_WHOLLY_REFUSED = (
    select(DISCLOSURE_REFUSED.c.log_index, DISCLOSURE_REFUSED.c.student_key)
    .where(
        not_(
            exists().where(
                DISCLOSED.c.log_index == DISCLOSURE_REFUSED.c.log_index,
                DISCLOSED.c.student_key == DISCLOSURE_REFUSED.c.student_key,
            )
        )
    )
    .subquery("wholly_refused")
)
_SPELL = _TABLES["enrollment"].c


def _of_newest_spell(said: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a student's newest spell at a school says; null of a student who has none."""
    student = _TABLES["student"]
    return (
        select(said)
        .where(_SPELL.student_key == student.c.student_key)
        .order_by(_SPELL.entry_date.desc(), _SPELL.school_id)
        .limit(1)
        .correlate(student)
        .scalar_subquery()
    )


_PRESENT: Mapping[str, ColumnElement[Any]] = {
    "student_number": _TABLES["student"].c.student_id,
    "enrollment_status": _of_newest_spell(
        case((_SPELL.exit_date.is_(None), "enrolled"), else_=_SPELL.exit_type)
    ),
    "graduated": _of_newest_spell(_SPELL.graduated),
    **OF_A_DAY,
}
_FIRST_MONTH = 7  # school years are counted from July
_MEASURED = frozenset({"attendance_rates"})
_DOCUMENT = _TABLES["document"].c
_INCIDENT = _TABLES["discipline_incident"]
_ACTION = _TABLES["discipline_action"].c
_OTHER = _INCIDENT.alias("other_offender")
_ANOTHER_OFFENDER = exists(
    select(_OTHER.c.student_key).where(
        _OTHER.c.incident_id == _INCIDENT.c.incident_id,
        _OTHER.c.student_key != _INCIDENT.c.student_key,
    )
).correlate(_INCIDENT)
_ACTION_DAYS = func.coalesce(_ACTION.actual_days, _ACTION.planned_days)

SOURCES: Mapping[str, Source] = {
    "students": _of("student", renamed=_PRESENT),
    "enrollments": _of("enrollment", "entry_date", "exit_date"),
    "attendance": _one_day("attendance", "event_date"),
    "suspensions": _one_day(
        "discipline_action",
        "action_date",
        where=_ACTION.action_type.in_(["in_school_suspension", "out_of_school_suspension"]),
        renamed={
            "suspension_type": case(
                (_ACTION.action_type == "in_school_suspension", "in_school"),
                else_="out_of_school",
            ),
            "days": _ACTION_DAYS,
        },
    ),
    "expulsions": _one_day(
        "discipline_action",
        "action_date",
        where=_ACTION.action_type == "expulsion",
        renamed={"days": _ACTION_DAYS},
    ),
    "discipline_incidents": _one_day(
        "discipline_incident", "incident_date", concerns_others=_ANOTHER_OFFENDER
    ),
    "course_enrollments": _of("section_enrollment", "begin_date", "end_date"),
    "course_grades": _of("course_grade", where=_TABLES["course_grade"].c.grade_kind != "gradebook"),
    "assessments": _one_day("assessment_result", "administration_date"),
    "programs": _of("program_participation", "begin_date", "end_date"),
    "services": _one_day("service_event", "service_date"),
    "contacts": _of("guardian"),
    "attendance_rates": _rates(),
    "gpas": _of("gpa"),
    "disclosures": _disclosures(),
    "honors": _documents(Element.HONORS_AWARDS),
    "activities": _documents(Element.ACTIVITIES_SPORTS),
    "transcripts": _documents(Element.TRANSCRIPT),
    "ieps": _documents(Element.IEP),
    "special_education_evaluations": _documents(Element.SPED_EVALUATION),
    "immunizations": _documents(Element.HEALTH_IMMUNIZATION),
    "health_conditions": _documents(Element.HEALTH_CONDITIONS),
    "early_warning_flags": _documents(Element.EARLY_WARNING_FLAG),
    "survey_responses": _documents(Element.SURVEY_PROTECTED_RESPONSES),
    "case_notes": _documents(Element.CASE_NOTES),
}
