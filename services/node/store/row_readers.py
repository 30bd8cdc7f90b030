"""Reads the rows of one statement as Arrow batches, of SQLite's driver or of PostgreSQL's."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import pyarrow as pa

from services.node.domain.selection import MOST_BATCH_BYTES, MOST_UNSENT, ROWS_PER_BATCH
from services.node.store.database import available
from services.node.store.stopping import break_off, stoppable

_ROWS_AT_ONCE = 512
"""So few that they are still in the processor's cache when they are taken apart into columns."""


def _close(connection: Any) -> None:
    connection.close()


class ThreadedReader(ABC):
    """Batches that are waited for in a thread; implements `RowReader`.

    What was read already needs none: a small answer is read whole when it is begun.
    """

    _most = 1
    _ready: Sequence[pa.RecordBatch] = ()
    _ended = _let_go = False

    def begin(self) -> None:
        """Reads the first batch, waited for here."""
        self._read_on()

    async def next_batches(self) -> Sequence[pa.RecordBatch]:
        if not self._ended and len(self._ready) < self._most:
            await stoppable(self._read_on, self.stop)
        some, self._ready = self._ready[: self._most], self._ready[self._most :]
        self._most = MOST_UNSENT
        return some

    async def close(self) -> None:
        if not self._let_go:
            await asyncio.to_thread(self.let_go)

    def let_go(self) -> None:
        """Ends the read if it has not ended by itself; waited for here."""
        if not self._let_go:
            self._let_go = True
            self.end()

    def _read_on(self) -> None:
        while len(self._ready) < self._most and not self._ended:
            batch = self.read()
            self._ended = batch is None or self.is_last(batch)
            self._ready = [*self._ready, *(() if batch is None else _in_parts(batch))]
        if self._ended:
            self.let_go()

    def is_last(self, batch: pa.RecordBatch) -> bool:
        """Whether it is known that no batch follows one: a small answer need not ask again."""
        del batch
        return False

    @abstractmethod
    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""

    @abstractmethod
    def stop(self) -> None:
        """Breaks off a read that another thread waits for."""

    @abstractmethod
    def end(self) -> None:
        """Ends the read; nobody waits for a batch."""


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
        self._values = [itemgetter(place) for place in range(len(schema))]
        self._rows = connection.execute(statement, parameters)

    def stop(self) -> None:
        break_off(self._connection)

    def end(self) -> None:
        """Ends the read."""
        self.end_statement()
        self._done_with(self._connection)

    def end_statement(self) -> None:
        """Ends the statement alone."""
        self._rows.close()

    def is_last(self, batch: pa.RecordBatch) -> bool:
        return bool(batch.num_rows < ROWS_PER_BATCH)

    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""
        columns: list[list[Any]] = [[] for _ in self._values]
        while len(columns[0]) < ROWS_PER_BATCH and (rows := self._rows.fetchmany(_ROWS_AT_ONCE)):
            for column, value in zip(columns, self._values, strict=True):
                column.extend(map(value, rows))
        if not columns[0]:
            return None
        arrays = map(pa.array, columns, self._stored.types)
        return pa.RecordBatch.from_arrays([*arrays], schema=self._stored).cast(self._schema)


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
        self._finished = False

    def stop(self) -> None:
        break_off(self._connection)

    def read(self) -> pa.RecordBatch | None:
        """The next batch, waited for here."""
        while not self._waiting:
            try:
                batch = self._batches.read_next_batch()
            except StopIteration:
                self._finished = True
                return None
            # The driver chooses its own batch size.
            self._waiting = [
                batch.slice(start, ROWS_PER_BATCH)
                for start in range(0, batch.num_rows, ROWS_PER_BATCH)
            ]
        return self._waiting.pop(0).cast(self._schema)

    def end(self) -> None:
        """Ends the read."""
        if not self._finished:
            # The server would go on working out what nobody reads.
            break_off(self._connection)
        self.end_statement()
        self._done_with(self._connection)

    def end_statement(self) -> None:
        """Ends the statement alone."""
        self._batches.close()
        self._cursor.close()


def _in_parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch, or parts of one whose rows are so long that it would fill a message."""
    parts = -(-batch.nbytes // MOST_BATCH_BYTES)
    rows = max(1, batch.num_rows // max(1, parts))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """What SQLite keeps a value as: it has neither dates nor booleans."""
    if pa.types.is_boolean(kind):
        return pa.int64()
    return pa.string() if pa.types.is_date(kind) else kind
