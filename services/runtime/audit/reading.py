"""Reads a log, and checks its rows and tiles against each other."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row, select
from sqlalchemy.exc import OperationalError

from homeroom.audit import AuditEntry
from homeroom.audit.checkpoint import read_checkpoint
from homeroom.audit.exported import Header, export_lines
from homeroom.audit.findings import Fault, Subject
from homeroom.audit.verifying import LogKeys, Verified, Verifier
from homeroom.errors import LogUnavailableError
from homeroom.merkle import HASH_BYTES, consistency_path, root_of
from homeroom.signing import SigningKey
from services.runtime.audit.checkpoints import CheckpointSigner
from services.runtime.audit.tables import LogTables, Tiles, entry_of
from services.runtime.database import writing
from services.runtime.tiles import TILE, TiledTree, tile_root


class LogReader:
    """A log as it is kept in one database."""

    def __init__(self, engine: Engine, tables: LogTables) -> None:
        self._engine = engine
        self._tables = tables

    def size(self) -> int:
        """How many entries there are.

        Raises:
            LogUnavailableError: if the log cannot be read now.
        """
        with _readable(), self._engine.connect() as connection:
            return self._tables.size(connection)

    def root(self, size: int) -> bytes:
        """The root over the first entries; raises as `size` does."""
        with _readable(), self._engine.connect() as connection:
            return root_of(TiledTree(Tiles(connection, self._tables.tile)), size)

    def path(self, known_size: int, size: int) -> bytes:
        """What proves that the first entries are the beginning of more; raises as `size` does."""
        with _readable(), self._engine.connect() as connection:
            tree = TiledTree(Tiles(connection, self._tables.tile))
            return consistency_path(tree, known_size, size)

    def entries(self) -> Iterator[AuditEntry]:
        """Every entry, oldest first."""
        kept = self._tables.entry
        with self._engine.connect() as connection:
            for row in connection.execute(select(kept).order_by(kept.c.log_index)):
                yield entry_of(row)

    def written_at(self, index: int) -> int:
        """When an entry was written; raises as `size` does."""
        kept = self._tables.entry.c
        with _readable(), self._engine.connect() as connection:
            written = connection.scalar(select(kept.written_at).where(kept.log_index == index))
        return int(written or 0)

    def note_at(self, size: int) -> str | None:
        """The checkpoint of a size, if that was signed."""
        with _readable(), self._engine.connect() as connection:
            return self._tables.note_at(connection, size)

    def keep_lines(self, size: int, note: str, longer: str) -> None:
        """Keeps a checkpoint in the place of the same one with fewer lines below it."""
        kept = self._tables.checkpoint
        same = (kept.c.size == size, kept.c.note == note)
        with _readable(), writing(self._engine) as connection:
            connection.execute(kept.update().where(*same).values(note=longer))

    def checkpoints(self, after_size: int = -1) -> Iterator[str]:
        """The notes that were signed of sizes above one, the smallest first."""
        kept = self._tables.checkpoint.c
        chosen = select(kept.note).where(kept.size > after_size).order_by(kept.size)
        with self._engine.connect() as connection:
            yield from connection.scalars(chosen)

    def signer(self, origin: str, private_key: SigningKey) -> CheckpointSigner:
        """What signs checkpoints of this log."""
        return CheckpointSigner(self._engine, self._tables, origin, private_key)

    def verify(self, origin: str = "", key: bytes | None = None) -> Verified:
        """Verifies every entry, checkpoint and tile against the others.

        Args:
            origin: the name of the log; by default whatever its checkpoints say.
            key: the key that signed its checkpoints; without it no signature is checked.
        """
        with self._engine.connect() as connection:
            notes = list(connection.execute(select(self._tables.checkpoint)))
            verifier = Verifier(origin or _origin_of(notes), LogKeys(key))
            for row in notes:
                verifier.checkpoint(row.note, in_place=False, kept_at=row.size)
            leaves = []
            for entry, leaf in self._rows(connection):
                verifier.entry(entry.encode(), leaf)
                leaves.append(leaf)
            for first in _wrong_tiles(connection, self._tables, leaves):
                verifier.findings.note(Fault.CHANGED, first, subject=Subject.TILE)
            return verifier.finish()

    def first_broken(self) -> int | None:
        """The first entry that anything is wrong with; None if nothing is."""
        return self.verify().first_broken

    def export(self, header: Header) -> Iterator[bytes]:
        """The lines of the exported log, of as many entries as its first line says."""
        kept = self._tables.entry
        chosen = select(kept).where(kept.c.log_index < header.size).order_by(kept.c.log_index)
        with self._engine.connect() as connection:
            notes = [
                note for note in self.checkpoints() if read_checkpoint(note).size <= header.size
            ]
            rows = ((entry_of(row), bytes(row.leaf)) for row in connection.execute(chosen))
            yield from export_lines(header, rows, notes)

    def _rows(self, connection: Connection) -> Iterator[tuple[AuditEntry, bytes]]:
        kept = self._tables.entry
        for row in connection.execute(select(kept).order_by(kept.c.log_index)):
            yield entry_of(row), bytes(row.leaf)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OperationalError:
        raise LogUnavailableError("the log cannot be read") from None


def _origin_of(notes: Sequence[Row[Any]]) -> str:
    """The name that the first checkpoint bears."""
    return min(notes, key=lambda row: row.size).note.partition("\n")[0] if notes else ""


def _wrong_tiles(connection: Connection, tables: LogTables, leaves: Sequence[bytes]) -> list[int]:
    """The first entry under each tile that is not what the leaves make it."""
    rows = connection.execute(select(tables.tile))
    kept = {(row.level, row.place): bytes(row.hashes) for row in rows}
    level, hashes, wrong = 0, leaves, list[int]()
    while hashes:
        whole = []
        for place in range(-(-len(hashes) // TILE)):
            expected = hashes[place * TILE : (place + 1) * TILE]
            at = _first_difference(kept.pop((level, place), b""), expected)
            if at is not None:
                wrong.append((place * TILE + at) * TILE**level)
            if len(expected) == TILE:
                whole.append(tile_root(b"".join(expected)))
        level, hashes = level + 1, whole
    # What is left covers no entry: of a log that was cut off, the tiles of what it lacks.
    wrong += [place * TILE ** (level + 1) for level, place in kept]
    return sorted(wrong)


def _first_difference(hashes: bytes, expected: Sequence[bytes]) -> int | None:
    if hashes == b"".join(expected):
        return None
    same = itertools.takewhile(
        lambda place: hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES] == expected[place],
        range(len(expected)),
    )
    return sum(1 for _ in same)
