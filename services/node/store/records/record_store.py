"""Keeps a node's records: loads one intake run at a time, whole or not at all."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Table, and_, func, insert, select, text, update

from services.node.domain.intake import Identity
from services.node.store.records.derived import DerivedFacts
from services.node.store.records.removals import Removals, Seen
from services.node.store.records.source_memory import KeptObjects
from services.node.store.records.tables import TABLES, housekeeping
from services.node.store.records.upsert import Mark, Upsert, upsert_of
from services.runtime.database import open_database, writing

STUDENT_ID = "student_id"
_ASKED_AT_ONCE = 2_000
_RUN, _SOURCE = housekeeping("intake_run"), housekeeping("intake_source")


@dataclass(slots=True)
class LoadTally:
    """What became of the rows loaded into a table; every row read is one of the first three."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    ended: int = 0


@dataclass(slots=True)
class _Loaded:
    """A table's rows before the run, and since then the rows read and the rows written."""

    before: int
    read: int = 0
    written: int = 0
    removed: int = 0
    ended: int = 0


class IntakeRun:
    """One open transaction of an intake; other processes see nothing of it until it ends.

    Attributes:
        mark: the number of the run, and of its source.
        memory: what the source said in earlier runs.
    """

    def __init__(
        self,
        connection: Connection,
        source: str = "",
        complete: Collection[str] = (),
        today: date | None = None,
    ) -> None:
        self._connection = connection
        self.mark = Mark(_next_run(connection), _source_key(connection, source))
        self.memory = KeptObjects(connection, self.mark.source_key)
        self._loaded: dict[str, _Loaded] = {}
        self._upserts: dict[tuple[str, tuple[str, ...]], Upsert] = {}
        self._keys = _student_keys(connection)
        self._identities: dict[int, Identity] | None = None
        self._derived = DerivedFacts(connection, self.mark.run)
        self._removals = Removals(connection, self.mark, today or datetime.now(UTC).date())
        self._finished = False
        self._seen = {name: Seen(connection, TABLES[name]) for name in sorted(complete)}

    @property
    def student_keys(self) -> Mapping[str, int]:
        """The key of every student known so far, those of this run included."""
        return self._keys

    @property
    def identities(self) -> Mapping[int, Identity]:
        """Who the students known before the run are."""
        if self._identities is None:
            s = TABLES["student"].c
            query = select(s.student_key, s.given_name, s.family_name, s.birth_date)
            self._identities = {
                row.student_key: Identity(row.given_name, row.family_name, row.birth_date)
                for row in self._connection.execute(query)
            }
        return self._identities

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Adds or changes rows of a table by their natural key.

        Args:
            table: its name.
            columns: what the rows give, in their order; other columns keep what they hold. All but
                `student` say `student_key`, never `student_id`.
            rows: values of the columns' types.
        """
        loaded, given = self._of(table), tuple(columns)
        upsert = self._upserts.get((table, given))
        if upsert is None:
            upsert = upsert_of(self._connection, TABLES[table], given, self.mark)
            self._upserts[table, given] = upsert
        loaded.read += len(rows)
        loaded.written += upsert.write(rows)
        if table == "student":
            place = given.index(STUDENT_ID)
            new = list({row[place] for row in rows} - self._keys.keys())
            for first in range(0, len(new), _ASKED_AT_ONCE):
                asked = new[first : first + _ASKED_AT_ONCE]
                self._keys.update(_student_keys(self._connection, asked))
        self._derived.note(table, given, rows, self._keys)
        if seen := self._seen.get(table):
            seen.note(self._keys_of(seen, given, rows))

    def _keys_of(
        self, seen: Seen, columns: tuple[str, ...], rows: Sequence[Sequence[Any]]
    ) -> list[tuple[Any, ...]]:
        if seen.table.name == "student":
            place = columns.index(STUDENT_ID)
            return [(self._keys[row[place]],) for row in rows]
        places = [columns.index(name) for name in seen.key]
        return [tuple([row[place] for place in places]) for row in rows]

    def remove(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Removes the rows that have these values; a student's rows, never the student."""
        target, loaded = TABLES[table], self._of(table)
        for row in rows:
            named = zip(columns, row, strict=True)
            condition = and_(*[target.c[name] == value for name, value in named])
            found = self._removals.remove(table, condition)
            loaded.removed += len(found)
            self._derived.touch(table, found)

    def rename(self, old_student_id: str, new_student_id: str) -> bool:
        """Gives a student another id; whatever names the student by key stays as it is."""
        key = self._keys.get(old_student_id)
        if key is None or new_student_id in self._keys:
            return False
        student = TABLES["student"]
        self._connection.execute(
            update(student)
            .where(student.c.student_key == key)
            .values(student_id=new_student_id, changed_in=self.mark.run)
        )
        del self._keys[old_student_id]
        self._keys[new_student_id] = key
        loaded = self._of("student")
        loaded.read += 1
        loaded.written += 1
        return True

    def settle_complete(self, tables: Mapping[str, bool], *, may_shrink: bool) -> None:
        """Ends or removes what the source brought of these tables and does not say any more.

        Raises:
            RequestInvalidError: if more than a fifth of a table would go, and that may not be.
        """
        for name in [n for n in self._seen if n in tables]:
            loaded = self._of(name)
            added = _count(self._connection, TABLES[name]) - loaded.before + loaded.removed
            allowed = may_shrink or tables[name]
            keys, ended = self._removals.settle(self._seen[name], added, may_shrink=allowed)
            if name == "student":
                self._of("enrollment").ended += len(keys)
                self._derived.touch("enrollment", keys)
                continue
            loaded.ended += ended
            loaded.removed += len(keys) - ended
            self._derived.touch(name, keys)

    def tallies(self) -> dict[str, LoadTally]:
        """What became of the rows so far, by table.

        Rows that were added are counted by the table, and an upsert does not touch a row that
        stays as it is: what it touched and did not add, it changed.
        """
        tallies = {}
        for table, loaded in self._loaded.items():
            added = _count(self._connection, TABLES[table]) - loaded.before + loaded.removed
            tallies[table] = LoadTally(
                added,
                loaded.written - added,
                unchanged=loaded.read - loaded.written,
                removed=loaded.removed,
                ended=loaded.ended,
            )
        return tallies

    def findings(self) -> Mapping[str, int]:
        """What is odd about the records that the run touched; known once it is finished."""
        return {found: count for found, count in self._derived.findings.items() if count}

    def finish(self) -> None:
        """Derives what the source left to derive."""
        if not self._finished:
            self._finished = True
            self._derived.write()
            for seen in self._seen.values():
                seen.drop()

    def keep_report(self, format_name: str, position: str | None, report: str) -> None:
        """Notes the run in the change sequence, with its report."""
        self._connection.execute(
            insert(_RUN).values(
                run=self.mark.run,
                source_key=self.mark.source_key,
                format_name=format_name,
                finished_at=int(datetime.now(UTC).timestamp()),
                position=position,
                report=report,
            )
        )

    def _of(self, table: str) -> _Loaded:
        loaded = self._loaded.get(table)
        if loaded is None:
            loaded = self._loaded[table] = _Loaded(_count(self._connection, TABLES[table]))
        return loaded


