"""Keeps frozen tables, and what each organization was told of them."""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select

from homeroom.audit import AuditEntry, AuditKind
from homeroom.errors import ChangedMeanwhileError, RequestInvalidError
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.aggregates import AskedTable, FrozenTable, Settled, TableRelease
from services.node.domain.disclosure.table import (
    Cell,
    Count,
    Earlier,
    Known,
    Line,
    Mark,
    Quantity,
    Table,
    outcomes,
    students,
)
from services.node.store.acts import write_act
from services.node.store.aggregate_tables import (
    AGGREGATE_CELL,
    AGGREGATE_LINE,
    AGGREGATE_MEMBER,
    AGGREGATE_SET,
    AGGREGATE_SNAPSHOT,
    AGGREGATE_TABLE,
    CONTRIBUTION,
    EARLIER_RELEASE,
    PUBLIC_TOTAL,
    RELEASE_LEDGER,
    RELEASED_CELL,
)
from services.node.store.database import available
from services.node.store.overlaps import small_differences
from services.runtime.database import insert_many, writing


class AggregateStore:
    """Frozen tables, in SQLite or PostgreSQL; implements `AggregateShelf`."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def freeze(self, tables: Iterable[FrozenTable], taken_at: dt.datetime) -> int:
        """Keeps tables that were counted at one instant; returns the snapshot's key."""
        with writing(self._state) as connection:
            snapshot = _added(connection, AGGREGATE_SNAPSHOT, taken_at=int(taken_at.timestamp()))
            names = []
            for table in tables:
                _keep(connection, snapshot, table)
                names.append(table.name)
            write_act(connection, AuditKind.TABLES_FROZEN, {"tables": names})
        return snapshot

    def note_contribution(self, requester: str, name: str, n: int, cell_id: str = "") -> None:
        """Notes how many students of a table, or of one cell of it, an organization supplied."""
        self._note(CONTRIBUTION, requester, name, cell_id=cell_id, n=n)

    def note_earlier(self, requester: str, name: str, n: int, difference: int) -> None:
        """Notes an answer by another way: of how many students, and how many differ."""
        self._note(EARLIER_RELEASE, requester, name, n=n, difference=difference)

    @available()
    def newest(self) -> Mapping[str, tuple[int, int]]:
        """For each name the newest table's cells, and when they were counted."""
        statement = (
            select(AGGREGATE_TABLE.c.name, AGGREGATE_SNAPSHOT.c.taken_at, func.count())
            .join(
                AGGREGATE_SNAPSHOT,
                AGGREGATE_SNAPSHOT.c.snapshot_key == AGGREGATE_TABLE.c.snapshot_key,
            )
            .join(AGGREGATE_CELL, AGGREGATE_CELL.c.table_key == AGGREGATE_TABLE.c.table_key)
            .group_by(
                AGGREGATE_TABLE.c.table_key, AGGREGATE_TABLE.c.name, AGGREGATE_SNAPSHOT.c.taken_at
            )
            .order_by(AGGREGATE_TABLE.c.table_key)
        )
        with self._state.connect() as connection:
            return {name: (count, at) for name, at, count in connection.execute(statement)}

    async def asked(self, requester: str, name: str, min_size: int) -> AskedTable | None:
        return await asyncio.to_thread(self._asked, requester, name, min_size)

    def _asked(self, requester: str, name: str, min_size: int) -> AskedTable | None:
        with self._state.connect() as connection:
            found = _newest_of(connection, name)
            if found is None:
                return None
            return _Reading(connection, requester, found, min_size).asked()

    def _note(self, table: Any, requester: str, name: str, **values: Any) -> None:
        with writing(self._state) as connection:
            found = _newest_of(connection, name)
            if found is None:
                raise RequestInvalidError("there is no table of that name", field="table")
            connection.execute(
                insert(table).values(requester=requester, table_key=found.table_key, **values)
            )


