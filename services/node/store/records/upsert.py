"""Adds or changes rows of a table by their natural key, in SQLite and in PostgreSQL."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ARRAY, Connection, Table, bindparam, column, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

# A value that the source leaves out does not undo what was derived for it.
_DERIVED = {"student": "school_id", "school": "attendance_kind"}


class Upsert:
    """The upsert of certain columns of a table, prepared once for many batches of rows.

    A row that stays as it is is not touched, and those touched are returned, so that they can be
    counted.
    """

    def __init__(self, connection: Connection, table: Table, columns: Sequence[str]) -> None:
        self._connection = connection
        self._columns = columns
        self._key = natural_key(table)
        self._places = [columns.index(name) for name in self._key]
        self._in_arrays = connection.dialect.name == "postgresql"
        if self._in_arrays:
            insert: Any = postgresql.insert(table).from_select(columns, _unnested(table, columns))
        else:
            insert = sqlite.insert(table)
        self._statement = self._resolved(insert, table).returning(table.c[self._key[0]])

    def write(self, rows: Iterable[Sequence[Any]]) -> int:
        """Writes rows, and returns how many of them added or changed something."""
        written = 0
        for batch in self._without_repeats(rows):
            done = self._connection.execute(self._statement, self._parameters(batch))
            written += len(done.all())
        return written

    def _resolved(self, insert: Any, table: Table) -> Any:
        new = {c: insert.excluded[c] for c in self._columns if c not in self._key}
        derived = _DERIVED.get(table.name)
        if derived in new:
            new[derived] = func.coalesce(new[derived], table.c[derived])
        if not new:
            return insert.on_conflict_do_nothing(index_elements=self._key)
        differs = or_(*[table.c[c].is_distinct_from(value) for c, value in new.items()])
        return insert.on_conflict_do_update(index_elements=self._key, set_=new, where=differs)

    def _parameters(self, rows: Sequence[Sequence[Any]]) -> Any:
        if self._in_arrays:
            return dict(zip(self._columns, map(list, zip(*rows, strict=True)), strict=True))
        return [dict(zip(self._columns, row, strict=True)) for row in rows]

    def _without_repeats(self, rows: Iterable[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
        """Cuts rows where a key comes again with other values; leaves exact repeats out.

        One statement must not write a row twice: PostgreSQL refuses to.
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


def natural_key(table: Table) -> list[str]:
    """The columns that tell the rows of a table apart, for people."""
    if table.name == "student":
        return ["student_id"]
    return [column.name for column in table.primary_key]


def _unnested(table: Table, columns: Sequence[str]) -> Any:
    """Rows made of one array for each column: PostgreSQL reads a batch five times as fast so."""
    arrays = [bindparam(name, type_=ARRAY(table.c[name].type)) for name in columns]
    rows = func.unnest(*arrays).table_valued(
        *[column(name, table.c[name].type) for name in columns]
    )
    return select(rows.render_derived())
