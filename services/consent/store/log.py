"""Keeps the tree over all changes: its hashes in tiles, in the transaction of each."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from homeroom.consent_log import LogEntry
from homeroom.merkle import consistency_path, inclusion_path, root_of, whole_roots
from services.consent.domain.ledger import Appended, LogHead, Proof
from services.consent.store.tables import ConsentTable
from services.runtime.tiles import TiledTree

_TILE = ConsentTable.metadata.tables["consent_log_tile"]


class _SqlTiles:
    """The tiles of one connection; implements `TileShelf`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def load(self, level: int, place: int) -> bytes:
        chosen = select(_TILE.c.hashes).where(_TILE.c.level == level, _TILE.c.place == place)
        return bytes(self._connection.execute(chosen).scalar_one_or_none() or b"")

    def save(self, level: int, place: int, hashes: bytes) -> None:
        chosen = delete(_TILE).where(_TILE.c.level == level, _TILE.c.place == place)
        self._connection.execute(chosen)
        self._connection.execute(insert(_TILE).values(level=level, place=place, hashes=hashes))


def append(connection: Connection, entries: Sequence[LogEntry]) -> None:
    """Adds entries that follow each other to the log."""
    leaves = [entry.leaf() for entry in entries]
    TiledTree(_SqlTiles(connection)).append(entries[0].sequence - 1, leaves)


def head_at(connection: Connection, size: int) -> LogHead:
    """The root over the first entries."""
    return LogHead(size, root_of(TiledTree(_SqlTiles(connection)), size))


def appended(connection: Connection, size_before: int, size: int) -> Appended:
    """How the log grew from one size to another."""
    tree = TiledTree(_SqlTiles(connection))
    head = LogHead(size, root_of(tree, size))
    return Appended(head, size_before, whole_roots(tree, size_before))


def proof_of(connection: Connection, entries: Sequence[LogEntry], size: int) -> Proof:
    """Entries with their inclusion paths in the log of that size."""
    tree = TiledTree(_SqlTiles(connection))
    proved = [(entry, inclusion_path(tree, entry.sequence - 1, size)) for entry in entries]
    return Proof(LogHead(size, root_of(tree, size)), proved)


def growth(connection: Connection, known_size: int, size: int) -> tuple[LogHead, bytes]:
    """The head of a size, and the consistency path from a smaller one."""
    tree = TiledTree(_SqlTiles(connection))
    return LogHead(size, root_of(tree, size)), consistency_path(tree, known_size, size)