class RecordStore:
    """The records database of one node."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = open_database(url)

    @contextmanager
    def intake(
        self,
        source: str = "",
        complete: Collection[str] = (),
        today: date | None = None,
    ) -> Iterator[IntakeRun]:
        """One intake run: all of it is kept if the block ends well, nothing if it does not.

        One run writes at a time; others wait for it. Readers are not held up.

        Args:
            source: the name under which the records come; each source has its own.
            complete: the tables of which the source says all there is.
            today: the day on which spells end that are said no more.
        """
        with writing(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("LOCK TABLE student IN EXCLUSIVE MODE"))
            run = IntakeRun(connection, source, complete, today)
            yield run
            run.finish()

    def counts(self) -> dict[str, int]:
        """How many rows each table holds."""
        with self._engine.connect() as connection:
            return {name: _count(connection, table) for name, table in TABLES.items()}

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        """The rows of a table, with the student's id in place of the key, in the key's order."""
        target, student = TABLES[table], TABLES["student"]
        query = select(target).order_by(*target.primary_key)
        if "student_key" in target.c and table != "student":
            query = query.add_columns(student.c.student_id).join(student)
        with self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=2_000).execute(query):
                yield dict(row._mapping)

    def student_keys(self) -> dict[str, int]:
        """The key of every student, by student id."""
        with self._engine.connect() as connection:
            return _student_keys(connection)

    def last_run(self) -> int:
        """The newest number of the change sequence; 0 before the first run."""
        with self._engine.connect() as connection:
            return _next_run(connection) - 1

    def close(self) -> None:
        """Closes the database."""
        self._engine.dispose()


def _next_run(connection: Connection) -> int:
    return (connection.scalar(select(func.max(_RUN.c.run))) or 0) + 1


def _source_key(connection: Connection, name: str) -> int:
    query = select(_SOURCE.c.source_key).where(_SOURCE.c.name == name)
    found = connection.scalar(query)
    if found is None:
        connection.execute(insert(_SOURCE).values(name=name))
        found = connection.scalar(query)
    return int(found or 0)


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _student_keys(connection: Connection, ids: Sequence[str] | None = None) -> dict[str, int]:
    student = TABLES["student"]
    query = select(student.c.student_id, student.c.student_key)
    if ids is not None:
        query = query.where(student.c.student_id.in_(ids))
    return {row.student_id: row.student_key for row in connection.execute(query)}
