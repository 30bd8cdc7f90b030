"""The SQL of consents' grants: which are valid at one instant, and what they release.

A grant serves its recipient, or every organization of its class; while the student is of the age
that the grant asks for, by the birth date in the records at this moment.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select

from services.node.domain.consents import AgeRule
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT, CONSENT_WITHDRAWAL
from services.node.store.element_bits import mask_of
from services.node.store.records.tables import RecordTable
from services.node.store.shapes import (
    ADULTS_BORN_BY,
    AGREEMENT,
    INSTANT,
    PURPOSE,
    Recipient,
    Shape,
)

_STUDENT = RecordTable.metadata.tables["student"]
_GRANT = CONSENT_GRANT.c

# Any day at all: said as a range, for SQLite looks into the index of these few grants only then,
# and else goes through every grant that the recipient has.
_FOR_SOME_DAYS = _GRANT.record_from >= literal(dt.date.min)


def valid_for(recipients: Sequence[Recipient]) -> list[ColumnElement[bool]]:
    """That a grant is for one of some recipients, and counts for its student at the instant."""
    return [
        _GRANT.recipient.in_(recipients),
        _GRANT.purpose == PURPOSE,
        _GRANT.agreement_id.in_([literal(""), AGREEMENT]),
        _GRANT.valid_from <= INSTANT,
        _GRANT.valid_to > INSTANT,
    ]


def released_to(recipients: Sequence[Recipient]) -> ColumnElement[int]:
    """What a grant releases to an organization, by its own name and then those of its classes.

    A class may serve it less than its other members.
    """
    if len(recipients) == 1:
        return _GRANT.elements.expression
    taken = (
        select(CONSENT_WITHDRAWAL.c.elements)
        .join(CONSENT, CONSENT.c.consent_id == CONSENT_WITHDRAWAL.c.consent_id)
        .where(
            CONSENT.c.consent_key == _GRANT.consent_key,
            CONSENT_WITHDRAWAL.c.recipient == recipients[0],
        )
        .scalar_subquery()
    )
    return _GRANT.elements.bitwise_and(func.coalesce(taken, 0).bitwise_not())


def of_age() -> ColumnElement[bool]:
    """That the student is of the age that the grant asks for."""
    grown, born = ADULTS_BORN_BY, _STUDENT.c.birth_date
    return or_(
        _GRANT.age_rule == int(AgeRule.NONE),
        and_(_GRANT.age_rule == int(AgeRule.MINOR), born > grown),
        and_(_GRANT.age_rule == int(AgeRule.OF_AGE), born <= grown),
    )


def limited_by_period(shape: Shape) -> Select[Any]:
    """Whether any grant that may count is for the records of some days only."""
    return select(
        exists().where(
            _FOR_SOME_DAYS,
            _GRANT.recipient.in_([*shape.recipients, *sorted(shape.onward_to)]),
            _GRANT.purpose == PURPOSE,
        )
    )


def windows_of(shape: Shape) -> Select[Any]:
    """Each valid grant for the records of some days: student, recipient, elements, both days."""
    recipients = shape.recipients
    onward = sorted(shape.onward_to)
    needed = literal(mask_of(shape.elements_and_sources))
    return (
        select(
            _GRANT.student_key,
            _GRANT.recipient,
            _GRANT.elements.bitwise_and(needed).label("elements"),
            _GRANT.record_from,
            _GRANT.record_to,
        )
        .join(_STUDENT, _STUDENT.c.student_key == _GRANT.student_key)
        .where(
            *valid_for([*recipients, *onward]),
            _FOR_SOME_DAYS,
            _GRANT.elements.bitwise_and(needed) != 0,
            of_age(),
        )
    )
