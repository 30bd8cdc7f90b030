"""The SQL of what may leave where every element waits for a consent and for nothing else.

Records are joined to the grants valid at one instant: the cheapest way, and the most common.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, FromClause, Select, case, func, literal, select

from homeroom.catalog import SUBJECT_REF
from homeroom.vocabulary import Element
from services.node.store.consent_tables import CONSENT_GRANT
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.datasets import Source
from services.node.store.element_bits import bit_of, mask_of
from services.node.store.grants import of_age, released_to, valid_for
from services.node.store.records.tables import RecordTable
from services.node.store.scope import may_be_at_school, named, rows_in_scope
from services.node.store.shapes import Shape

_STUDENT = RecordTable.metadata.tables["student"]
_GRANT = CONSENT_GRANT.c
_NAME = NAMES.c


def grants_permitted(shape: Shape) -> Select[Any]:
    """Each valid grant: student, name, elements, the records' period, and its consent.

    The name is null where the requester has none for the student yet.
    """
    elements = released_to(shape.recipients)
    of_grants = CONSENT_GRANT.join(_STUDENT, _STUDENT.c.student_key == _GRANT.student_key)
    return (
        select(
            _GRANT.student_key,
            _NAME.subject_ref.label(SUBJECT_REF),
            elements.label("elements"),
            _GRANT.record_from,
            _GRANT.record_to,
            _GRANT.consent_key,
        )
        .select_from(named(of_grants, _GRANT.student_key, shape))
        .where(
            *valid_for(shape.recipients),
            elements.bitwise_and(literal(mask_of(shape.elements))) != 0,
            of_age(),
        )
    )


def students_covered(shape: Shape) -> Select[Any]:
    """The same grants, of students who may be at a school that the selection covers."""
    return grants_permitted(shape).where(*may_be_at_school(shape))


def students_permitted(shape: Shape) -> CTE:
    """The students with a valid grant for all days: key, subject_ref, a flag for each element."""
    valid = grants_permitted(shape).where(_GRANT.record_from.is_(None))
    grants: FromClause = valid.subquery("valid")
    if shape.names_some:
        # By itself it is found by the names. Else SQLite goes through every grant, in the order in
        # which they are to be grouped, and for each through all the names.
        grants = valid.cte("valid").prefix_with("MATERIALIZED")
    return (
        select(
            grants.c.student_key,
            func.min(grants.c.subject_ref).label(SUBJECT_REF),
            *(_flag(grants, element).label(f"e_{element}") for element in elements_in_order(shape)),
        )
        .where(grants.c.subject_ref.is_not(None))
        .group_by(grants.c.student_key)
        .cte("permitted")
    )


def rows_permitted(shape: Shape, source: Source) -> Select[Any]:
    """The rows that may leave; a value that its family has not allowed is null."""
    permitted = students_permitted(shape)
    columns = [
        case((permitted.c[f"e_{column.element}"] == 1, source.column(column.name))).label(
            column.name
        )
        for column in shape.dataset.columns_of(shape.elements)
    ]
    statement = rows_in_scope(select(permitted.c.subject_ref, *columns), permitted, shape, source)
    if shape.dataset.row_element is not None:
        statement = statement.where(permitted.c[f"e_{shape.dataset.row_element}"] == 1)
    return statement


def elements_in_order(shape: Shape) -> Sequence[Element]:
    """The selected elements as the catalog lists them."""
    return [e for e in shape.dataset.elements if e in shape.elements]


def _flag(grants: FromClause, element: Element) -> ColumnElement[int]:
    has = grants.c.elements.bitwise_and(literal(bit_of(element))) != 0
    return func.max(case((has, 1), else_=0))
