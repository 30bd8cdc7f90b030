"""Keeps copies of what left, compressed and sealed to the holder's own key."""

import asyncio
import datetime as dt
import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, Engine, Select, bindparam, delete, insert, select, text

from homeroom.errors import EvidenceInvalidError
from homeroom.packing import packed, unpacked
from homeroom.sealing import BatchOpener, BatchSealer, SealingKey
from homeroom.signing import digest_of
from services.node.domain.copies import CopiedPiece, OpenedCopies
from services.node.store.database import available
from services.node.store.disclosure_tables import COPY_KEY, RELEASED_COPY
from services.runtime.database import insert_many, writing

_COPY = RELEASED_COPY.c
_KEY_BYTES = 32
# So much of what was kept may stay in the database's cache, where nobody looks for it again: the
# cache has room for many consents, and a large answer's copies would fill it.
_MOST_CACHED_BYTES = 2**20
_FROM_THERE = delete(RELEASED_COPY).where(
    _COPY.query_digest == bindparam("digest"), _COPY.sequence >= bindparam("first")
)


class CopyStore:
    """Copies in SQLite or PostgreSQL; implements `Copies` and `CopyShelf`.

    HPKE costs more than sealing and compressing a small answer: so the copies of one run of the
    node share a key, which is sealed to the organization's sealing key.
    """

    def __init__(
        self,
        state: Engine,
        sealing_key: SealingKey,
        holder: str,
        former: Sequence[SealingKey] = (),
    ) -> None:
        self._state = state
        self._keys = (sealing_key, *former)
        self._context = b"homeroom/copy-key/v1\x00" + holder.encode()
        self._sealer = BatchSealer(sealing_key.public, self._context)
        self._key_id = digest_of(self._sealer.sealed_key).hex()
        self._places = itertools.count()
        self._cached_bytes = 0

    @available()
    def begin(self) -> None:
        """Keeps this run's key, before anything is sealed with it."""
        with writing(self._state) as connection:
            connection.execute(
                insert(COPY_KEY).values(
                    key_id=self._key_id,
                    sealed_key=self._sealer.sealed_key,
                    made_at=int(time.time()),
                )
            )

    def seal(
        self, query_digest: bytes, sequence: int, content_key: bytes, piece: bytes
    ) -> CopiedPiece:
        place = next(self._places)
        # Here small ones are compressed too: there are many, and only the holder has them.
        content = content_key + packed(piece, compressed_from=0)
        query = query_digest.hex()
        sealed = self._sealer.seal(place, content, _place_of(query, sequence))
        return CopiedPiece(query, sequence, self._key_id, place, sealed)

    async def keep(self, copied: Sequence[CopiedPiece]) -> None:
        await asyncio.to_thread(self._keep, copied)

    async def some_of(self, query_digest: bytes, first: int, most: int) -> Sequence[bytes]:
        return await asyncio.to_thread(self._some_of, query_digest.hex(), first, most)

    @available()
    def of_query(self, query_digest: str) -> OpenedCopies | None:
        """What was kept of one answer; None if nothing is.

        Raises:
            EvidenceInvalidError: if the holder's sealing key does not open it.
        """
        with self._state.connect() as connection:
            rows = connection.execute(_kept_of(query_digest)).all()
        opened = self._all_opened(rows, 0)
        return OpenedCopies(opened[0][0], [piece for _, piece in opened]) if opened else None

    @available()
    def forget_before(self, instant: dt.datetime) -> int:
        """Deletes those that are older; returns how many pieces they were."""
        old = _COPY.made_at < int(instant.timestamp())
        with writing(self._state) as connection:
            return connection.execute(delete(RELEASED_COPY).where(old)).rowcount

    @available()
    def _keep(self, copied: Sequence[CopiedPiece]) -> None:
        first = {"digest": copied[0].query_digest, "first": copied[0].sequence}
        with writing(self._state) as connection:
            connection.execute(_FROM_THERE, first)
            _insert(connection, copied)
        self._cached_bytes += sum(len(one.sealed) for one in copied)
        if self._cached_bytes > _MOST_CACHED_BYTES:
            self._cached_bytes = 0
            self._empty_cache()

    def _empty_cache(self) -> None:
        """Of the connection used last, which is the one that kept them."""
        if self._state.dialect.name == "sqlite":
            with self._state.connect() as connection:
                connection.execute(text("PRAGMA shrink_memory"))

    @available()
    def _some_of(self, query_digest: str, first: int, most: int) -> Sequence[bytes]:
        chosen = _kept_of(query_digest).where(_COPY.sequence >= first).limit(most)
        with self._state.connect() as connection:
            rows = connection.execute(chosen).all()
        return [piece for _, piece in self._all_opened(rows, first)]

    def _all_opened(self, rows: Sequence[Any], first: int) -> Sequence[tuple[bytes, bytes]]:
        """The content key and the piece of each row; one follows the other, from the first on."""
        if [row.sequence for row in rows] != list(range(first, first + len(rows))):
            raise EvidenceInvalidError("a copy of an answer is not whole")
        return [self._opened(row) for row in rows]

    def _opened(self, row: Any) -> tuple[bytes, bytes]:
        opener = self._opener(row.sealed_key)
        place = _place_of(row.query_digest, row.sequence)
        content = opener.open(row.place, row.sealed, place)
        return content[:_KEY_BYTES], unpacked(content[_KEY_BYTES:]).to_pybytes()

    def _opener(self, sealed_key: bytes) -> BatchOpener:
        """With whichever of the organization's keys it was that the run's key was sealed to."""
        for key in self._keys:
            with suppress(EvidenceInvalidError):
                return BatchOpener(sealed_key, key, self._context)
        raise EvidenceInvalidError("no sealing key of this node opens a copy")


def _kept_of(query_digest: str) -> Select[Any]:
    return (
        select(RELEASED_COPY, COPY_KEY.c.sealed_key)
        .join(COPY_KEY, COPY_KEY.c.key_id == _COPY.key_id)
        .where(_COPY.query_digest == query_digest)
        .order_by(_COPY.sequence)
    )


def write_copies(connection: Connection, noted: Sequence[tuple[Any, CopiedPiece]]) -> None:
    """Keeps pieces with the log's entries: all are written, or none is."""
    _insert(connection, [copied for _, copied in noted])


def _insert(connection: Connection, copied: Sequence[CopiedPiece]) -> None:
    now = int(time.time())
    rows = [(c.query_digest, c.sequence, c.key_id, c.place, now, c.sealed) for c in copied]
    insert_many(connection, RELEASED_COPY, rows)


def _place_of(query_digest: str, sequence: int) -> bytes:
    return b"homeroom/released-copy/v1\x00" + f"{query_digest}/{sequence}".encode()
