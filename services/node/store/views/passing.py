"""Passes batches of a view's rows through the node's own databases, where its selection runs.

The rows stand in a temporary table of one connection, with SQLite in memory, and are gone before
the next batch comes. What may leave is selected by the same statement as of the node's own
records, from one state of the node's databases.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa
from sqlalchemy import Table
from sqlalchemy.schema import CreateTable

from services.node.store.reading import Compiled, ReadDatabases
from services.node.store.row_readers import ArrowReader, SqliteReader
from services.node.store.stopping import break_off
from services.node.store.views.definitions import View

Keyed = tuple[Any, ...]
"""A row of a view after the key of its student."""


class Passing(Protocol):
    """One transaction of the node's databases, with rows of a view beside them."""

    def put(self, rows: Sequence[Keyed]) -> None:
        """Lets these rows stand in place of those before."""

    def fetch(self, chosen: Compiled) -> list[Any]:
        """The rows of a statement."""

    def batches(self, chosen: Compiled, schema: pa.Schema) -> list[pa.RecordBatch]:
        """What a statement selects, as an answer has it."""

    def stop(self) -> None:
        """Breaks off a statement that another thread waits for."""

    def close(self) -> None:
        """Ends the transaction; nothing is kept."""


def passing_of(databases: ReadDatabases, view: View) -> Passing:
    """A new transaction with a table for a view's rows."""
    connection = databases.connection()
    table = str(CreateTable(view.passing).compile(dialect=databases.dialect))
    try:
        if databases.is_sqlite:
            return SqlitePassing(connection, view.passing, table)
        return PostgresPassing(connection, view.passing, table)
    except BaseException:
        connection.close()
        raise


class SqlitePassing:
    """The rows in memory beside the files of SQLite; implements `Passing`."""

    def __init__(self, connection: Any, table: Table, made: str) -> None:
        self._connection = connection
        connection.isolation_level = None
        # Without the index the whole batch is looked through for each student.
        index = f"CREATE INDEX temp.viewed_student ON {table.name} (student_key)"
        for statement in ("PRAGMA temp_store=MEMORY", "BEGIN", made, index):
            connection.execute(statement)
        marks = ", ".join("?" * len(table.columns))
        self._insert = f"INSERT INTO {table.name} VALUES ({marks})"  # noqa: S608  # our own name
        self._delete = f"DELETE FROM {table.name}"  # noqa: S608  # our own name

    def put(self, rows: Sequence[Keyed]) -> None:
        self._connection.execute(self._delete)
        self._connection.executemany(self._insert, [tuple(map(_stored, row)) for row in rows])

    def fetch(self, chosen: Compiled) -> list[Any]:
        return list(self._connection.execute(*chosen))

    def batches(self, chosen: Compiled, schema: pa.Schema) -> list[pa.RecordBatch]:
        reader = SqliteReader(self._connection, *chosen, schema)
        try:
            return [*iter(reader.read, None)]
        finally:
            reader.end_statement()

    def stop(self) -> None:
        break_off(self._connection)

    def close(self) -> None:
        self._connection.close()


class PostgresPassing:
    """The rows in a temporary table of PostgreSQL; implements `Passing`."""

    def __init__(self, connection: Any, table: Table, made: str) -> None:
        self._connection = connection
        self._table = table.name
        self._cursor = connection.cursor()
        # The driver has begun a transaction: what the first statement sees, all others see.
        self._cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._cursor.execute(made)
        self._cursor.execute(f"SELECT * FROM {table.name}")  # noqa: S608  # our own name
        self._schema = self._cursor.fetch_arrow_table().schema
        self._delete = f"DELETE FROM {table.name}"  # noqa: S608  # our own name

    def put(self, rows: Sequence[Keyed]) -> None:
        self._cursor.execute(self._delete)
        columns = [
            pa.array(values, field.type)
            for values, field in zip(zip(*rows, strict=True), self._schema, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(columns, names=self._schema.names)
        self._cursor.adbc_ingest(self._table, batch, mode="append", temporary=True)

    def fetch(self, chosen: Compiled) -> list[Any]:
        self._cursor.execute(*chosen)
        return list(self._cursor.fetchall())

    def batches(self, chosen: Compiled, schema: pa.Schema) -> list[pa.RecordBatch]:
        reader = ArrowReader(self._connection, *chosen, schema)
        try:
            return [*iter(reader.read, None)]
        finally:
            reader.end_statement()

    def stop(self) -> None:
        break_off(self._connection)

    def close(self) -> None:
        self._cursor.close()
        self._connection.close()


def _stored(value: Any) -> Any:
    """A value as SQLite keeps it: it has no dates."""
    return value.isoformat() if hasattr(value, "isoformat") else value
