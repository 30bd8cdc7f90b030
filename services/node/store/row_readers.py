"""Reads the rows of one statement as Arrow batches, of SQLite's driver or of PostgreSQL's."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from services.node.domain.selection import ROWS_PER_BATCH
from services.node.store.database import available


def _close(connection: Any) -> None:
    connection.close()


class ThreadedReader(ABC):
    """Batches that are waited for in a thread; implements `RowReader`."""

    async def next_batch(self) -> pa.RecordBatch | None:
        return await asyncio.to_thread(available()(self.read))

    async def close(self) -> None:
        await asyncio.to_thread(self.end)

    @abstractmethod
    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""

    @abstractmethod
    def end(self) -> None:
        """Ends the read."""


class SqliteReader(ThreadedReader):
    """The batches of one statement on SQLite."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        statement: str,
        parameters: tuple[Any, ...],
        schema: pa.Schema,
        done_with: Callable[[Any], None] = _close,
    ) -> None:
        """Begins to read; `done_with` is told when the connection is free again."""
        self._connection = connection
        self._done_with = done_with
        self._schema = schema
        self._stored = pa.schema([pa.field(f.name, _stored_type(f.type)) for f in schema])
        self._rows = connection.execute(statement, parameters)

    def end(self) -> None:
        """Ends the read."""
        self.end_statement()
        self._done_with(self._connection)

    def end_statement(self) -> None:
        """Ends the statement alone."""
        self._rows.close()

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


class ArrowReader(ThreadedReader):
    """The batches of one statement on PostgreSQL."""

    def __init__(
        self,
        connection: Any,
        statement: str,
        parameters: tuple[Any, ...],
        schema: pa.Schema,
        done_with: Callable[[Any], None] = _close,
    ) -> None:
        """Begins to read; `done_with` is told when the connection is free again."""
        self._connection = connection
        self._done_with = done_with
        self._schema = schema
        self._cursor = connection.cursor()
        try:
            with available():
                self._cursor.execute(statement, parameters)
                self._batches = self._cursor.fetch_record_batch()
        except BaseException:
            self._cursor.close()
            raise
        self._waiting: list[pa.RecordBatch] = []

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
        self.end_statement()
        self._done_with(self._connection)

    def end_statement(self) -> None:
        """Ends the statement alone."""
        self._batches.close()
        self._cursor.close()


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """What SQLite keeps a value as: it has neither dates nor booleans."""
    if pa.types.is_boolean(kind):
        return pa.int64()
    return pa.string() if pa.types.is_date(kind) else kind
