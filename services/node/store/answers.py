"""Reads what may leave, straight into Arrow: records joined to the grants valid at one instant.

The join is in SQL, in one statement and so from one state of the node's databases; so it is where
a dataset's rows come from a view in the organization's own database, a batch at a time.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
from sqlalchemy import Select

from homeroom.checks import RowCondition
from homeroom.errors import HomeroomError
from homeroom.vocabulary import Obligation
from services.node.domain.extracts import STUDENT_KEY
from services.node.domain.selection import (
    Beginning,
    Coverage,
    Failure,
    RowReader,
    Selection,
    Window,
)
from services.node.store.consent_changes import consents_to_settle_again
from services.node.store.database import available
from services.node.store.element_bits import bit_of, elements_in, mask_of
from services.node.store.failures import failures_of
from services.node.store.lists import in_lists
from services.node.store.obligations import OF_ROWS
from services.node.store.reading import Compiled, ReadDatabases
from services.node.store.row_readers import ArrowReader, SqliteReader, ThreadedReader
from services.node.store.shapes import values_of
from services.node.store.statements import Statements, ids_among
from services.node.store.stopping import read
from services.node.store.subject_refs import SubjectRefStore
from services.node.store.views import View, Views
from services.node.store.views.passing import passing_of
from services.node.store.views.reader import ViewReader

IdsOf = Callable[[Selection], Compiled]
Reader = SqliteReader | ArrowReader | ViewReader


class AnswerStore:
    """The node's records and grants, read for answers; implements `Records`."""

    def __init__(
        self, records_url: str, state_url: str, names: SubjectRefStore, views: Views | None = None
    ) -> None:
        self._databases = ReadDatabases(records_url, state_url)
        self._names = names
        self._views = views or Views()
        self._statements = Statements(self._databases, self._views)

    async def begin(self, selection: Selection, subject_refs: Sequence[str]) -> Beginning:
        return await read(lambda: self._begin(selection, subject_refs), undo=_let_go)

    async def open(self, selection: Selection) -> RowReader:
        return await read(lambda: self._open(selection), undo=lambda reader: reader.end())

    async def named(self, recipient: str, subject_refs: Sequence[str]) -> Mapping[str, int]:
        return await asyncio.to_thread(self._names.students, recipient, subject_refs)

    async def covered(self, selection: Selection) -> Coverage:
        return await read(lambda: self._covered(selection))

    async def extract(self, selection: Selection, at_most: int) -> pa.Table:
        return await read(lambda: self._extract(selection, at_most))

    @available()
    def changed_consents(self) -> list[int]:
        """The consents whose students' birth dates are others than those they were settled by."""
        return [
            key
            for (key,) in self._databases.fetch(
                self._databases.written(consents_to_settle_again()).asked_with({})
            )
        ]

    def _begin(self, selection: Selection, subject_refs: Sequence[str]) -> Beginning:
        named = self._names.students(selection.recipient, subject_refs)
        coverage = self._covered(selection, frozenset(named.values()))
        with suppress(HomeroomError), available():
            # Not read here, it is opened again: and then it is known what to write down of it.
            reader = self._open(selection.telling(coverage.called_for))
            try:
                reader.begin()
            except BaseException:
                reader.end()
                raise
            return Beginning(coverage, named, reader)
        return Beginning(coverage, named)

    def _open(self, selection: Selection) -> Reader:
        chosen = self._statements.rows(selection, limited=self._limited(selection))
        return self._reader(selection, chosen, self._statements.ids_of_students, selection.schema)

    def _extract(self, selection: Selection, at_most: int) -> pa.Table:
        """Every row in a selection's scope, under the student's key; it leaves under none."""
        chosen = self._statements.rows_of_everyone(selection)
        columns = [*selection.dataset.schema_of(selection.elements)][1:]
        schema = pa.schema([pa.field(STUDENT_KEY, pa.int64()), *columns])
        reader = self._reader(selection, chosen, self._statements.ids_of_everyone, schema)
        batches: list[pa.RecordBatch] = []
        try:
            while sum(map(len, batches)) < at_most and (batch := reader.read()) is not None:
                batches.append(batch)
        finally:
            reader.end()
        return pa.Table.from_batches(batches, schema).slice(0, at_most)

    def _reader(
        self, selection: Selection, chosen: Compiled, ids_of: IdsOf, schema: pa.Schema
    ) -> Reader:
        if (view := self._views.of(selection.dataset.name)) is not None:
            return self._view_reader(view, selection, chosen, ids_of(selection), schema)
        opened = SqliteReader if self._databases.is_sqlite else ArrowReader
        connection = self._databases.borrow()
        try:
            return opened(connection, *chosen, schema, self._databases.give_back)
        except BaseException:
            connection.close()
            raise

    def _view_reader(
        self,
        view: View,
        selection: Selection,
        chosen: Compiled,
        ids: Compiled,
        schema: pa.Schema,
    ) -> ViewReader:
        passing = passing_of(self._databases, view)
        try:
            rows = self._views.rows(view, dict(passing.fetch(ids)), selection.period)
            return ViewReader(rows, passing, chosen, schema)
        except BaseException:
            passing.close()
            raise

    def _withheld(self, selection: Selection, students: Iterable[int]) -> Sequence[Any]:
        """The rows of some students that a condition on rows withholds; of a table, of all."""
        chosen = self._statements.withheld(selection)
        if chosen is None:
            return []
        view = self._views.of(selection.dataset.name)
        if view is None:
            return self._databases.fetch(chosen)
        passing = passing_of(self._databases, view)
        found: list[Any] = []
        try:
            for some in in_lists(sorted(students)):
                ids = self._databases.written(ids_among(some)).asked_with({})
                for rows in self._views.rows(view, dict(passing.fetch(ids)), None):
                    passing.put(rows)
                    found += passing.fetch(chosen)
        finally:
            passing.close()
        return found

    def _limited(self, selection: Selection) -> bool:
        ((limited,),) = self._databases.fetch(self._statements.limited(selection))
        return bool(limited)

    def _covered(self, selection: Selection, named: Collection[int] | None = None) -> Coverage:
        """Who is covered; `named` are the students whom the question names, if that is known."""
        chosen = self._statements.students(selection)
        found = self._databases.fetch(chosen)
        nameless = {key for key, name, *_ in found if name is None}
        if nameless:
            # No consent proposed a name for them: it names a class, or there is none.
            self._names.name(selection.recipient, sorted(nameless))
            found = self._databases.fetch(chosen)
        if selection.plain:
            coverage = _coverage(found, selection)
        else:
            coverage = self._conditional_coverage(found, selection)
        return replace(
            coverage,
            called_for=self._called_for(coverage, selection),
            failures=()
            if _nothing_failed(coverage, selection, named)
            else tuple(self._failures(selection)),
        )

    def _failures(self, selection: Selection) -> Sequence[Failure]:
        withheld = partial(self._withheld, selection)
        fetch = partial(self._fetch_for, selection)
        source = self._statements.source(selection.dataset.name)
        return failures_of(selection, source, fetch, withheld)

    def _called_for(self, coverage: Coverage, selection: Selection) -> frozenset[Obligation]:
        covered = {key for key, _ in coverage.students}
        return frozenset(
            word
            for word in selection.row_obligations & OF_ROWS
            if any(key in covered for (key,) in self._calling(selection, word))
        )

    def _calling(self, selection: Selection, word: Obligation) -> list[Any]:
        return self._databases.fetch(self._statements.calling(selection, word))

    def _conditional_coverage(self, found: Iterable[Any], selection: Selection) -> Coverage:
        needed = _needed(selection)
        named = [(key, name, mask) for key, name, mask in found if name is not None]
        names = {key: name for key, name, _ in named}
        windows: dict[str, set[Window]] = {}
        if self._limited(selection):
            for key, recipient, mask, first, last in self._windows(selection):
                if key in names:
                    window = (recipient, mask, str(first), str(last))
                    windows.setdefault(names[key], set()).add(window)
        withheld: dict[str, set[tuple[str, ...]]] = {}
        for key, *row in self._withheld(selection, names):
            if key in names:
                withheld.setdefault(names[key], set()).add(tuple(map(str, row)))
        return Coverage(
            {name: elements_in(mask) for _, name, mask in named},
            {name: frozenset(some) for name, some in windows.items()},
            students := [(key, mask) for key, _, mask in named if mask & needed],
            {name: frozenset(some) for name, some in withheld.items()},
            consents=self._consents(selection, {key for key, _ in students}),
        )

    def _consents(self, selection: Selection, covered: Collection[int]) -> list[tuple[int, int]]:
        """The consents that count for some students, where what leaves waits for one."""
        if not any(RowCondition.CONSENTED in words for words in selection.conditions.values()):
            return []
        found = self._databases.fetch(self._statements.grants(selection))
        return sorted({(key, consent) for key, *_, consent in found if key in covered})

    def _windows(self, selection: Selection) -> list[Any]:
        return self._databases.fetch(self._statements.windows(selection))

    def _fetch_for(self, selection: Selection, chosen: Select[Any]) -> list[Any]:
        written = self._databases.written(chosen)
        return self._databases.fetch(written.asked_with(values_of(selection)))


