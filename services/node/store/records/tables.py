"""The tables of the records: the natural key of each is its primary key.

A student is a number here, `student_key`, given once and never again; all other tables say it.
Their keys begin with it, so that SQLite keeps one student's rows side by side.
"""

from datetime import date
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Table
from sqlmodel import Field

from services.node.store.records import document_tables
from services.node.store.records.bases import (
    CLUSTERED,
    STUDENT_KEY,
    ImportedRow,
    RecordTable,
    student_key,
)

__all__ = ["HOUSEKEEPING", "TABLES", "RecordTable", "document_tables", "housekeeping"]


class SchoolRow(ImportedRow, table=True):
    """A school."""

    __tablename__ = "school"

    school_id: str = Field(primary_key=True)
    name: str | None = None
    level: str | None = None
    attendance_kind: str | None = None
    last_reported_date: date | None = None


class SessionRow(ImportedRow, table=True):
    """A term of a school, with its days of instruction."""

    __tablename__ = "session"

    school_id: str = Field(primary_key=True)
    session_name: str = Field(primary_key=True)
    school_year: str = Field(primary_key=True)
    begin_date: date | None = None
    end_date: date | None = None
    instructional_days: int | None = None


class CalendarDateRow(ImportedRow, table=True):
    """A day of a school's calendar, and whether there is instruction."""

    __tablename__ = "calendar_date"
    __table_args__ = CLUSTERED

    school_id: str = Field(primary_key=True)
    calendar_date: date = Field(primary_key=True)
    instructional: bool | None = None


class StudentRow(ImportedRow, table=True):
    """A student as of now, with the student's statuses."""

    __tablename__ = "student"
    # A number is never given twice, even if its student is gone: grants are kept elsewhere.
    __table_args__: ClassVar[Any] = {"sqlite_autoincrement": True}

    student_key: int = Field(
        sa_type=STUDENT_KEY,
        primary_key=True,
    )
    student_id: str = Field(unique=True)
    state_id: str | None = None
    given_name: str | None = None
    middle_name: str | None = None
    family_name: str | None = None
    birth_date: date | None = None
    gender: str | None = None
    races: str | None = None
    hispanic: bool | None = None
    grade_level: str | None = None
    english_learner: bool | None = None
    special_education: bool | None = None
    homeless: bool | None = None
    nighttime_residence: str | None = None
    foster_care: bool | None = None
    lunch_eligibility: str | None = None
    school_id: str | None = Field(default=None, index=True)
    street_address: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    phone: str | None = None
    email: str | None = None
    photo: str | None = None
    household_income: float | None = None


class StudentStatusRow(ImportedRow, table=True):
    """A time in which something was so of a student, such as homelessness."""

    __tablename__ = "student_status"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    status: str = Field(primary_key=True)
    begin_date: date = Field(primary_key=True)
    end_date: date | None = None
    detail: str | None = None


class GuardianRow(ImportedRow, table=True):
    """Who answers for a student, and whom to call; a consent's signer is checked against it."""

    __tablename__ = "guardian"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    guardian_id: str = Field(primary_key=True)
    relation: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    phone: str | None = None
    email: str | None = None
    legal_guardian: bool | None = None
    lives_with: bool | None = None
    primary_contact: bool | None = None


class EnrollmentRow(ImportedRow, table=True):
    """A student's spell at a school.

    Attributes:
        first_day, last_day: the days of membership that follow from all spells of the student, both
            included; no first day where the student never was a member.
    """

    __tablename__ = "enrollment"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    school_id: str = Field(primary_key=True, index=True)
    entry_date: date = Field(primary_key=True)
    school_year: str | None = None
    entry_type: str | None = None
    entry_grade_level: str | None = None
    exit_date: date | None = None
    exit_type: str | None = None
    graduated: bool | None = None
    primary_school: bool | None = None
    full_time_equivalency: float | None = None
    first_day: date | None = None
    last_day: date | None = None


class AttendanceRow(ImportedRow, table=True):
    """A daily attendance event; several categories may stand on one day."""

    __tablename__ = "attendance"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    school_id: str = Field(primary_key=True, index=True)
    event_date: date = Field(primary_key=True)
    category: str = Field(primary_key=True)
    reason: str | None = None
    duration_days: float | None = None


