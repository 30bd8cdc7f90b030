"""Reads what may leave, straight into Arrow: records joined to the grants valid at one instant.

The join is in SQL, in one statement and so from one state of the node's databases; so it is where
a dataset's rows come from a view in the organization's own database, a batch at a time.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
from sqlalchemy import Select, select

from homeroom.checks import RowCondition
from homeroom.vocabulary import Obligation
from services.node.domain.extracts import STUDENT_KEY
from services.node.domain.selection import Coverage, Failure, RowReader, Selection, Window
from services.node.store.conditional import (
    rows_conditional,
    rows_withheld,
    students_conditional,
)
from services.node.store.consent_changes import consents_to_settle_again
from services.node.store.database import available
from services.node.store.datasets import SOURCES, Source, days_of
from services.node.store.element_bits import bit_of, elements_in, mask_of
from services.node.store.extracted import rows_of_everyone
from services.node.store.failures import failures_of
from services.node.store.grants import limited_by_period, windows_of
from services.node.store.lists import in_lists
from services.node.store.obligations import OF_ROWS, students_calling
from services.node.store.permitted import grants_permitted, rows_permitted, students_covered
from services.node.store.reading import Compiled, ReadDatabases
from services.node.store.records.tables import RecordTable
from services.node.store.row_readers import ArrowReader, SqliteReader
from services.node.store.subject_refs import SubjectRefStore
from services.node.store.views import View, Views
from services.node.store.views.passing import Passing, passing_of
from services.node.store.views.reader import ViewReader

Reader = SqliteReader | ArrowReader | ViewReader

_STUDENT = RecordTable.metadata.tables["student"].c


class AnswerStore:
    """The node's records and grants, read for answers; implements `Records`."""

    def __init__(
        self, records_url: str, state_url: str, names: SubjectRefStore, views: Views | None = None
    ) -> None:
        self._databases = ReadDatabases(records_url, state_url)
        self._names = names
        self._views = views or Views()

    async def open(self, selection: Selection) -> RowReader:
        return await asyncio.to_thread(self._open, selection)

    async def named(self, recipient: str, subject_refs: Sequence[str]) -> Mapping[str, int]:
        return await asyncio.to_thread(self._names.students, recipient, subject_refs)

    async def covered(self, selection: Selection) -> Coverage:
        return await asyncio.to_thread(self._covered, selection)

    async def extract(self, selection: Selection, at_most: int) -> pa.Table:
        return await asyncio.to_thread(self._extract, selection, at_most)

    @available()
    def changed_consents(self) -> list[int]:
        """The consents whose students' birth dates are others than those they were settled by."""
        return [key for (key,) in self._fetch(consents_to_settle_again())]

    def _open(self, selection: Selection) -> RowReader:
        limited, source = self._limited(selection), self._source(selection)
        if selection.plain and not limited and not selection.row_obligations:
            chosen = rows_permitted(selection, source)
        else:
            chosen = rows_conditional(selection, source, limited=limited)
        return self._reader(selection, chosen, self._candidates(selection), selection.schema)

    def _extract(self, selection: Selection, at_most: int) -> pa.Table:
        """Every row in a selection's scope, under the student's key; it leaves under none."""
        chosen = rows_of_everyone(selection, self._source(selection)).limit(at_most)
        columns = [*selection.dataset.schema_of(selection.elements)][1:]
        schema = pa.schema([pa.field(STUDENT_KEY, pa.int64()), *columns])
        reader = self._reader(selection, chosen, select(_STUDENT.student_key), schema)
        batches: list[pa.RecordBatch] = []
        try:
            while sum(map(len, batches)) < at_most and (batch := reader.read()) is not None:
                batches.append(batch)
        finally:
            reader.end()
        return pa.Table.from_batches(batches, schema).slice(0, at_most)

    def _source(self, selection: Selection) -> Source:
        """Where the rows stand: in the node, or in a view of the organization's own database."""
        view = self._views.of(selection.dataset.name)
        return SOURCES[selection.dataset.name] if view is None else view.source

    def _candidates(self, selection: Selection) -> Select[Any]:
        """The keys of the students of whom a row may leave: no other's rows are looked at."""
        covered = self._students(selection).subquery("covered_student")
        return select(covered.c.student_key).where(covered.c.subject_ref.is_not(None)).distinct()

    def _students(self, selection: Selection) -> Select[Any]:
        if selection.plain:
            return students_covered(selection)
        return students_conditional(selection, self._source(selection))

    def _reader(
        self, selection: Selection, chosen: Select[Any], students: Select[Any], schema: pa.Schema
    ) -> Reader:
        compiled = self._databases.compiled(chosen, days_of(selection))
        if (view := self._views.of(selection.dataset.name)) is not None:
            return self._view_reader(view, selection, compiled, students, schema)
        opened = SqliteReader if self._databases.is_sqlite else ArrowReader
        connection = self._databases.connection()
        try:
            return opened(connection, *compiled, schema)
        except BaseException:
            connection.close()
            raise

    def _view_reader(
        self,
        view: View,
        selection: Selection,
        compiled: Compiled,
        students: Select[Any],
        schema: pa.Schema,
    ) -> ViewReader:
        passing = passing_of(self._databases, view)
        try:
            ids = self._ids(passing, students)
            rows = self._views.rows(view, ids, selection.period)
            return ViewReader(rows, passing, compiled, schema)
        except BaseException:
            passing.close()
            raise

    def _ids(self, passing: Passing, students: Select[Any]) -> Mapping[str, int]:
        """How the organization names some students, with their keys."""
        chosen = select(_STUDENT.student_id, _STUDENT.student_key).where(
            _STUDENT.student_key.in_(students)
        )
        return dict(passing.fetch(self._databases.compiled(chosen)))

    def _withheld(self, selection: Selection, students: Iterable[int]) -> Sequence[Any]:
        """The rows of some students that a condition on rows withholds; of a table, of all."""
        chosen = rows_withheld(selection, self._source(selection))
        if chosen is None:
            return []
        view = self._views.of(selection.dataset.name)
        if view is None:
            return self._fetch(chosen)
        compiled = self._databases.compiled(chosen)
        passing = passing_of(self._databases, view)
        found: list[Any] = []
        try:
            for some in in_lists(sorted(students)):
                these = select(_STUDENT.student_key).where(_STUDENT.student_key.in_(some))
                for rows in self._views.rows(view, self._ids(passing, these), None):
                    passing.put(rows)
                    found += passing.fetch(compiled)
        finally:
            passing.close()
        return found

    def _limited(self, selection: Selection) -> bool:
        ((limited,),) = self._fetch(limited_by_period(selection))
        return bool(limited)

    def _covered(self, selection: Selection) -> Coverage:
        chosen = self._students(selection)
        found = self._fetch(chosen)
        nameless = {key for key, name, *_ in found if name is None}
        if nameless:
            # No consent proposed a name for them: it names a class, or there is none.
            self._names.name(selection.recipient, sorted(nameless))
            found = self._fetch(chosen)
        if selection.plain:
            coverage = _coverage(found, selection)
        else:
            coverage = self._conditional_coverage(found, selection)
        return replace(
            coverage,
            called_for=self._called_for(coverage, selection),
            failures=() if _nothing_failed(coverage, selection) else self._failures(selection),
        )

    def _failures(self, selection: Selection) -> Sequence[Failure]:
        withheld = partial(self._withheld, selection)
        return failures_of(selection, self._source(selection), self._fetch, withheld)

    def _called_for(self, coverage: Coverage, selection: Selection) -> frozenset[Obligation]:
        covered = {key for key, _ in coverage.students}
        return frozenset(
            word
            for word in selection.row_obligations & OF_ROWS
            if any(key in covered for (key,) in self._fetch(students_calling(selection, word)))
        )

    def _conditional_coverage(self, found: Iterable[Any], selection: Selection) -> Coverage:
        needed = _needed(selection)
        named = [(key, name, mask) for key, name, mask in found if name is not None]
        names = {key: name for key, name, _ in named}
        windows: dict[str, set[Window]] = {}
        if self._limited(selection):
            for key, recipient, mask, first, last in self._fetch(windows_of(selection)):
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
        found = self._fetch(grants_permitted(selection))
        return sorted({(key, consent) for key, *_, consent in found if key in covered})

    def _fetch(self, chosen: Select[Any]) -> list[Any]:
        return self._databases.fetch(chosen)


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


def _nothing_failed(coverage: Coverage, selection: Selection) -> bool:
    """Whether nobody was named, or everyone who was may be told of whole."""
    if selection.subject_refs is None:
        return selection.matter_key is None
    whole = mask_of(selection.elements)
    asked = len(set(selection.subject_refs))
    return (
        selection.plain
        and len(coverage.students) == asked
        and all(mask == whole for _, mask in coverage.students)
    )


def _needed(selection: Selection) -> int:
    """The elements without any of which a student has no row."""
    row_element = selection.dataset.row_element
    return mask_of(selection.elements) if row_element is None else bit_of(row_element)