def _let_go(begun: Beginning) -> None:
    if isinstance(begun.reader, ThreadedReader):
        begun.reader.let_go()


def _coverage(grants: Iterable[Any], selection: Selection) -> Coverage:
    """Who is covered, by grants: student, name, elements, the records' period, the consent."""
    asked, needed = mask_of(selection.elements), _needed(selection)
    masks: dict[int, int] = {}
    names: dict[int, str] = {}
    windows: dict[str, set[Window]] = {}
    consents: set[tuple[int, int]] = set()
    for key, name, elements, first, last, consent in grants:
        if name is None:
            continue
        if elements & needed:
            consents.add((key, consent))
        masks[key] = masks.get(key, 0) | (elements & asked)
        names[key] = min(name, names.get(key, name))
        if first is not None:
            windows.setdefault(name, set()).add(("", elements & asked, str(first), str(last)))
    return Coverage(
        {names[key]: elements_in(mask) for key, mask in masks.items()},
        {name: frozenset(some) for name, some in windows.items()},
        [(key, mask) for key, mask in masks.items() if mask & needed],
        consents=sorted(consents),
    )


def _nothing_failed(
    coverage: Coverage, selection: Selection, named: Collection[int] | None
) -> bool:
    """Whether nobody was named, or everyone who was may be told of whole.

    A question to several holders names the students of all: nothing fails of those unknown here.
    """
    if selection.subject_refs is None:
        return selection.matter_key is None
    whole = mask_of(selection.elements)
    asked = len(set(selection.subject_refs) if named is None else named)
    return (
        selection.plain
        and len(coverage.students) == asked
        and all(mask == whole for _, mask in coverage.students)
    )


def _needed(selection: Selection) -> int:
    """The elements without any of which a student has no row."""
    row_element = selection.dataset.row_element
    return mask_of(selection.elements) if row_element is None else bit_of(row_element)
