"""Signs how a log is, and keeps what was signed."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from homeroom.audit.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from homeroom.errors import EvidenceInvalidError, InternalError, LogUnavailableError
from homeroom.merkle import consistency_path, root_of
from homeroom.signing import SigningKey
from services.runtime.audit.tables import LogTables, Tiles
from services.runtime.database import writing
from services.runtime.tiles import TiledTree

_EVERY_SECONDS = 1.0
_THIN_SECONDS = 3600.0
_DAY_SECONDS = 24 * 3600
_KEPT_WHOLE_SECONDS = 30 * _DAY_SECONDS


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint of a log, and how the log grew to it.

    Attributes:
        consistency_path: from the size that was asked for; empty if there is none.
    """

    note: str
    size: int
    consistency_path: bytes


class CheckpointSigner:
    """Signs checkpoints of one log; one is kept for each size that was signed.

    Attributes:
        signed: the size that `keep_signing` signed last, and when, in seconds since 1970.
    """

    def __init__(
        self, engine: Engine, tables: LogTables, origin: str, private_key: SigningKey
    ) -> None:
        """Signs for a log.

        Args:
            engine: the database that the log is in.
            tables: where the log is.
            origin: the name of the log and of the key.
            private_key: the checkpoint key.
        """
        self._engine = engine
        self._tables = tables
        self._origin = origin
        self._private_key = private_key
        self.signed = (0, 0.0)

    def sign(self, known_size: int = 0) -> SignedCheckpoint:
        """A checkpoint of all entries there are; signed once and kept before anyone sees it.

        Raises:
            LogUnavailableError: if the log cannot be read or the checkpoint not be kept.
        """
        try:
            with self._engine.connect() as connection:
                size = self._tables.size(connection)
                tree = TiledTree(Tiles(connection, self._tables.tile))
                root = root_of(tree, size)
                path = consistency_path(tree, known_size, size) if known_size <= size else b""
        except (SQLAlchemyError, OSError, InternalError):
            raise LogUnavailableError("the log cannot be signed") from None
        return SignedCheckpoint(self.note(size, root), size, path)

    def note(self, size: int, root: bytes) -> str:
        """The checkpoint of a log that was just read; signed once and kept before anyone sees it.

        Raises:
            LogUnavailableError: if it cannot be kept, or another was signed of this size: then
                somebody has been at the log.
        """
        checkpoint = Checkpoint(self._origin, size, root)
        try:
            with self._engine.connect() as connection:
                note = self._tables.note_at(connection, size) or ""
            note = note or self._keep(checkpoint)
            if read_checkpoint(note) == checkpoint:
                return note
        except (SQLAlchemyError, OSError, EvidenceInvalidError):
            raise LogUnavailableError("the log cannot be signed") from None
        raise LogUnavailableError("the log was signed otherwise before")

    async def keep_signing(self) -> None:
        """Signs about once a second while the log grows, and thins what was signed long ago."""
        signed, thinned = -1, 0.0
        while True:
            # A full disk frees itself, or the next try signs.
            with suppress(LogUnavailableError):
                size = await asyncio.to_thread(self._size)
                if size != signed:
                    signed = (await asyncio.to_thread(self.sign)).size
                    self.signed = (signed, time.time())
                if not thinned or time.monotonic() - thinned >= _THIN_SECONDS:
                    thinned = time.monotonic()
                    await asyncio.to_thread(self.thin, int(time.time()) - _KEPT_WHOLE_SECONDS)
            await asyncio.sleep(_EVERY_SECONDS)

    def thin(self, before: int) -> int:
        """Forgets checkpoints that were signed earlier, but for one a day; returns how many.

        The tree proves what they did. Of a day the one stays that most have cosigned, and of those
        the last.

        Args:
            before: in seconds since 1970.

        Raises:
            LogUnavailableError: if it cannot be done now.
        """
        kept = self._tables.checkpoint.c
        chosen = select(kept.size, kept.note, kept.signed_at).where(kept.signed_at < before)
        best: dict[int, tuple[int, int]] = {}
        sizes: set[int] = set()
        try:
            with writing(self._engine) as connection:
                for row in connection.execute(chosen):
                    sizes.add(row.size)
                    day, rank = row.signed_at // _DAY_SECONDS, (row.note.count("\n"), row.size)
                    best[day] = max(best.get(day, rank), rank)
                forgotten = sizes - {size for _lines, size in best.values()}
                for one in sorted(forgotten):
                    connection.execute(delete(self._tables.checkpoint).where(kept.size == one))
        except (SQLAlchemyError, OSError):
            raise LogUnavailableError("what was signed cannot be thinned") from None
        return len(forgotten)

    async def sign_last(self) -> None:
        """Signs what there is when nothing more is written."""
        with suppress(LogUnavailableError):
            await asyncio.to_thread(self.sign)

    def _size(self) -> int:
        try:
            with self._engine.connect() as connection:
                return self._tables.size(connection)
        except (SQLAlchemyError, OSError):
            raise LogUnavailableError("the log cannot be read") from None

    def _keep(self, checkpoint: Checkpoint) -> str:
        note = sign_checkpoint(checkpoint, self._origin, self._private_key)
        kept = {"size": checkpoint.size, "note": note, "signed_at": int(time.time())}
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(self._tables.checkpoint).values(kept))
        except IntegrityError:
            # A service that is being replaced signed the same size.
            with self._engine.connect() as connection:
                return self._tables.note_at(connection, checkpoint.size) or note
        return note