class _Reading:
    """One table as one organization asks for it, read in one transaction."""

    def __init__(self, connection: Connection, requester: str, found: Any, min_size: int) -> None:
        self._connection = connection
        self._requester = requester
        self._found = found
        self._min_size = min_size

    def asked(self) -> AskedTable:
        told = self._told()
        key = self._found.table_key
        rows = self._rows(AGGREGATE_CELL, {key, *told}, AGGREGATE_CELL.c.place)
        supplied = self._supplied({key, *told})
        differs: Mapping[int, frozenset[int]] = {}
        if key not in told:
            differs = small_differences(self._connection, self._requester, key, self._min_size)
        cells = {_id(row): _cell(row, supplied, differs) for row in rows}
        marks = self._marks({*told})
        lines, same = self._ties(rows, {key, *told})
        others = {cell_id: mark for cell_id, mark in marks.items() if _key_of(cell_id) != key}
        return AskedTable(
            table_key=key,
            dataset=self._found.dataset,
            elements=frozenset(map(Element, self._found.elements.split(";"))),
            own={cell_id: cell for cell_id, cell in cells.items() if _key_of(cell_id) == key},
            around=Table(cells, lines, same),
            known=Known(
                self._public({key, *told}) | _shown(cells, others),
                frozenset(c for c, mark in others.items() if mark is Mark.WITHHELD),
            ),
            earlier=self._earlier(),
            contributed=supplied.get((key, ""), 0),
            settled=self._settled(told.get(key), marks),
            before=len(told),
        )

    def _rows(self, table: Any, keys: Collection[int], *order: Any) -> list[Any]:
        chosen = select(table).where(table.c.table_key.in_(sorted(keys)))
        return list(self._connection.execute(chosen.order_by(table.c.table_key, *order)))

    def _told(self) -> Mapping[int, Any]:
        """The tables of this snapshot that the requester was told."""
        statement = (
            select(RELEASE_LEDGER)
            .join(AGGREGATE_TABLE, AGGREGATE_TABLE.c.table_key == RELEASE_LEDGER.c.table_key)
            .where(
                RELEASE_LEDGER.c.requester == self._requester,
                AGGREGATE_TABLE.c.snapshot_key == self._found.snapshot_key,
            )
        )
        return {row.table_key: row for row in self._connection.execute(statement)}

    def _marks(self, keys: Collection[int]) -> Mapping[str, Mark]:
        rows = self._rows(RELEASED_CELL, keys)
        return {_id(row): Mark(row.mark) for row in rows if row.requester == self._requester}

    def _supplied(self, keys: Collection[int]) -> Mapping[tuple[int, str], int]:
        rows = self._rows(CONTRIBUTION, keys)
        return {
            (row.table_key, row.cell_id): row.n for row in rows if row.requester == self._requester
        }

    def _public(self, keys: Collection[int]) -> dict[Quantity, int]:
        rows = self._rows(PUBLIC_TOTAL, keys)
        return {Quantity(_id(row), Count(row.counts)): row.n for row in rows}

    def _earlier(self) -> tuple[Earlier, ...]:
        rows = self._rows(EARLIER_RELEASE, {self._found.table_key})
        return tuple(
            Earlier(row.n, row.difference) for row in rows if row.requester == self._requester
        )

    def _settled(self, told: Any, marks: Mapping[str, Mark]) -> Settled | None:
        if told is None:
            return None
        reasons = frozenset(ReasonCode(word) for word in told.reasons.split(";") if word)
        own = {c: mark for c, mark in marks.items() if _key_of(c) == told.table_key}
        return Settled(own, reasons, told.min_size)

    def _ties(
        self, rows: Iterable[Any], keys: Collection[int]
    ) -> tuple[tuple[Line, ...], tuple[tuple[str, str], ...]]:
        """The lines of the tables, and which of their cells are about the same students."""
        lines: dict[tuple[int, int], list[str]] = {}
        places = self._rows(AGGREGATE_LINE, keys, AGGREGATE_LINE.c.line, AGGREGATE_LINE.c.place)
        for row in places:
            lines.setdefault((row.table_key, row.line), []).append(_id(row))
        tables = self._rows(AGGREGATE_TABLE, keys)
        measures = {row.table_key: row.measure for row in tables}
        first: dict[tuple[int, str], str] = {}
        equal: list[Line] = []
        same: list[tuple[str, str]] = []
        alike: dict[int, str] = {}
        for row in rows:
            if row.set_key is None or not row.n:
                continue
            named = (row.set_key, measures[row.table_key])
            if named in first:
                equal.append((first[named], _id(row)))
            elif row.set_key in alike:
                same.append((alike[row.set_key], _id(row)))
            first.setdefault(named, _id(row))
            alike.setdefault(row.set_key, _id(row))
        return (*map(tuple, lines.values()), *equal), tuple(same)


