"""The SQL of what may leave: records joined to the grants valid at one instant.

A grant serves its recipient, or every organization of its class; while the student is of the age
that the grant asks for, by the birth date in the records at this moment.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from homeroom.catalog import SUBJECT_REF
from homeroom.vocabulary import Element
from services.node.domain.consents import AgeRule, adults_born_by
from services.node.domain.selection import Selection
from services.node.store.consent_tables import (
    CONSENT,
    CONSENT_GRANT,
    CONSENT_WITHDRAWAL,
)
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.datasets import SOURCES, Source
from services.node.store.element_bits import bit_of, mask_of
from services.node.store.lists import among
from services.node.store.records.tables import RecordTable

_STUDENT = RecordTable.metadata.tables["student"]
_GRANT = CONSENT_GRANT.c
_NAME = NAMES.c


def grants_permitted(selection: Selection) -> Select[Any]:
    """Each valid grant: student, name, elements, and the records' period.

    The name is null where the requester has none for the student yet.
    """
    instant = int(selection.instant.timestamp())
    elements = _elements_of(selection)
    of_grants = CONSENT_GRANT.join(_STUDENT, _STUDENT.c.student_key == _GRANT.student_key)
    return (
        select(
            _GRANT.student_key,
            _NAME.subject_ref.label(SUBJECT_REF),
            elements.label("elements"),
            _GRANT.record_from,
            _GRANT.record_to,
        )
        .select_from(_named(of_grants, selection))
        .where(
            _GRANT.recipient.in_(selection.recipients),
            _GRANT.purpose == selection.purpose,
            _GRANT.agreement_id.in_(["", selection.agreement_id]),
            _GRANT.valid_from <= instant,
            _GRANT.valid_to > instant,
            elements.bitwise_and(literal(mask_of(selection.elements))) != 0,
            _of_age(selection.instant.date()),
        )
    )


def students_covered(selection: Selection) -> Select[Any]:
    """The same grants, of students who may be at a school that the selection covers."""
    statement, schools = grants_permitted(selection), selection.schools.only
    if schools is None:
        return statement
    school = _STUDENT.c.school_id
    return statement.where(or_(school.is_(None), school.in_(sorted(schools))))


def limited_by_period(selection: Selection) -> Select[Any]:
    """Whether any of the requester's grants is for the records of some days only."""
    return select(
        exists().where(
            _GRANT.record_from.is_not(None),
            _GRANT.recipient.in_(selection.recipients),
            _GRANT.purpose == selection.purpose,
        )
    )


def students_permitted(selection: Selection) -> CTE:
    """The students with a valid grant for all days: key, subject_ref, a flag for each element."""
    grants = grants_permitted(selection).where(_GRANT.record_from.is_(None)).subquery("valid")
    return (
        select(
            grants.c.student_key,
            func.min(grants.c.subject_ref).label(SUBJECT_REF),
            *(
                _flag(grants, element).label(f"e_{element}")
                for element in elements_in_order(selection)
            ),
        )
        .where(grants.c.subject_ref.is_not(None))
        .group_by(grants.c.student_key)
        .cte("permitted")
    )


def rows_permitted(selection: Selection) -> Select[Any]:
    """The rows that may leave; a value that its family has not allowed is null."""
    source = SOURCES[selection.dataset.name]
    permitted = students_permitted(selection)
    columns = [
        case((permitted.c[f"e_{column.element}"] == 1, source.column(column.name))).label(
            column.name
        )
        for column in selection.dataset.columns_of(selection.elements)
    ]
    statement = _rows(select(permitted.c.subject_ref, *columns), permitted, selection, source)
    if selection.dataset.row_element is not None:
        statement = statement.where(permitted.c[f"e_{selection.dataset.row_element}"] == 1)
    return statement


def rows_permitted_by_period(selection: Selection) -> Select[Any]:
    """The same rows, where a grant may be for the records of some days only.

    Each row is looked at with every grant of its student: dearer, and so for this case alone.
    """
    source = SOURCES[selection.dataset.name]
    grants = grants_permitted(selection).subquery("valid")
    columns = [
        case((_flag(grants, column.element) == 1, source.column(column.name))).label(column.name)
        for column in selection.dataset.columns_of(selection.elements)
    ]
    name = func.min(grants.c.subject_ref).label(SUBJECT_REF)
    statement = (
        _rows(select(name, *columns), grants, selection, source)
        .where(
            grants.c.subject_ref.is_not(None),
            or_(grants.c.record_from.is_(None), _in_records(grants, selection, source)),
        )
        .group_by(source.table.c.student_key, *source.key)
    )
    if selection.dataset.row_element is not None:
        statement = statement.having(_flag(grants, selection.dataset.row_element) == 1)
    return statement


