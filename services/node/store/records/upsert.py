"""Adds or changes rows of a table by their natural key, in SQLite and in PostgreSQL."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    Date,
    Table,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

# A value that the source leaves out does not undo what was derived for it.
_DERIVED = {"student": "school_id", "school": "attendance_kind"}


class Mark(NamedTuple):
    """The run and the source that rows are written by."""

    run: int
    source_key: int

    def columns(self) -> dict[str, Any]:
        """What a new row says of itself."""
        return {
            "changed_in": literal_column(str(self.run)),
            "source_key": literal_column(str(self.source_key)),
        }


class Upsert(ABC):
    """The upsert of certain columns of a table, prepared once for many batches of rows.

    A row that stays as it is is not touched, so that those touched can be counted.
    """

    def __init__(
        self, connection: Connection, table: Table, columns: Sequence[str], mark: Mark
    ) -> None:
        self._connection = connection
        self._table = table
        self._columns = columns
        self._key = natural_key(table)

    @abstractmethod
    def write(self, rows: Sequence[Sequence[Any]]) -> int:
        """Writes rows, and returns how often one was added or changed."""

    def _resolved(self, insert: Any) -> Any:
        new = {c: insert.excluded[c] for c in self._columns if c not in self._key}
        derived = _DERIVED.get(self._table.name)
        if derived in new:
            new[derived] = func.coalesce(new[derived], self._table.c[derived])
        if not new:
            return insert.on_conflict_do_nothing(index_elements=self._key)
        # Another source may bring a row again; it stays the first one's.
        new_run = {"changed_in": insert.excluded.changed_in}
        differs = or_(*[self._table.c[c].is_distinct_from(value) for c, value in new.items()])
        return insert.on_conflict_do_update(
            index_elements=self._key, set_=new | new_run, where=differs
        )


class SqliteUpsert(Upsert):
    """Hands the driver one statement and all rows: twice as fast as through SQLAlchemy's types."""

    def __init__(
        self, connection: Connection, table: Table, columns: Sequence[str], mark: Mark
    ) -> None:
        super().__init__(connection, table, columns, mark)
        given = {name: bindparam(name, type_=table.c[name].type) for name in columns}
        insert = sqlite.insert(table).values(given | mark.columns())
        compiled = self._resolved(insert).compile(dialect=connection.dialect)
        self._sql = str(compiled)
        self._places = [columns.index(name) for name in compiled.positiontup]
        self._key_of = itemgetter(*[columns.index(name) for name in self._key])
        self._dates = [n for n, p in enumerate(self._places) if _is_date(table.c[columns[p]])]

    def write(self, rows: Sequence[Sequence[Any]]) -> int:
        # In the order of the key, neighbours go to one page: half the time of the rows' own order.
        # The sort is stable, so that of two rows of one key the later one stays the later one.
        parameters = self._parameters(sorted(rows, key=self._key_of))
        done = self._connection.exec_driver_sql(
            self._sql, parameters, execution_options={"preserve_rowcount": True}
        )
        return done.rowcount

    def _parameters(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The values in the statement's order, the dates as SQLAlchemy keeps them in SQLite."""
        columns = list(zip(*rows, strict=True))
        placed: list[Sequence[Any]] = [columns[place] for place in self._places]
        for place in self._dates:
            days = placed[place]
            written = {day: day and day.isoformat() for day in set(days)}
            placed[place] = list(map(written.__getitem__, days))
        return list(zip(*placed, strict=True))


class PostgresUpsert(Upsert):
    """Hands over one array for each column: twice as fast as a list of rows."""

    def __init__(
        self, connection: Connection, table: Table, columns: Sequence[str], mark: Mark
    ) -> None:
        super().__init__(connection, table, columns, mark)
        insert = postgresql.insert(table).from_select(
            [*columns, *mark.columns()], _unnested(table, columns, mark)
        )
        self._statement = self._resolved(insert).returning(table.c[self._key[0]])
        self._places = [columns.index(name) for name in self._key]

    def write(self, rows: Sequence[Sequence[Any]]) -> int:
        written = 0
        for batch in self._without_repeats(rows):
            arrays = dict(zip(self._columns, map(list, zip(*batch, strict=True)), strict=True))
            written += len(self._connection.execute(self._statement, arrays).all())
        return written

    def _without_repeats(self, rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
        """Cuts rows where a key comes again with other values; leaves exact repeats out.

        One statement of PostgreSQL must not write a row twice.
        """
        batch: dict[tuple[Any, ...], Sequence[Any]] = {}
        for row in rows:
            key = tuple([row[place] for place in self._places])
            held = batch.setdefault(key, row)
            if held is not row and held != row:
                yield list(batch.values())
                batch = {key: row}
        if batch:
            yield list(batch.values())


def upsert_of(connection: Connection, table: Table, columns: Sequence[str], mark: Mark) -> Upsert:
    """The upsert of a table's columns in the connection's kind of database."""
    kind = PostgresUpsert if connection.dialect.name == "postgresql" else SqliteUpsert
    return kind(connection, table, columns, mark)


def natural_key(table: Table) -> list[str]:
    """The columns that tell the rows of a table apart, for people."""
    if table.name == "student":
        return ["student_id"]
    return [column.name for column in table.primary_key]


def _is_date(column: Column[Any]) -> bool:
    return isinstance(column.type, Date)


def _unnested(table: Table, columns: Sequence[str], mark: Mark) -> Any:
    """Rows made of one array for each column."""
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in columns]
    rows = func.unnest(*arrays).table_valued(
        *[column(name, table.c[name].type) for name in columns]
    )
    return select(rows.render_derived(), *mark.columns().values())
