"""Keeps a copy of what leaves about students, so that a family can be given it (34 CFR 99.30(c)).

A copy is the exact piece of the answer's stream as it was sealed, kept before that piece leaves;
records that are corrected later do not change it. With it stands the answer's own content key:
whoever seals the copies again gets the digest that the log and the requester's receipt name.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from homeroom.clock import Clock
from homeroom.errors import LogUnavailableError

_LOOK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class CopiedPiece:
    """One piece of an answer, sealed to the holder itself.

    Attributes:
        query_digest: hexadecimal.
        sequence: the piece's place in the answer.
        key_id: the key that it is sealed with; place: its place under that key.
    """

    query_digest: str
    sequence: int
    key_id: str
    place: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class OpenedCopies:
    """What was kept of one answer, opened.

    Attributes:
        content_key: the key that sealed the answer to its requester.
        pieces: the pieces of its stream, in order, as they were sealed.
    """

    content_key: bytes = field(repr=False)
    pieces: Sequence[bytes] = field(repr=False)


class Copies(Protocol):
    """Where copies are kept."""

    def seal(
        self, query_digest: bytes, sequence: int, content_key: bytes, piece: bytes
    ) -> CopiedPiece:
        """Seals a piece to the holder; whoever seals it keeps it too."""
        ...

    async def keep(self, copied: Sequence[CopiedPiece]) -> None:
        """Keeps pieces that follow one another, all durably or none.

        They stand in the place of any of the same answer that were kept there or further on, and
        so did not leave.

        Raises:
            LogUnavailableError: if they cannot be kept; then none of them may leave.
        """
        ...

    async def some_of(self, query_digest: bytes, first: int, most: int) -> Sequence[bytes]:
        """Some pieces of one answer in order, from a place on, as they were sealed.

        Raises:
            EvidenceInvalidError: if the holder's sealing key does not open one, or one is missing.
            LogUnavailableError: if they cannot be read.
        """
        ...


class CopyShelf(Protocol):
    """Where kept copies are read, and forgotten when their time is over."""

    def of_query(self, query_digest: str) -> OpenedCopies | None:
        """What was kept of one answer; None if nothing is.

        Raises:
            EvidenceInvalidError: if the holder's sealing key does not open it.
        """
        ...

    def forget_before(self, instant: dt.datetime) -> int:
        """Deletes those that are older; returns how many pieces they were."""
        ...


async def forget_old_copies(shelf: CopyShelf, kept: dt.timedelta, clock: Clock) -> None:
    """Deletes what is older than it is to be kept, for as long as the node runs."""
    while True:
        with suppress(LogUnavailableError):  # a full disk frees itself, or the next try deletes
            await asyncio.to_thread(shelf.forget_before, clock() - kept)
        await asyncio.sleep(_LOOK_SECONDS)
