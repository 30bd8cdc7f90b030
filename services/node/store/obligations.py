"""The SQL of what goes with a record that calls for it, sealed with its row."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, func, literal, null, or_, select

from homeroom.catalog import OBLIGATIONS, STATEMENT
from homeroom.vocabulary import Element, Obligation
from services.node.store.conditions import homeless
from services.node.store.records.tables import RecordTable
from services.node.store.shapes import Shape

_STUDENT = RecordTable.metadata.tables["student"].c
_SAID = RecordTable.metadata.tables["contested_statement"].c
_BETWEEN = "; "

OF_ROWS = frozenset({Obligation.ATTACH_CONTESTED_STATEMENT, Obligation.ENROLL_WITHOUT_WAITING})
"""The obligations that go with single records."""

Flags = Mapping[Element, ColumnElement[bool]]


def obligation_columns(shape: Shape, flags: Flags) -> list[ColumnElement[Any]]:
    """The words of the obligations of a row, and the statement on file about what it releases.

    None where the decision asks for none.
    """
    if not shape.row_obligations:
        return []
    statement = _statement(flags)
    calls: dict[Obligation, ColumnElement[bool]] = {
        Obligation.ATTACH_CONTESTED_STATEMENT: statement.is_not(None),
        Obligation.ENROLL_WITHOUT_WAITING: homeless(),
    }
    words = [
        case((calls[word], f"{word};"), else_="")
        for word in sorted(shape.row_obligations & OF_ROWS)
    ]
    joined: ColumnElement[str] = literal("", String)
    for word in words:
        joined = joined.concat(word)
    attached = Obligation.ATTACH_CONTESTED_STATEMENT in shape.row_obligations
    return [
        func.nullif(func.rtrim(joined, ";"), "").label(OBLIGATIONS),
        (statement if attached else null()).label(STATEMENT),
    ]


def students_calling(shape: Shape, word: Obligation) -> Select[Any]:
    """The students whose records call for an obligation, whoever is covered."""
    if word is Obligation.ATTACH_CONTESTED_STATEMENT:
        released = sorted(element.value for element in shape.elements)
        return select(_SAID.student_key).where(_SAID.element.in_(released)).distinct()
    return select(_STUDENT.student_key).where(homeless())


def _statement(flags: Flags) -> ColumnElement[Any]:
    """Every statement on an element that the row releases, joined; null if there is none."""
    about_released = or_(*[and_(_SAID.element == e.value, flag) for e, flag in flags.items()])
    return (
        select(func.aggregate_strings(func.coalesce(_SAID.statement, ""), _BETWEEN))
        .where(_SAID.student_key == _STUDENT.student_key, about_released)
        .correlate_except(_SAID.element.table)
        .scalar_subquery()
    )
