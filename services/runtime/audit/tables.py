"""The tables of a log, which each service has in its own database."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    select,
    text,
)

from homeroom.audit import AuditEntry
from homeroom.errors import LogUnavailableError
from homeroom.merkle import HASH_BYTES
from services.runtime.database import insert_many
from services.runtime.statements import Statement
from services.runtime.tiles import TILE, TiledTree


@dataclass(frozen=True, slots=True)
class LogTables:
    """Where a log is kept.

    Attributes:
        entry: `log_index`, `kind`, `query_digest`, `written_at`, `salt`, `content`, `leaf`, in this
            order; a kind and a query digest stand together once.
        tile: `level`, `place`, `hashes`: the tree over the leaves.
        checkpoint: `size`, `note`, `signed_at`: what was signed of it.
    """

    entry: Table
    tile: Table
    checkpoint: Table

    def size(self, connection: Connection) -> int:
        """How many entries there are; of a log that lacks some, up to the last."""
        (last,) = _last_of(self.entry).execute(connection, {}).fetchone()
        return 0 if last is None else int(last) + 1

    def known(self, connection: Connection, digests: Sequence[str]) -> set[tuple[str, str]]:
        """Which entries there are about these queries: the kind and the digest of each."""
        # One is named several times, so that there are few statements and each is written once.
        places = 1 << (len(digests) - 1).bit_length()
        filled = [*digests, *[digests[-1]] * (places - len(digests))]
        given = {_place(number): digest for number, digest in enumerate(filled)}
        found = _known_of(self.entry, places).execute(connection, given)
        return {(kind, digest) for kind, digest in found.fetchall()}

    def note_at(self, connection: Connection, size: int) -> str | None:
        """The checkpoint of a size, if that was signed."""
        kept = self.checkpoint.c
        return connection.scalar(select(kept.note).where(kept.size == size))

    def lock(self, connection: Connection) -> None:
        """Nobody else appends until this transaction ends."""
        if connection.dialect.name == "postgresql":
            # A service that is being replaced may still write: then they wait for each other.
            # SQLite takes its one write lock when the transaction begins.
            connection.execute(text(f"LOCK TABLE {self.entry.name} IN EXCLUSIVE MODE"))

    def append(self, connection: Connection, entries: Sequence[AuditEntry]) -> list[bytes]:
        """Adds entries that follow the last one; returns their leaves.

        Raises:
            LogUnavailableError: if the tree does not end where the entries do: somebody has been
                at the tables, and nothing is added to what was changed.
        """
        if not entries:
            return []
        leaves = [entry.leaf() for entry in entries]
        rows = [
            (e.index, e.kind, e.query_digest, e.at, e.salt, e.content, leaf)
            for e, leaf in zip(entries, leaves, strict=True)
        ]
        size = entries[0].index
        tree = TiledTree(Tiles(connection, self.tile))
        place, within = divmod(size, TILE)
        if len(tree.tile(0, place)) != within * HASH_BYTES:
            raise LogUnavailableError("the log was cut off or lengthened by hand")
        insert_many(connection, self.entry, rows)
        tree.append(size, leaves)
        return leaves


def log_tables(metadata: MetaData) -> LogTables:
    """The tables of a service's log, among its others; `create_log` makes them."""
    entry = Table(
        "log_entry",
        metadata,
        Column("log_index", BigInteger, primary_key=True, autoincrement=False),
        Column("kind", String, nullable=False),
        Column("query_digest", String, nullable=False),
        Column("written_at", BigInteger, nullable=False),
        Column("salt", LargeBinary, nullable=False),
        Column("content", String, nullable=False),
        Column("leaf", LargeBinary, nullable=False),
        UniqueConstraint("kind", "query_digest"),
    )
    tile = Table(
        "log_tile",
        metadata,
        Column("level", Integer, primary_key=True, autoincrement=False),
        Column("place", BigInteger, primary_key=True, autoincrement=False),
        Column("hashes", LargeBinary, nullable=False),
    )
    checkpoint = Table(
        "log_checkpoint",
        metadata,
        Column("size", BigInteger, primary_key=True, autoincrement=False),
        Column("note", String, nullable=False),
        Column("signed_at", BigInteger, nullable=False),
    )
    return LogTables(entry, tile, checkpoint)


class Tiles:
    """The tiles of one connection; implements `TileShelf`."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table

    def load(self, level: int, place: int) -> bytes:
        found = _tile_of(self._table).execute(self._connection, {"level": level, "place": place})
        hashes = found.fetchone()
        return bytes(hashes[0]) if hashes else b""

    def save(self, level: int, place: int, hashes: bytes) -> None:
        kept = {"at_level": level, "at_place": place, "longer": hashes}
        if not _longer_tile(self._table).execute(self._connection, kept).rowcount:
            insert_many(self._connection, self._table, [(level, place, hashes)])


def _place(number: int) -> str:
    return f"digest_{number}"


@cache
def _last_of(entry: Table) -> Statement:
    return Statement(select(func.max(entry.c.log_index)))


@cache
def _known_of(entry: Table, places: int) -> Statement:
    kept = entry.c
    named: list[BindParameter[str]] = [bindparam(_place(number)) for number in range(places)]
    return Statement(select(kept.kind, kept.query_digest).where(kept.query_digest.in_(named)))


@cache
def _tile_of(tile: Table) -> Statement:
    kept = tile.c
    of_place = (kept.level == bindparam("level"), kept.place == bindparam("place"))
    return Statement(select(kept.hashes).where(*of_place))


@cache
def _longer_tile(tile: Table) -> Statement:
    kept = tile.c
    of_place = (kept.level == bindparam("at_level"), kept.place == bindparam("at_place"))
    return Statement(tile.update().where(*of_place).values(hashes=bindparam("longer")))


def entry_of(row: Row[Any]) -> AuditEntry:
    """The entry of a row."""
    return AuditEntry(
        row.log_index, row.written_at, row.kind, row.query_digest, bytes(row.salt), row.content
    )
