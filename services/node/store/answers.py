"""Reads what may leave, straight into Arrow: records joined to the grants valid at one instant.

The join is in SQL, in one statement and so from one state of the database. With SQLite the records
and the node's own state are two files, and one connection sees both. PostgreSQL is read by ADBC;
SQLite is not, for that driver brings a second SQLite library into the process: two of them drop
each other's file locks, and a commit can be lost (https://sqlite.org/howtocorrupt.html, 2.2.1).
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import adbc_driver_postgresql.dbapi
import pyarrow as pa
from sqlalchemy import Dialect, Select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from homeroom.vocabulary import Obligation
from services.node.domain.extracts import STUDENT_KEY
from services.node.domain.selection import (
    ROWS_PER_BATCH,
    Coverage,
    Failure,
    RowReader,
    Selection,
    Window,
)
from services.node.store.conditional import (
    rows_conditional,
    rows_withheld,
    students_conditional,
)
from services.node.store.consent_changes import consents_to_settle_again
from services.node.store.datasets import measured_days
from services.node.store.element_bits import bit_of, elements_in, mask_of
from services.node.store.extracted import rows_of_everyone
from services.node.store.failures import failures_of
from services.node.store.grants import limited_by_period, windows_of
from services.node.store.obligations import OF_ROWS, students_calling
from services.node.store.permitted import rows_permitted, students_covered
from services.node.store.subject_refs import SubjectRefStore


class AnswerStore:
    """The node's records and grants, read for answers; implements `Records`."""

    def __init__(self, records_url: str, state_url: str, names: SubjectRefStore) -> None:
        self._records_url = make_url(records_url)
        self._state_url = make_url(state_url)
        self._names = names
        self._sqlite = self._records_url.get_backend_name() == "sqlite"
        self._dialect: Dialect = (
            sqlite.dialect(paramstyle="qmark")
            if self._sqlite
            else postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        )

    async def open(self, selection: Selection) -> RowReader:
        return await asyncio.to_thread(self._open, selection)

    async def named(self, recipient: str, subject_refs: Sequence[str]) -> Mapping[str, int]:
        return await asyncio.to_thread(self._names.students, recipient, subject_refs)

    async def covered(self, selection: Selection) -> Coverage:
        return await asyncio.to_thread(self._covered, selection)

    async def extract(self, selection: Selection, at_most: int) -> pa.Table:
        return await asyncio.to_thread(self._extract, selection, at_most)

    def changed_consents(self) -> list[int]:
        """The consents whose students' birth dates are others than those they were settled by."""
        return [key for (key,) in self._fetch(consents_to_settle_again())]

    def _open(self, selection: Selection) -> RowReader:
        limited = self._limited(selection)
        if selection.plain and not limited and not selection.row_obligations:
            chosen = rows_permitted(selection)
        else:
            chosen = rows_conditional(selection, limited=limited)
        return self._reader(*self._compiled(chosen, measured_days(selection)), selection.schema)

    def _extract(self, selection: Selection, at_most: int) -> pa.Table:
        """Every row in a selection's scope, under the student's key; it leaves under none."""
        chosen = rows_of_everyone(selection).limit(at_most)
        columns = [*selection.dataset.schema_of(selection.elements)][1:]
        schema = pa.schema([pa.field(STUDENT_KEY, pa.int64()), *columns])
        reader = self._reader(*self._compiled(chosen, measured_days(selection)), schema)
        try:
            batches = [*iter(reader.read, None)]
        finally:
            reader.end()
        return pa.Table.from_batches(batches, schema)

    def _reader(
        self, statement: str, parameters: tuple[Any, ...], schema: pa.Schema
    ) -> "SqliteReader | ArrowReader":
        if self._sqlite:
            return SqliteReader(self._sqlite_connection(), statement, parameters, schema)
        return ArrowReader(self._postgres_connection(), statement, parameters, schema)

    def _limited(self, selection: Selection) -> bool:
        ((limited,),) = self._fetch(limited_by_period(selection))
        return bool(limited)

    def _covered(self, selection: Selection) -> Coverage:
        chosen = students_covered if selection.plain else students_conditional
        found = self._fetch(chosen(selection))
        nameless = {key for key, name, *_ in found if name is None}
        if nameless:
            # No consent proposed a name for them: it names a class, or there is none.
            self._names.name(selection.recipient, sorted(nameless))
            found = self._fetch(chosen(selection))
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
        return failures_of(selection, self._fetch)

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
        if (chosen := rows_withheld(selection)) is not None:
            for key, *row in self._fetch(chosen):
                if key in names:
                    withheld.setdefault(names[key], set()).add(tuple(map(str, row)))
        return Coverage(
            {name: elements_in(mask) for _, name, mask in named},
            {name: frozenset(some) for name, some in windows.items()},
            [(key, mask) for key, _, mask in named if mask & needed],
            {name: frozenset(some) for name, some in withheld.items()},
        )

    def _fetch(self, chosen: Select[Any]) -> list[Any]:
        connection = self._sqlite_connection() if self._sqlite else self._postgres_connection()
        with closing(connection), closing(connection.cursor()) as cursor:
            cursor.execute(*self._compiled(chosen))
            return list(cursor.fetchall())

    def _postgres_connection(self) -> Any:
        uri = self._records_url.set(drivername="postgresql")
        return adbc_driver_postgresql.dbapi.connect(uri.render_as_string(hide_password=False))

    def _sqlite_connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            _read_only(self._records_url.database), uri=True, check_same_thread=False
        )
        if self._state_url != self._records_url:
            connection.execute(
                "ATTACH DATABASE ? AS state", (_read_only(self._state_url.database),)
            )
        return connection

    def _compiled(
        self, statement: Any, given: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[str, tuple[Any, ...]]:
        compiled = statement.compile(
            dialect=self._dialect, compile_kwargs={"render_postcompile": True}
        )
        values = {**compiled.params, **given}
        parameters = [values[name] for name in compiled.positiontup or ()]
        return str(compiled), tuple(
            value.isoformat() if self._sqlite and hasattr(value, "isoformat") else value
            for value in parameters
        )


class SqliteReader:
    """The batches of one statement on SQLite; implements `RowReader`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        statement: str,
        parameters: tuple[Any, ...],
        schema: pa.Schema,
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._stored = pa.schema([pa.field(f.name, _stored_type(f.type)) for f in schema])
        self._rows = connection.execute(statement, parameters)

    async def next_batch(self) -> pa.RecordBatch | None:
        return await asyncio.to_thread(self.read)

    async def close(self) -> None:
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """Ends the read."""
        self._connection.close()

    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""
        rows = self._rows.fetchmany(ROWS_PER_BATCH)
        if not rows:
            return None
        columns = [
            pa.array(values, field.type)
            for values, field in zip(zip(*rows, strict=True), self._stored, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._stored).cast(self._schema)


class ArrowReader:
    """The batches of one statement on PostgreSQL; implements `RowReader`."""

    def __init__(
        self, connection: Any, statement: str, parameters: tuple[Any, ...], schema: pa.Schema
    ) -> None:
        self._connection = connection
        self._schema = schema
        self._cursor = connection.cursor()
        try:
            self._cursor.execute(statement, parameters)
            self._batches = self._cursor.fetch_record_batch()
        except BaseException:
            self._cursor.close()
            connection.close()
            raise
        self._waiting: list[pa.RecordBatch] = []

    async def next_batch(self) -> pa.RecordBatch | None:
        return await asyncio.to_thread(self.read)

    async def close(self) -> None:
        await asyncio.to_thread(self.end)

    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""
        while not self._waiting:
            try:
                batch = self._batches.read_next_batch()
            except StopIteration:
                return None
            # The driver chooses its own batch size.
            self._waiting = [
                batch.slice(start, ROWS_PER_BATCH)
                for start in range(0, batch.num_rows, ROWS_PER_BATCH)
            ]
        return self._waiting.pop(0).cast(self._schema)

    def end(self) -> None:
        """Ends the read."""
        self._batches.close()
        self._cursor.close()
        self._connection.close()


def _coverage(grants: Iterable[Any], selection: Selection) -> Coverage:
    """Who is covered, by grants: student, name, elements, the records' period."""
    asked, needed = mask_of(selection.elements), _needed(selection)
    masks: dict[int, int] = {}
    names: dict[int, str] = {}
    windows: dict[str, set[Window]] = {}
    for key, name, elements, first, last in grants:
        if name is None:
            continue
        masks[key] = masks.get(key, 0) | (elements & asked)
        names[key] = min(name, names.get(key, name))
        if first is not None:
            windows.setdefault(name, set()).add(("", elements & asked, str(first), str(last)))
    return Coverage(
        {names[key]: elements_in(mask) for key, mask in masks.items()},
        {name: frozenset(some) for name, some in windows.items()},
        [(key, mask) for key, mask in masks.items() if mask & needed],
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


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """What SQLite keeps a value as: it has neither dates nor booleans."""
    if pa.types.is_boolean(kind):
        return pa.int64()
    return pa.string() if pa.types.is_date(kind) else kind


def _read_only(path: str | None) -> str:
    return f"file:{path}?mode=ro"