def write_release(connection: Connection, entry: AuditEntry, note: TableRelease) -> None:
    """Writes what an organization is told, in the transaction of the log's entry.

    Raises:
        ChangedMeanwhileError: if it was told another table since this was settled.
    """
    tables = select(AGGREGATE_TABLE.c.snapshot_key).where(
        AGGREGATE_TABLE.c.table_key == note.table_key
    )
    told = connection.scalar(
        select(func.count())
        .select_from(RELEASE_LEDGER)
        .join(AGGREGATE_TABLE, AGGREGATE_TABLE.c.table_key == RELEASE_LEDGER.c.table_key)
        .where(
            RELEASE_LEDGER.c.requester == note.requester,
            AGGREGATE_TABLE.c.snapshot_key == tables.scalar_subquery(),
        )
    )
    if told != note.before:
        raise ChangedMeanwhileError("another table was told meanwhile; ask again")
    named = {"requester": note.requester, "table_key": note.table_key}
    connection.execute(
        insert(RELEASE_LEDGER).values(
            **named,
            log_index=entry.index,
            min_size=note.settled.min_size,
            reasons=";".join(sorted(note.settled.reasons)),
        )
    )
    connection.execute(
        insert(RELEASED_CELL),
        [
            {**named, "cell_id": cell_id.partition("/")[2], "mark": str(mark)}
            for cell_id, mark in note.settled.marks.items()
        ],
    )


def _keep(connection: Connection, snapshot: int, table: FrozenTable) -> None:
    key = _added(
        connection,
        AGGREGATE_TABLE,
        snapshot_key=snapshot,
        name=table.name,
        measure=table.measure,
        dataset=table.dataset,
        elements=";".join(sorted(table.elements)),
    )
    sets = {cell_id: _set_key(connection, who) for cell_id, who in table.members.items()}
    insert_many(
        connection,
        AGGREGATE_CELL,
        [
            (
                *(key, cell.cell_id, place, cell.school, cell.group, cell.n, cell.numerator),
                None if cell.rate is None else str(cell.rate),
                sets.get(cell.cell_id),
            )
            for place, cell in enumerate(table.cells)
        ],
    )
    insert_many(
        connection,
        AGGREGATE_LINE,
        [
            (key, number, place, cell_id)
            for number, line in enumerate(table.lines)
            for place, cell_id in enumerate(line)
        ],
    )
    totals = [(key, q.cell_id, str(q.of), n) for q, n in table.public.items()]
    insert_many(connection, PUBLIC_TOTAL, totals)


def _set_key(connection: Connection, members: frozenset[int]) -> int:
    """The key of a set of students, which is kept once however many cells count it."""
    digest = hashlib.sha256(" ".join(map(str, sorted(members))).encode()).hexdigest()
    known = connection.scalar(
        select(AGGREGATE_SET.c.set_key).where(AGGREGATE_SET.c.digest == digest)
    )
    if known is not None:
        return int(known)
    key = _added(connection, AGGREGATE_SET, digest=digest, size=len(members))
    insert_many(connection, AGGREGATE_MEMBER, [(key, one) for one in sorted(members)])
    return key


def _added(connection: Connection, table: Any, **values: Any) -> int:
    (column,) = table.primary_key.columns
    return int(connection.execute(insert(table).values(**values).returning(column)).scalar_one())


def _newest_of(connection: Connection, name: str) -> Any:
    chosen = select(AGGREGATE_TABLE).where(AGGREGATE_TABLE.c.name == name)
    return connection.execute(
        chosen.order_by(AGGREGATE_TABLE.c.snapshot_key.desc()).limit(1)
    ).first()


def _id(row: Any) -> str:
    """A cell's id among those of several tables."""
    return f"{row.table_key}/{row.cell_id}"


def _key_of(cell_id: str) -> int:
    return int(cell_id.partition("/")[0])


def _cell(
    row: Any, supplied: Mapping[tuple[int, str], int], differs: Mapping[int, frozenset[int]]
) -> Cell:
    return Cell(
        _id(row),
        row.school_id,
        row.group_label,
        row.n,
        row.numerator,
        None if row.rate_percent is None else Fraction(row.rate_percent),
        contributed=supplied.get((row.table_key, row.cell_id), 0),
        differs_by=differs.get(row.set_key, frozenset()),
    )


def _shown(cells: Mapping[str, Cell], marks: Mapping[str, Mark]) -> dict[Quantity, int]:
    """The counts that were shown in other tables of the snapshot."""
    found = {}
    for cell_id, mark in marks.items():
        cell = cells[cell_id]
        if mark is not Mark.WITHHELD:
            found[students(cell_id)] = cell.n
        if mark is Mark.SHOWN and cell.percent is not None:
            found[outcomes(cell_id)] = round(cell.percent * cell.n / 100)
    return found
