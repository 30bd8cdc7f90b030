"""Keeps a node's records: loads one intake run at a time, whole or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, select, text

from services.node.store.records.derived import DerivedFacts
from services.node.store.records.tables import TABLES
from services.node.store.records.upsert import Upsert, upsert_of
from services.runtime.database import open_database, writing

STUDENT_ID = "student_id"


@dataclass(slots=True)
class LoadTally:
    """What became of the rows loaded into a table; every row is one of the three."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(slots=True)
class _Loaded:
    """A table's rows before the run, and since then the rows read and the rows written."""

    before: int
    read: int = 0
    written: int = 0


class IntakeRun:
    """One open transaction of an intake; other processes see nothing of it until it ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._loaded: dict[str, _Loaded] = {}
        self._upserts: dict[tuple[str, tuple[str, ...]], Upsert] = {}
        self._keys = _student_keys(connection)
        self._derived = DerivedFacts(connection)

    @property
    def student_keys(self) -> Mapping[str, int]:
        """The key of every student known so far, those of this run included."""
        return self._keys

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Adds or changes rows of a table by their natural key.

        Args:
            table: its name.
            columns: what the rows give, in their order; other columns keep what they hold. All but
                `student` say `student_key`, never `student_id`.
            rows: values of the columns' types.
        """
        loaded = self._loaded.get(table)
        if loaded is None:
            loaded = self._loaded[table] = _Loaded(_count(self._connection, TABLES[table]))
        given = tuple(columns)
        upsert = self._upserts.get((table, given))
        if upsert is None:
            upsert = self._upserts[table, given] = upsert_of(self._connection, TABLES[table], given)
        loaded.read += len(rows)
        loaded.written += upsert.write(rows)
        if table == "student":
            ids = [row[given.index(STUDENT_ID)] for row in rows]
            self._keys.update(_student_keys(self._connection, ids))
        self._derived.note(table, given, rows, self._keys)

    def tallies(self) -> dict[str, LoadTally]:
        """What became of the rows so far, by table.

        Rows that were added are counted by the table, and an upsert does not touch a row that
        stays as it is: what it touched and did not add, it changed.
        """
        tallies = {}
        for table, loaded in self._loaded.items():
            added = _count(self._connection, TABLES[table]) - loaded.before
            tallies[table] = LoadTally(
                added, loaded.written - added, unchanged=loaded.read - loaded.written
            )
        return tallies

    def finish(self) -> None:
        """Derives what the source left to derive."""
        self._derived.write()


class RecordStore:
    """The records database of one node."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = open_database(url, durable=False)

    @contextmanager
    def intake(self) -> Iterator[IntakeRun]:
        """One intake run: all of it is kept if the block ends well, nothing if it does not.

        One run writes at a time; others wait for it. Readers are not held up.
        """
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE student IN EXCLUSIVE MODE"))
            run = IntakeRun(connection)
            yield run
            run.finish()

    def counts(self) -> dict[str, int]:
        """How many rows each table holds."""
        with self._engine.connect() as connection:
            return {name: _count(connection, table) for name, table in TABLES.items()}

    def student_keys(self) -> dict[str, int]:
        """The key of every student, by student id."""
        with self._engine.connect() as connection:
            return _student_keys(connection)

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _student_keys(connection: Connection, ids: Sequence[str] | None = None) -> dict[str, int]:
    student = TABLES["student"]
    query = select(student.c.student_id, student.c.student_key)
    if ids is not None:
        query = query.where(student.c.student_id.in_(ids))
    return {row.student_id: row.student_key for row in connection.execute(query)}
