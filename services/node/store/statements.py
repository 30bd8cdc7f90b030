"""The statements that answers are read by, each written once for all selections of one shape."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, select

from homeroom.vocabulary import Obligation
from services.node.domain.selection import Selection
from services.node.store.conditional import (
    rows_conditional,
    rows_withheld,
    students_conditional,
    withholds_rows,
)
from services.node.store.datasets import SOURCES, Source, days_of
from services.node.store.extracted import rows_of_everyone
from services.node.store.grants import limited_by_period, windows_of
from services.node.store.obligations import students_calling
from services.node.store.permitted import grants_permitted, rows_permitted, students_covered
from services.node.store.reading import Compiled, ReadDatabases, Written
from services.node.store.records.tables import RecordTable
from services.node.store.shapes import Shape, shape_of, values_of
from services.node.store.views import Views

_KEPT = 512
_STUDENT = RecordTable.metadata.tables["student"].c

Writer = Callable[..., Select[Any]]
"""Writes a statement from a shape, the source of its rows, and what else tells it apart."""


class Statements:
    """Writes what is asked of a node's databases for a selection."""

    def __init__(self, databases: ReadDatabases, views: Views) -> None:
        self._databases = databases
        self._views = views
        self._written = lru_cache(_KEPT)(self._write)

    def source(self, dataset: str) -> Source:
        """Where the rows stand: in the node, or in a view of the organization's own database."""
        view = self._views.of(dataset)
        return SOURCES[dataset] if view is None else view.source

    def rows(self, selection: Selection, *, limited: bool) -> Compiled:
        """The rows that may leave; `limited` says that some grant is for certain days only."""
        if selection.plain and not limited and not selection.row_obligations:
            return self._asked(rows_permitted, selection)
        return self._asked(_rows_conditional, selection, limited)

    def rows_of_everyone(self, selection: Selection) -> Compiled:
        """Every row in the scope, after its student's key."""
        return self._asked(rows_of_everyone, selection)

    def students(self, selection: Selection) -> Compiled:
        """Who is covered: grants, or students with their elements as one number."""
        return self._asked(_students, selection, selection.plain)

    def ids_of_students(self, selection: Selection) -> Compiled:
        """How the organization names those of whom a row may leave, with their keys."""
        return self._asked(_ids_of_students, selection, selection.plain)

    def ids_of_everyone(self, selection: Selection) -> Compiled:
        """The same of all its students."""
        return self._asked(_ids_of_everyone, selection)

    def withheld(self, selection: Selection) -> Compiled | None:
        """The rows that a condition on rows withholds; None if there is no such condition."""
        shape = shape_of(selection)
        if not withholds_rows(shape, self.source(shape.dataset_name)):
            return None
        return self._asked(rows_withheld, selection)

    def limited(self, selection: Selection) -> Compiled:
        """Whether any grant that may count is for the records of some days only."""
        return self._asked(_limited, selection)

    def windows(self, selection: Selection) -> Compiled:
        """Each valid grant for the records of some days."""
        return self._asked(_windows, selection)

    def grants(self, selection: Selection) -> Compiled:
        """Each valid grant."""
        return self._asked(_grants, selection)

    def calling(self, selection: Selection, word: Obligation) -> Compiled:
        """The students whose records call for an obligation."""
        return self._asked(_calling, selection, word)

    def _asked(self, writer: Writer, selection: Selection, *more: object) -> Compiled:
        written = self._written(writer, shape_of(selection), *more)
        return written.asked_with({**values_of(selection), **days_of(selection)})

    def _write(self, writer: Writer, shape: Shape, *more: object) -> Written:
        return self._databases.written(writer(shape, self.source(shape.dataset_name), *more))


def _rows_conditional(shape: Shape, source: Source, limited: bool) -> Select[Any]:
    return rows_conditional(shape, source, limited=limited)


def _students(shape: Shape, source: Source, plain: bool) -> Select[Any]:
    return students_covered(shape) if plain else students_conditional(shape, source)


def _ids_of_students(shape: Shape, source: Source, plain: bool) -> Select[Any]:
    covered = _students(shape, source, plain).subquery("covered_student")
    named = covered.c.subject_ref.is_not(None)
    return ids_among(select(covered.c.student_key).where(named).distinct())


def _ids_of_everyone(shape: Shape, source: Source) -> Select[Any]:
    del shape, source
    return select(_STUDENT.student_id, _STUDENT.student_key)


def _limited(shape: Shape, source: Source) -> Select[Any]:
    del source
    return limited_by_period(shape)


def _windows(shape: Shape, source: Source) -> Select[Any]:
    del source
    return windows_of(shape)


def _grants(shape: Shape, source: Source) -> Select[Any]:
    del source
    return grants_permitted(shape)


def _calling(shape: Shape, source: Source, word: Obligation) -> Select[Any]:
    del source
    return students_calling(shape, word)


def ids_among(student_keys: Any) -> Select[Any]:
    """How the organization names some students, with their keys."""
    return select(_STUDENT.student_id, _STUDENT.student_key).where(
        _STUDENT.student_key.in_(student_keys)
    )
