"""Serves datasets from views in the organization's own database, without keeping a record of them.

A view is one SQL file. The node's own selection decides about every row of it, as about its own
records: who may be meant goes to that database as the students' ids, and no row of anyone else is
asked for; rows then pass through the node a batch at a time.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import ColumnClause, Connection, Select, String, column, select

from homeroom.errors import InternalError, ServiceUnreachableError
from homeroom.question import Period
from services.node.store.datasets import Source
from services.node.store.lists import among, in_lists
from services.node.store.scope import about_period
from services.node.store.views.checking import problems_of
from services.node.store.views.definitions import STUDENT_ID, View, read_views
from services.node.store.views.organization import OrganizationDatabase
from services.node.store.views.passing import Keyed
from services.node.store.views.values import WrongValue, read_as

__all__ = ["View", "Views"]

_STUDENTS_AT_ONCE = 10_000
_ROWS_AT_ONCE = 16_384
_SECONDS_BETWEEN_CHECKS = 5.0

log = structlog.get_logger(__name__)


class Views:
    """The datasets that come from the organization's own database; none unless it says so."""

    def __init__(
        self, views: Sequence[View] = (), database: OrganizationDatabase | None = None
    ) -> None:
        self._views = {view.dataset.name: view for view in views}
        self._database = database
        self._right: set[str] = set()

    @classmethod
    def open(cls, url: str, folder: Path | None, seconds: float) -> "Views":
        """The views of a folder, if any, of the database at a URL; nothing is asked of it yet.

        Raises:
            RequestInvalidError: if the folder or the URL is not as it has to be.
        """
        if folder is None:
            return cls()
        return cls(read_views(folder), OrganizationDatabase(url, seconds))

    @property
    def names(self) -> frozenset[str]:
        """The datasets that are served from a view."""
        return frozenset(self._views)

    def of(self, dataset: str) -> View | None:
        """The view that a dataset is served from, if it is from one."""
        return self._views.get(dataset)

    def check(self) -> Mapping[str, Sequence[str]]:
        """What is wrong with each view, by dataset; a view answers once nothing is.

        Raises:
            ServiceUnreachableError: if the database does not answer at all.
        """
        found: dict[str, Sequence[str]] = {}
        for name, view in self._views.items():
            problems = problems_of(view, self._of_organization)
            if problems:
                found[name] = problems
                self._right.discard(name)
            else:
                self._right.add(name)
        return found

    def rows(
        self, view: View, students: Mapping[str, int], period: Period | None
    ) -> Iterator[list[Keyed]]:
        """The rows about some students, by their ids, each after its student's key.

        Raises:
            ServiceUnreachableError: if the view was not found right, or does not answer.
            InternalError: if a value is not of its column's kind.
        """
        if view.dataset.name not in self._right:
            raise ServiceUnreachableError(
                "the view has not been found right yet", dataset=view.dataset.name
            )
        with self._of_organization.reading() as connection:
            for some in in_lists(sorted(students), _STUDENTS_AT_ONCE):
                yield from self._rows(connection, _about(view, some, period), view, students)

    async def found_right(self) -> None:
        """Comes back once every view is found right; until then says what is wrong."""
        told: object = None
        while True:
            try:
                wrong = await asyncio.to_thread(self.check)
            except ServiceUnreachableError as unreachable:
                wrong = {"": [unreachable.message]}
            if not wrong:
                return
            if wrong != told:
                for name, problems in wrong.items():
                    log.error("a view is not right", state=name, reason="; ".join(problems))
            told = wrong
            await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)

    def close(self) -> None:
        """Closes the organization's database."""
        if self._database is not None:
            self._database.close()

    @property
    def _of_organization(self) -> OrganizationDatabase:
        if self._database is None:
            raise ServiceUnreachableError("there is no database of views")
        return self._database

    def _rows(
        self, connection: Connection, asked: Select[Any], view: View, students: Mapping[str, int]
    ) -> Iterator[list[Keyed]]:
        streamed = connection.execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE)
        with streamed.execute(asked) as result:
            for rows in result.partitions(_ROWS_AT_ONCE):
                # By the id exactly: a database may find others alike, by case or trailing blanks.
                keyed = [(students[row[0]], *row[1:]) for row in rows if row[0] in students]
                if keyed:
                    yield _as_catalog(view, keyed)


def _about(view: View, students: Sequence[str], period: Period | None) -> Select[Any]:
    """The view's rows about some students and days, as the organization's database is asked."""
    others: list[ColumnClause[Any]] = [column(name) for name, _ in view.columns]
    viewed = view.statement.columns(column(STUDENT_ID, String), *others).subquery("viewed")
    first, last = (
        None if day is None else viewed.c[day.name]
        for day in (view.source.first_day, view.source.last_day)
    )
    of_view = Source(viewed, view.source.stored, first, last)
    about = about_period(of_view, period)
    return select(viewed).where(among(viewed.c[STUDENT_ID], students), *about)


def _as_catalog(view: View, rows: Sequence[Keyed]) -> list[Keyed]:
    """Rows with values of the catalog's kinds.

    Raises:
        InternalError: naming the dataset and the column, never the value.
    """
    columns: list[Sequence[Any]] = [[row[0] for row in rows]]
    for place, (name, kind) in enumerate(view.columns, start=1):
        read = read_as(kind)
        try:
            columns.append([read(row[place]) for row in rows])
        except WrongValue:
            raise InternalError(
                "a view gave a value of another kind than its column's",
                dataset=view.dataset.name,
                column=name,
            ) from None
    return list(zip(*columns, strict=True))
