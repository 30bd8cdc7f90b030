"""Checks a view against the catalog: that it gives exactly the columns, of the right kinds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, literal_column, select

from homeroom.catalog import ValueKind
from homeroom.errors import ServiceUnreachableError
from services.node.store.views.definitions import STUDENT_ID, View
from services.node.store.views.organization import OrganizationDatabase
from services.node.store.views.values import WrongValue, read_as

_ROWS_LOOKED_AT = 1_000

# What PostgreSQL numbers the types that a column of each kind may have.
_INTEGERS = frozenset({20, 21, 23})
_TYPES: Mapping[ValueKind, frozenset[int]] = {
    ValueKind.TEXT: frozenset({25, 1043}),
    ValueKind.DATE: frozenset({1082}),
    ValueKind.INTEGER: _INTEGERS,
    ValueKind.NUMBER: _INTEGERS | {700, 701, 1700},
    ValueKind.BOOLEAN: frozenset({16}),
}


def problems_of(view: View, database: OrganizationDatabase) -> Sequence[str]:
    """What is wrong with a view, in words that name columns and never a value.

    Raises:
        ServiceUnreachableError: if the database does not answer even the simplest question.
    """
    with database.reading() as connection:
        connection.execute(select(literal_column("1")))
    try:
        given, types, rows = _looked_at(view, database)
    except ServiceUnreachableError:
        return ["the database does not run it: try it there, as the node's own user"]
    wanted = {STUDENT_ID: ValueKind.TEXT, **dict(view.columns)}
    problems = [f"{name} is missing" for name in wanted if name not in given]
    problems += [f"{name} is no column of the dataset" for name in given if name not in wanted]
    problems += [f"{name} is given twice" for name, count in Counter(given).items() if count > 1]
    if problems:
        return problems
    if database.keeps_types:
        wrong = {
            name for name, type_ in zip(given, types, strict=True) if not _is(wanted[name], type_)
        }
    else:
        wrong = {name for place, name in enumerate(given) if _any_wrong(wanted[name], place, rows)}
    place = given.index(STUDENT_ID)
    nameless = any(row[place] is None for row in rows)
    return [
        *(f"{name} is no {wanted[name]}" for name in given if name in wrong),
        *([f"{STUDENT_ID} is null in some row"] if nameless else []),
    ]


def _looked_at(
    view: View, database: OrganizationDatabase
) -> tuple[list[str], list[Any], Sequence[Sequence[Any]]]:
    """The names and types of its columns, and its first rows."""
    # Named by the file alone: nothing is asked for that might not be there.
    viewed = view.statement.columns().subquery("viewed")
    chosen: Select[Any] = select(literal_column("*")).select_from(viewed).limit(_ROWS_LOOKED_AT)
    with database.reading() as connection:
        cursor = connection.execute(chosen)
        described = cursor.cursor.description or ()
        names, types = [column[0] for column in described], [column[1] for column in described]
        return names, types, [tuple(row) for row in cursor.fetchall()]


def _is(kind: ValueKind, number: Any) -> bool:
    return number in _TYPES[kind]


def _any_wrong(kind: ValueKind, place: int, rows: Sequence[Sequence[Any]]) -> bool:
    read = read_as(kind)
    try:
        for row in rows:
            read(row[place])
    except WrongValue:
        return True
    return False
