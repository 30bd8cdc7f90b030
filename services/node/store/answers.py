"""Reads what may leave, straight into Arrow: records joined to the grants valid at one instant.

The join is in SQL, in one statement and so from one state of the database. With SQLite the records
and the node's own state are two files, and one connection sees both. PostgreSQL is read by ADBC;
SQLite is not, for that driver brings a second SQLite library into the process: two of them drop
each other's file locks, and a commit can be lost (https://sqlite.org/howtocorrupt.html, 2.2.1).
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import adbc_driver_postgresql.dbapi
import pyarrow as pa
from sqlalchemy import (
    CTE,
    ColumnElement,
    Dialect,
    Select,
    and_,
    case,
    func,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from homeroom.catalog import SUBJECT_REF
from homeroom.vocabulary import Element
from services.node.domain.selection import ROWS_PER_BATCH, Covered, RowReader, Selection
from services.node.store.datasets import SOURCES, Source
from services.node.store.records.tables import RecordTable
from services.node.store.state_tables import CONSENT_GRANT

_STUDENT = RecordTable.metadata.tables["student"]
_GRANT = CONSENT_GRANT.c


class AnswerStore:
    """The node's records and grants, read for answers; implements `Records`."""

    def __init__(self, records_url: str, state_url: str) -> None:
        self._records_url = make_url(records_url)
        self._state_url = make_url(state_url)
        self._sqlite = self._records_url.get_backend_name() == "sqlite"
        self._dialect: Dialect = (
            sqlite.dialect(paramstyle="qmark")
            if self._sqlite
            else postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's own
        )

    async def open(self, selection: Selection) -> RowReader:
        return await asyncio.to_thread(self._open, selection)

    async def covered(self, selection: Selection) -> Covered:
        return await asyncio.to_thread(self._covered, selection)

    def _open(self, selection: Selection) -> RowReader:
        statement, parameters = self._compiled(rows_permitted(selection))
        if self._sqlite:
            return SqliteReader(self._sqlite_connection(), statement, parameters, selection.schema)
        return ArrowReader(self._postgres_connection(), statement, parameters, selection.schema)

    def _covered(self, selection: Selection) -> Covered:
        permitted = students_permitted(selection)
        elements = _in_order(selection)
        statement = select(permitted.c.subject_ref, *_flags(permitted, elements))
        connection = self._sqlite_connection() if self._sqlite else self._postgres_connection()
        with closing(connection), closing(connection.cursor()) as cursor:
            cursor.execute(*self._compiled(statement))
            return {
                ref: frozenset(e for e, flag in zip(elements, flags, strict=True) if flag)
                for ref, *flags in cursor.fetchall()
            }

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

    def _compiled(self, statement: Any) -> tuple[str, tuple[Any, ...]]:
        compiled = statement.compile(
            dialect=self._dialect, compile_kwargs={"render_postcompile": True}
        )
        parameters = [compiled.params[name] for name in compiled.positiontup or ()]
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
        return await asyncio.to_thread(self._next)

    async def close(self) -> None:
        await asyncio.to_thread(self._connection.close)

    def _next(self) -> pa.RecordBatch | None:
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
        return await asyncio.to_thread(self._next)

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _next(self) -> pa.RecordBatch | None:
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

    def _close(self) -> None:
        self._batches.close()
        self._cursor.close()
        self._connection.close()


def students_permitted(selection: Selection) -> CTE:
    """The students with a valid grant: key, subject_ref, and a flag for each element."""
    instant = int(selection.instant.timestamp())
    conditions: list[ColumnElement[bool]] = [
        _GRANT.recipient == selection.recipient,
        _GRANT.purpose == selection.purpose,
        _GRANT.valid_from <= instant,
        _GRANT.valid_to > instant,
        _GRANT.element.in_([str(element) for element in _in_order(selection)]),
    ]
    if selection.subject_refs is not None:
        conditions.append(_GRANT.subject_ref.in_(selection.subject_refs))
    return (
        select(
            _GRANT.student_key,
            func.min(_GRANT.subject_ref).label(SUBJECT_REF),
            *(
                func.max(case((_GRANT.element == str(element), 1), else_=0)).label(f"e_{element}")
                for element in _in_order(selection)
            ),
        )
        .where(and_(*conditions))
        .group_by(_GRANT.student_key)
        .cte("permitted")
    )


def rows_permitted(selection: Selection) -> Select[Any]:
    """The rows that may leave; a value that its family has not allowed is null."""
    source = SOURCES[selection.dataset.name]
    permitted = students_permitted(selection)
    columns = [
        case((permitted.c[f"e_{column.element}"] == 1, source.column(column.name))).label(
            column.name
        )
        for column in selection.dataset.columns_of(selection.elements)
    ]
    statement = (
        select(permitted.c.subject_ref, *columns)
        .select_from(permitted)
        .join(source.table, source.table.c.student_key == permitted.c.student_key)
        .where(source.where, *_in_scope(selection, source), *_in_period(selection, source))
    )
    if selection.dataset.row_element is not None:
        statement = statement.where(permitted.c[f"e_{selection.dataset.row_element}"] == 1)
    if source.table is not _STUDENT:
        statement = statement.join(_STUDENT, _STUDENT.c.student_key == permitted.c.student_key)
    return statement


def _in_order(selection: Selection) -> Sequence[Element]:
    return [e for e in selection.dataset.elements if e in selection.elements]


def _flags(permitted: CTE, elements: Sequence[Element]) -> list[ColumnElement[int]]:
    return [permitted.c[f"e_{element}"] for element in elements]


def _in_scope(selection: Selection, source: Source) -> list[ColumnElement[bool]]:
    """Keeps rows of covered schools, about students who are at one now.

    A row that names its school decides by it where the student's present school is not known.
    """
    schools = selection.schools.only
    if schools is None:
        return []
    named = sorted(schools)
    if source.school is None or source.table is _STUDENT:
        return [_STUDENT.c.school_id.in_(named)]
    present = func.coalesce(_STUDENT.c.school_id, source.school)
    return [source.school.in_(named), present.in_(named)]


def _in_period(selection: Selection, source: Source) -> list[ColumnElement[bool]]:
    period, first, last = selection.period, source.first_day, source.last_day
    if period is None or first is None or last is None:
        # A dataset without days says what is so now, whatever the period.
        return []
    if first is last:
        return [first >= period.start_date, first <= period.end_date]
    return [
        first <= period.end_date,
        or_(last.is_(None), last >= period.start_date),
    ]


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """What SQLite keeps a value as: it has neither dates nor booleans."""
    if pa.types.is_boolean(kind):
        return pa.int64()
    return pa.string() if pa.types.is_date(kind) else kind


def _read_only(path: str | None) -> str:
    return f"file:{path}?mode=ro"
