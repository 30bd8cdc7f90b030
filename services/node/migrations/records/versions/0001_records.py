"""The tables of the records."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A number of a student; SQLite counts up only a plain INTEGER.
STUDENT_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _imported() -> list["sa.Column[object]"]:
    """What every imported row says of itself."""
    return [
        sa.Column("changed_in", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("source_key", sa.Integer(), nullable=False, server_default="0"),
    ]


def _of_student() -> "sa.Column[object]":
    """The student that a row is about."""
    return sa.Column(
        "student_key", STUDENT_KEY, sa.ForeignKey("student.student_key"), primary_key=True
    )


def upgrade() -> None:
    """Makes the tables."""
    _make_schools()
    _make_students()
    _make_events()
    _make_courses()
    _make_documents()
    _make_housekeeping()


def _make_schools() -> None:
    op.create_table(
        "school",
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("attendance_kind", sa.String(), nullable=True),
        sa.Column("last_reported_date", sa.Date(), nullable=True),
        *_imported(),
    )
    op.create_table(
        "session",
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("session_name", sa.String(), primary_key=True),
        sa.Column("school_year", sa.String(), primary_key=True),
        sa.Column("begin_date", sa.Date(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("instructional_days", sa.Integer(), nullable=True),
        *_imported(),
    )
    op.create_table(
        "calendar_date",
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("calendar_date", sa.Date(), primary_key=True),
        sa.Column("instructional", sa.Boolean(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )


def _make_students() -> None:
    op.create_table(
        "student",
        sa.Column("student_key", STUDENT_KEY, primary_key=True),
        sa.Column("student_id", sa.String(), nullable=False, unique=True),
        sa.Column("state_id", sa.String(), nullable=True),
        sa.Column("given_name", sa.String(), nullable=True),
        sa.Column("middle_name", sa.String(), nullable=True),
        sa.Column("family_name", sa.String(), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("gender", sa.String(), nullable=True),
        sa.Column("races", sa.String(), nullable=True),
        sa.Column("hispanic", sa.Boolean(), nullable=True),
        sa.Column("grade_level", sa.String(), nullable=True),
        sa.Column("english_learner", sa.Boolean(), nullable=True),
        sa.Column("special_education", sa.Boolean(), nullable=True),
        sa.Column("homeless", sa.Boolean(), nullable=True),
        sa.Column("nighttime_residence", sa.String(), nullable=True),
        sa.Column("foster_care", sa.Boolean(), nullable=True),
        sa.Column("lunch_eligibility", sa.String(), nullable=True),
        sa.Column("school_id", sa.String(), nullable=True),
        *(
            sa.Column(name, sa.String(), nullable=True)
            for name in ("street_address", "city", "state", "postal_code")
        ),
        *(sa.Column(name, sa.String(), nullable=True) for name in ("phone", "email", "photo")),
        sa.Column("household_income", sa.Float(), nullable=True),
        *_imported(),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "student_status",
        _of_student(),
        sa.Column("status", sa.String(), primary_key=True),
        sa.Column("begin_date", sa.Date(), primary_key=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "guardian",
        _of_student(),
        sa.Column("guardian_id", sa.String(), primary_key=True),
        sa.Column("relation", sa.String(), nullable=True),
        sa.Column("given_name", sa.String(), nullable=True),
        sa.Column("family_name", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("legal_guardian", sa.Boolean(), nullable=True),
        sa.Column("lives_with", sa.Boolean(), nullable=True),
        sa.Column("primary_contact", sa.Boolean(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "enrollment",
        _of_student(),
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("entry_date", sa.Date(), primary_key=True),
        sa.Column("school_year", sa.String(), nullable=True),
        sa.Column("entry_type", sa.String(), nullable=True),
        sa.Column("entry_grade_level", sa.String(), nullable=True),
        sa.Column("exit_date", sa.Date(), nullable=True),
        sa.Column("exit_type", sa.String(), nullable=True),
        sa.Column("graduated", sa.Boolean(), nullable=True),
        sa.Column("primary_school", sa.Boolean(), nullable=True),
        sa.Column("full_time_equivalency", sa.Float(), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_student_school_id", "student", ["school_id"])
    op.create_index("ix_enrollment_school_id", "enrollment", ["school_id"])


def _make_events() -> None:
    op.create_table(
        "attendance",
        _of_student(),
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("event_date", sa.Date(), primary_key=True),
        sa.Column("category", sa.String(), primary_key=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("duration_days", sa.Float(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "discipline_incident",
        _of_student(),
        sa.Column("incident_id", sa.String(), primary_key=True),
        sa.Column("behavior", sa.String(), primary_key=True),
        sa.Column("school_id", sa.String(), nullable=True),
        sa.Column("incident_date", sa.Date(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "discipline_action",
        _of_student(),
        sa.Column("action_id", sa.String(), primary_key=True),
        sa.Column("action_type", sa.String(), primary_key=True),
        sa.Column("action_date", sa.Date(), nullable=True),
        sa.Column("school_id", sa.String(), nullable=True),
        sa.Column("planned_days", sa.Float(), nullable=True),
        sa.Column("actual_days", sa.Float(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attendance_school_id", "attendance", ["school_id"])
    op.create_index("ix_discipline_incident_school_id", "discipline_incident", ["school_id"])
    op.create_index("ix_discipline_action_school_id", "discipline_action", ["school_id"])
    op.create_index("ix_discipline_incident_incident_id", "discipline_incident", ["incident_id"])


def _make_courses() -> None:
    op.create_table(
        "section_enrollment",
        _of_student(),
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("section_id", sa.String(), primary_key=True),
        sa.Column("begin_date", sa.Date(), primary_key=True),
        sa.Column("course_code", sa.String(), nullable=True),
        sa.Column("course_title", sa.String(), nullable=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "course_grade",
        _of_student(),
        sa.Column("school_id", sa.String(), primary_key=True),
        sa.Column("course_code", sa.String(), primary_key=True),
        sa.Column("term", sa.String(), primary_key=True),
        sa.Column("grade_kind", sa.String(), primary_key=True),
        sa.Column("course_title", sa.String(), nullable=True),
        sa.Column("letter_grade", sa.String(), nullable=True),
        sa.Column("numeric_grade", sa.Float(), nullable=True),
        sa.Column("credits_earned", sa.Float(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "assessment_result",
        _of_student(),
        sa.Column("result_id", sa.String(), primary_key=True),
        sa.Column("assessment_title", sa.String(), nullable=True),
        sa.Column("administration_date", sa.Date(), nullable=True),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("score_metric", sa.String(), nullable=True),
        sa.Column("score", sa.String(), nullable=True),
        sa.Column("performance_level", sa.String(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "program_participation",
        _of_student(),
        sa.Column("program_name", sa.String(), primary_key=True),
        sa.Column("program_type", sa.String(), primary_key=True),
        sa.Column("begin_date", sa.Date(), primary_key=True),
        sa.Column("end_date", sa.Date(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "service_event",
        _of_student(),
        sa.Column("service_name", sa.String(), primary_key=True),
        sa.Column("service_date", sa.Date(), primary_key=True),
        sa.Column("hours", sa.Float(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_section_enrollment_school_id", "section_enrollment", ["school_id"])
    op.create_index("ix_course_grade_school_id", "course_grade", ["school_id"])


def _make_documents() -> None:
    op.create_table(
        "gpa",
        _of_student(),
        sa.Column("school_year", sa.String(), primary_key=True),
        sa.Column("term", sa.String(), primary_key=True),
        sa.Column("weighted", sa.Boolean(), primary_key=True),
        sa.Column("grade_point_average", sa.Float(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "document",
        _of_student(),
        sa.Column("document_id", sa.String(), primary_key=True),
        sa.Column("element", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("document_date", sa.Date(), nullable=True),
        sa.Column("text", sa.String(), nullable=True),
        sa.Column("concerns_others", sa.Boolean(), nullable=True),
        sa.Column("survey_consent", sa.String(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "directory_opt_out",
        _of_student(),
        sa.Column("element", sa.String(), primary_key=True),
        *_imported(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "contested_statement",
        _of_student(),
        sa.Column("element", sa.String(), primary_key=True),
        sa.Column("filed_on", sa.Date(), primary_key=True),
        sa.Column("statement", sa.String(), nullable=True),
        *_imported(),
        sqlite_with_rowid=False,
    )


def _make_housekeeping() -> None:
    op.create_table(
        "intake_source",
        sa.Column("source_key", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False, unique=True),
    )
    op.create_table(
        "intake_run",
        sa.Column("run", sa.Integer(), primary_key=True),
        sa.Column("source_key", sa.Integer(), nullable=False),
        sa.Column("format_name", sa.String(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.String(), nullable=True),
        sa.Column("report", sa.String(), nullable=False),
    )
    op.create_table(
        "removed_record",
        sa.Column("removal", sa.Integer(), primary_key=True),
        sa.Column("removed_in", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.String(), nullable=False),
        sa.Column("student_key", STUDENT_KEY, nullable=True),
        sa.Column("natural_key", sa.String(), nullable=False),
    )
    op.create_table(
        "source_object",
        sa.Column("source_key", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("object_id", sa.String(), primary_key=True),
        sa.Column("content", sa.String(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_removed_record_removed_in", "removed_record", ["removed_in"])
