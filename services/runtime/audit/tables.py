"""The tables of a log, which each service has in its own database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select, text

from homeroom.audit import AuditEntry
from homeroom.errors import LogUnavailableError
from homeroom.merkle import HASH_BYTES
from services.runtime.database import insert_many
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
        places = self.entry.c.log_index
        last = connection.scalar(select(places).order_by(places.desc()).limit(1))
        return 0 if last is None else int(last) + 1

    def known(self, connection: Connection, digests: Sequence[str]) -> set[tuple[str, str]]:
        """Which entries there are about these queries: the kind and the digest of each."""
        kept = self.entry.c
        chosen = select(kept.kind, kept.query_digest).where(kept.query_digest.in_(set(digests)))
        return {(row.kind, row.query_digest) for row in connection.execute(chosen)}

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
        shelf = Tiles(connection, self.tile)
        place, within = divmod(size, TILE)
        if len(shelf.load(0, place)) != within * HASH_BYTES:
            raise LogUnavailableError("the log was cut off or lengthened by hand")
        insert_many(connection, self.entry, rows)
        TiledTree(shelf).append(size, leaves)
        return leaves


class Tiles:
    """The tiles of one connection; implements `TileShelf`."""

    def __init__(self, connection: Connection, table: Table) -> None:
        self._connection = connection
        self._table = table

    def load(self, level: int, place: int) -> bytes:
        tile = self._table.c
        chosen = select(tile.hashes).where(tile.level == level, tile.place == place)
        return bytes(self._connection.execute(chosen).scalar_one_or_none() or b"")

    def save(self, level: int, place: int, hashes: bytes) -> None:
        tile = self._table
        chosen = delete(tile).where(tile.c.level == level, tile.c.place == place)
        self._connection.execute(chosen)
        self._connection.execute(insert(tile).values(level=level, place=place, hashes=hashes))


def entry_of(row: Row[Any]) -> AuditEntry:
    """The entry of a row."""
    return AuditEntry(
        row.log_index, row.written_at, row.kind, row.query_digest, bytes(row.salt), row.content
    )
