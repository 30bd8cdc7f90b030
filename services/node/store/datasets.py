"""Says where the catalog's datasets stand in the record tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Table, case, func, true

from services.node.store.records.tables import RecordTable

_TABLES = RecordTable.metadata.tables


@dataclass(frozen=True, slots=True)
class Source:
    """Where one dataset's rows come from.

    Attributes:
        first_day, last_day: the days that a row is about, to compare with a period; None where
            rows are about now.
        renamed: the expressions of columns that are named otherwise in the table.
    """

    table: Table
    first_day: ColumnElement[object] | None = None
    last_day: ColumnElement[object] | None = None
    where: ColumnElement[bool] = field(default_factory=true)
    renamed: Mapping[str, ColumnElement[object]] = field(default_factory=dict)

    @property
    def school(self) -> ColumnElement[str] | None:
        """The school that a row itself names; None where only its student has one."""
        return self.table.c.get("school_id")

    def column(self, name: str) -> ColumnElement[object]:
        return self.renamed[name] if name in self.renamed else self.table.c[name]


def _one_day(table: str, day: str, **more: object) -> Source:
    found = _TABLES[table]
    return Source(found, found.c[day], found.c[day], **more)  # type: ignore[arg-type]  # passed on


_ACTION = _TABLES["discipline_action"].c
_ENROLLMENT = _TABLES["enrollment"].c
_SECTION = _TABLES["section_enrollment"].c
_PROGRAM = _TABLES["program_participation"].c
_ACTION_DAYS = func.coalesce(_ACTION.actual_days, _ACTION.planned_days)

SOURCES: Mapping[str, Source] = {
    "students": Source(
        _TABLES["student"], renamed={"student_number": _TABLES["student"].c.student_id}
    ),
    "enrollments": Source(_TABLES["enrollment"], _ENROLLMENT.entry_date, _ENROLLMENT.exit_date),
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
    "discipline_incidents": _one_day("discipline_incident", "incident_date"),
    "course_enrollments": Source(
        _TABLES["section_enrollment"], _SECTION.begin_date, _SECTION.end_date
    ),
    "course_grades": Source(
        _TABLES["course_grade"], where=_TABLES["course_grade"].c.grade_kind != "gradebook"
    ),
    "assessments": _one_day("assessment_result", "administration_date"),
    "programs": Source(_TABLES["program_participation"], _PROGRAM.begin_date, _PROGRAM.end_date),
    "services": _one_day("service_event", "service_date"),
}
