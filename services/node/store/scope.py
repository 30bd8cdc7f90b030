"""The SQL of a selection's scope: whose name, at which schools, about which days."""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, func, literal, or_

from homeroom.question import Period
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.datasets import Source
from services.node.store.lists import one_listed
from services.node.store.records.tables import RecordTable
from services.node.store.shapes import FIRST_DAY, LAST_DAY, RECIPIENT, SUBJECT_REFS, Shape

_STUDENT = RecordTable.metadata.tables["student"]
_NAME = NAMES.c


def named(students: FromClause, student_key: ColumnElement[int], shape: Shape) -> FromClause:
    """Joins the name that is in use, which may be none yet; or the one that is asked for."""
    this = and_(_NAME.recipient == RECIPIENT, _NAME.student_key == student_key)
    if not shape.names_some:
        return students.outerjoin(NAMES, and_(this, _NAME.in_use))
    asked = one_listed(_NAME.subject_ref, SUBJECT_REFS)
    return students.join(NAMES, and_(this, asked, _NAME.retired_at.is_(None)))


def may_be_at_school(shape: Shape) -> list[ColumnElement[bool]]:
    """That a student may be at a school that the selection covers: some rows name their own."""
    schools = shape.schools.only
    if schools is None:
        return []
    school = _STUDENT.c.school_id
    return [or_(school.is_(None), school.in_(sorted(schools)))]


def rows_in_scope(
    statement: Select[Any], allowed: FromClause, shape: Shape, source: Source
) -> Select[Any]:
    """Joins the rows of some students, of the schools and the days that are asked for."""
    statement = (
        statement.select_from(allowed)
        .join(source.table, source.table.c.student_key == allowed.c.student_key)
        .where(source.where, *_in_scope(shape, source), *_in_period(shape, source))
    )
    if source.table is not _STUDENT:
        statement = statement.join(_STUDENT, _STUDENT.c.student_key == allowed.c.student_key)
    return statement


def within(
    source: Source, first: ColumnElement[Any], last: ColumnElement[Any], shape: Shape
) -> ColumnElement[bool]:
    """Whether a row is about a day of a period, or only about such days if it sums them up."""
    if source.first_day is None:
        return and_(first <= FIRST_DAY, last >= LAST_DAY)
    if source.summed and source.last_day is not None:
        return and_(source.first_day >= first, source.last_day <= last)
    return _about(source, first, last)


def _in_scope(shape: Shape, source: Source) -> list[ColumnElement[bool]]:
    """Keeps rows of covered schools, about students who are at one now.

    A row that names its school decides by it where the student's present school is not known.
    """
    schools = shape.schools.only
    if schools is None:
        return []
    listed = sorted(schools)
    if source.school is None or source.table is _STUDENT:
        return [_STUDENT.c.school_id.in_(listed)]
    present = func.coalesce(_STUDENT.c.school_id, source.school)
    return [source.school.in_(listed), present.in_(listed)]


def about_period(source: Source, period: Period | None) -> list[ColumnElement[bool]]:
    """That a row is about some day of a period."""
    if period is None or source.first_day is None:
        return []
    return [_about(source, literal(period.start_date), literal(period.end_date))]


def _in_period(shape: Shape, source: Source) -> list[ColumnElement[bool]]:
    if not shape.has_period or source.first_day is None:
        # A dataset without days says what is so now; only flags are told as of the period's end.
        return []
    return [_about(source, FIRST_DAY, LAST_DAY)]


def _about(
    source: Source, start: ColumnElement[Any], end: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a row's days and a period have one in common."""
    first, last = source.first_day, source.last_day
    if last is None or first is last:
        return and_(first >= start, first <= end)
    return and_(first <= end, or_(last.is_(None), last >= start))