def elements_in_order(selection: Selection) -> Sequence[Element]:
    """The selected elements as the catalog lists them."""
    return [e for e in selection.dataset.elements if e in selection.elements]


def _named(grants: FromClause, selection: Selection) -> FromClause:
    """Joins the name that is in use, which may be none yet; or the one that is asked for."""
    this = and_(_NAME.recipient == selection.recipient, _NAME.student_key == _GRANT.student_key)
    if selection.subject_refs is None:
        return grants.outerjoin(NAMES, and_(this, _NAME.in_use))
    asked = among(_NAME.subject_ref, selection.subject_refs)
    return grants.join(NAMES, and_(this, asked, _NAME.retired_at.is_(None)))


def _rows(
    statement: Select[Any], allowed: FromClause, selection: Selection, source: Source
) -> Select[Any]:
    statement = (
        statement.select_from(allowed)
        .join(source.table, source.table.c.student_key == allowed.c.student_key)
        .where(source.where, *_in_scope(selection, source), *_in_period(selection, source))
    )
    if source.table is not _STUDENT:
        statement = statement.join(_STUDENT, _STUDENT.c.student_key == allowed.c.student_key)
    return statement


def _flag(grants: FromClause, element: Element) -> ColumnElement[int]:
    has = grants.c.elements.bitwise_and(literal(bit_of(element))) != 0
    return func.max(case((has, 1), else_=0))


def _elements_of(selection: Selection) -> ColumnElement[int]:
    """What a grant releases to the requester; a class may serve it less than its other members."""
    if len(selection.recipients) == 1:
        return _GRANT.elements.expression
    taken = (
        select(CONSENT_WITHDRAWAL.c.elements)
        .join(CONSENT, CONSENT.c.consent_id == CONSENT_WITHDRAWAL.c.consent_id)
        .where(
            CONSENT.c.consent_key == _GRANT.consent_key,
            CONSENT_WITHDRAWAL.c.recipient == selection.recipient,
        )
        .scalar_subquery()
    )
    return _GRANT.elements.bitwise_and(func.coalesce(taken, 0).bitwise_not())


def _of_age(today: dt.date) -> ColumnElement[bool]:
    grown, born = adults_born_by(today), _STUDENT.c.birth_date
    return or_(
        _GRANT.age_rule == int(AgeRule.NONE),
        and_(_GRANT.age_rule == int(AgeRule.MINOR), born > grown),
        and_(_GRANT.age_rule == int(AgeRule.OF_AGE), born <= grown),
    )


def _in_scope(selection: Selection, source: Source) -> list[ColumnElement[bool]]:
    """Keeps rows of covered schools, about students who are at one now.

    A row that names its school decides by it where the student's present school is not known.
    """
    schools = selection.schools.only
    if schools is None:
        return []
    named = sorted(schools)
    if source.school is None or source.table is _STUDENT:
        return [_STUDENT.c.school_id.in_(named)]
    present = func.coalesce(_STUDENT.c.school_id, source.school)
    return [source.school.in_(named), present.in_(named)]


def _in_period(selection: Selection, source: Source) -> list[ColumnElement[bool]]:
    period = selection.period
    if period is None or source.first_day is None:
        # A dataset without days says what is so now, whatever the period.
        return []
    return [_about(source, literal(period.start_date), literal(period.end_date))]


def _in_records(grants: FromClause, selection: Selection, source: Source) -> ColumnElement[bool]:
    """Whether a row is about a day that the grant's family released."""
    first, last = grants.c.record_from, grants.c.record_to
    if source.first_day is None:
        today = selection.instant.date()
        return and_(first <= today, last >= today)
    return _about(source, first, last)


def _about(
    source: Source, start: ColumnElement[Any], end: ColumnElement[Any]
) -> ColumnElement[bool]:
    """Whether a row's days and a period have one in common."""
    first, last = source.first_day, source.last_day
    if last is None or first is last:
        return and_(first >= start, first <= end)
    return and_(first <= end, or_(last.is_(None), last >= start))