class DisciplineIncidentRow(ImportedRow, table=True):
    """An incident in which the student was an offender."""

    __tablename__ = "discipline_incident"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    incident_id: str = Field(primary_key=True, index=True)
    behavior: str = Field(primary_key=True)
    school_id: str | None = Field(default=None, index=True)
    incident_date: date | None = None


class DisciplineActionRow(ImportedRow, table=True):
    """What was decided about a student after an incident."""

    __tablename__ = "discipline_action"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    action_id: str = Field(primary_key=True)
    action_type: str = Field(primary_key=True)
    action_date: date | None = None
    school_id: str | None = Field(default=None, index=True)
    planned_days: float | None = None
    actual_days: float | None = None


class SectionEnrollmentRow(ImportedRow, table=True):
    """A student's place in a section of a course."""

    __tablename__ = "section_enrollment"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    school_id: str = Field(primary_key=True, index=True)
    section_id: str = Field(primary_key=True)
    begin_date: date = Field(primary_key=True)
    course_code: str | None = None
    course_title: str | None = None
    end_date: date | None = None


class CourseGradeRow(ImportedRow, table=True):
    """A grade: of a transcript, of a grading period, or of one gradebook entry."""

    __tablename__ = "course_grade"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    school_id: str = Field(primary_key=True, index=True)
    course_code: str = Field(primary_key=True)
    term: str = Field(primary_key=True)
    grade_kind: str = Field(primary_key=True)
    course_title: str | None = None
    letter_grade: str | None = None
    numeric_grade: float | None = None
    credits_earned: float | None = None


class AssessmentResultRow(ImportedRow, table=True):
    """A student's result of one administration of an assessment."""

    __tablename__ = "assessment_result"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    result_id: str = Field(primary_key=True)
    assessment_title: str | None = None
    administration_date: date | None = None
    subject: str | None = None
    score_metric: str | None = None
    score: str | None = None
    performance_level: str | None = None


class ProgramParticipationRow(ImportedRow, table=True):
    """A student's time in a program."""

    __tablename__ = "program_participation"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    program_name: str = Field(primary_key=True)
    program_type: str = Field(primary_key=True)
    begin_date: date = Field(primary_key=True)
    end_date: date | None = None


class ServiceEventRow(ImportedRow, table=True):
    """A day on which a program served a student."""

    __tablename__ = "service_event"
    __table_args__ = CLUSTERED

    student_key: int = student_key()
    service_name: str = Field(primary_key=True)
    service_date: date = Field(primary_key=True)
    hours: float | None = None


class IntakeSourceRow(RecordTable, table=True):
    """A source of records, such as one export of one system, by the name it is given here."""

    __tablename__ = "intake_source"

    source_key: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)


class IntakeRunRow(RecordTable, table=True):
    """One intake that was kept. Its number is the records' change sequence."""

    __tablename__ = "intake_run"

    run: int | None = Field(default=None, primary_key=True)
    source_key: int
    format_name: str
    finished_at: int = Field(sa_type=BigInteger)
    position: str | None = None
    report: str


class RemovedRecordRow(RecordTable, table=True):
    """A row that is no more, so that who follows the changes learns of it.

    Attributes:
        natural_key: its key as JSON, the student as `student_key`.
    """

    __tablename__ = "removed_record"

    removal: int | None = Field(default=None, primary_key=True)
    removed_in: int = Field(index=True)
    table_name: str
    student_key: int | None = Field(default=None, sa_type=STUDENT_KEY)
    natural_key: str


class SourceObjectRow(RecordTable, table=True):
    """What a source said that a later change of it builds on; never a password or a number."""

    __tablename__ = "source_object"
    __table_args__ = CLUSTERED

    source_key: int = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    object_id: str = Field(primary_key=True)
    content: str


HOUSEKEEPING = ("intake_source", "intake_run", "removed_record", "source_object")
"""The tables of the intake itself."""

TABLES = {
    name: table for name, table in RecordTable.metadata.tables.items() if name not in HOUSEKEEPING
}
"""Every table of records, by name."""


def housekeeping(name: str) -> Table:
    """A table of the intake itself."""
    return RecordTable.metadata.tables[name]
