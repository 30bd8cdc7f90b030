"""Cuts what a statement names into lists that every database takes."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Boolean, ColumnElement, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.visitors import InternalTraversal

IN_LIST = 500
"""How many values one statement names: below every database's limit of parameters."""

T = TypeVar("T")


def in_lists(values: Iterable[T], at_once: int = IN_LIST) -> Iterator[list[T]]:
    """The values, some at a time."""
    remaining = iter(values)
    while some := list(islice(remaining, at_once)):
        yield some


class _Among(ColumnElement[bool]):
    """That a column has one of many values, which stand in one parameter."""

    inherit_cache = True
    type = Boolean()
    # Else SQLite is asked whether the condition equals 1, and reads the whole table to find out.
    _is_implicitly_boolean = True
    # What tells two such conditions apart, so that each is compiled once and not for each list.
    _traverse_internals = [  # noqa: RUF012  # SQLAlchemy declares it as an instance's
        ("column", InternalTraversal.dp_clauseelement),
        ("listed", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[Any], values: ColumnElement[str]) -> None:
        self.column = column
        self.listed = values


def among(column: ColumnElement[str], values: Sequence[str]) -> ColumnElement[bool]:
    """That a column has one of some texts, however many: each parameter costs time to write."""
    return column.in_(values) if len(values) <= IN_LIST else one_of(column, values)


def one_of(column: ColumnElement[Any], values: Iterable[str | int]) -> ColumnElement[bool]:
    """That a column has one of some texts or numbers: one statement, whatever their number.

    For what is asked thousands of times; a few values that seldom change are quicker apart.
    """
    return one_listed(column, literal(listed(values)))


def one_listed(column: ColumnElement[Any], values: ColumnElement[str]) -> ColumnElement[bool]:
    """That a column has one of the texts or numbers that `listed` made one text of."""
    return _Among(column, values)


def listed(values: Iterable[str | int]) -> str:
    """Many texts or numbers as one parameter."""
    return json.dumps(list(values))


@compiles(_Among, "sqlite")
def _in_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, listed = (compiler.process(e, **options) for e in (element.column, element.listed))
    return f"{column} IN (SELECT value FROM json_each({listed}))"  # noqa: S608  # written by SQLAlchemy


@compiles(_Among, "postgresql")
def _in_postgres(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, listed = (compiler.process(e, **options) for e in (element.column, element.listed))
    kind = element.column.type.compile(dialect=compiler.dialect)
    values = f"CAST(json_array_elements_text(CAST({listed} AS json)) AS {kind})"
    return f"{column} IN (SELECT {values})"
