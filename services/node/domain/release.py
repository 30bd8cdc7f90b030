"""Releases one answer, frame by frame; the state is looked at again before each.

What is no longer permitted is dropped; when the question itself no longer is, the answer is cut and
says so. Of what leaves about students a copy is kept before it does.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from homeroom.audit import AuditKind
from homeroom.errors import (
    EvidenceInvalidError,
    LogUnavailableError,
    NotPermittedError,
    QueryReplayedError,
)
from homeroom.packing import packed, unpacked
from homeroom.sealing import AnswerContext, AnswerSealer
from homeroom.signing import digest_of
from services.node.domain.arrow_stream import ArrowStream, batch_in
from services.node.domain.copies import CopiedPiece
from services.node.domain.ending import (
    Closing,
    Ending,
    SealedRows,
    history_of,
    obligations_told,
    reasons_told,
)
from services.node.domain.log import Note
from services.node.domain.permission import Means, Permission
from services.node.domain.register import Manifest
from services.node.domain.ruling import Asked, Ruling
from services.node.domain.selection import (
    MOST_UNSENT,
    ROWS_PER_BATCH,
    Beginning,
    Narrowing,
)
from services.node.domain.unnamed import TableReader, Unnamed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Pending:
    """A batch that was read and has not left.

    Attributes:
        batch: as it was read, for it may be narrowed otherwise before it leaves.
        narrowing: what it was narrowed by when its piece was written and copied.
        rows: how many are left; the piece is empty where none is.
        sequence: the piece's place in the answer, if all before it leave.
    """

    batch: pa.RecordBatch
    narrowing: Narrowing | None
    rows: int
    sequence: int
    piece: bytes


class Release:
    """Releases one answer, batch by batch."""

    def __init__(
        self,
        means: Means,
        asked: Asked,
        ruling: Ruling,
        beginning: Beginning,
        unnamed: Unnamed | None,
    ) -> None:
        self._means = means
        self.beginning = beginning
        self._unnamed = unnamed
        self._asked = asked
        # The rows are read later: of whom they tell only by then, the log does not know.
        self._permission = Permission(means, asked, ruling, beginning.coverage, unnamed)
        self._begun = self._permission.begun
        self._sealer = AnswerSealer(
            asked.requester.sealing_key,
            AnswerContext(asked.digest, means.holder.organization_id),
        )
        self._reader = beginning.reader
        self._pending: deque[_Pending] = deque()
        self._sequence = 0
        self._row_count = 0
        self._before_end: tuple[int, bytes] | None = None
        self.began = 0
        self._runs = self._ended = self._read_all = self._read_closed = False
        self._stopping = False
        self._runner: object = None
        self._one_at_a_time = asyncio.Lock()
        self._step: asyncio.Future[Any] | None = None
        self._closing: Closing | None = None
        self._copied: dict[int, bytes] = {}

    async def open(self) -> Sequence[Note]:
        """Begins to read what may leave; gives the copy of the first batch about students.

        It is kept with the decision: a small answer costs no transaction of its own.
        """
        begun, rows = self._begun, self._unnamed.rows if self._unnamed is not None else None
        if self._asked.question.validate_only or (begun is None and rows is None):
            return []
        if begun is not None:
            chosen = begun.telling(self.beginning.coverage.called_for)
            self._schema = chosen.schema
            self._reader = self._reader or await self._means.records.open(chosen)
        elif rows is not None:
            self._schema = rows.schema
            self._reader = TableReader(rows, ROWS_PER_BATCH)
        self._stream = ArrowStream(self._schema)
        return await self._read()

    @property
    def ruling(self) -> Ruling:
        """What was decided, by the newest evidence."""
        return self._permission.ruling

    @property
    def pieces(self) -> int:
        """How many pieces with rows have left."""
        return self._sequence if self._before_end is None else self._before_end[0]

    @property
    def may_go_on(self) -> bool:
        """Whether it can be gone on with, or told again, where its caller lost it.

        What left is told again from its copies, of which there are none where nobody is told of.
        """
        keeps = self._means.copies is not None and self._begun is not None
        cut = self._closing is not None and self._closing.ending is not Ending.ANSWERED
        return (
            keeps
            and self._reader is not None
            and not (cut or self._ended or self._permission.refused)
        )

    @property
    def is_busy(self) -> bool:
        """Whether a step is still at work that its caller did not wait for."""
        return self._step is not None and not self._step.done()

    @property
    def is_told(self) -> bool:
        """Whether all of it was told once."""
        return self._closing is not None

    def frames_digest(self, pieces: int) -> bytes:
        """What whoever opened the first so many pieces has as their digest; of none, nothing."""
        return self._sealer.frames_digest(pieces) if pieces else b""

    async def end(self) -> None:
        """Ends the read, finished or not; of an answer that broke off, records that it was cut."""
        self._runner = None
        if self._step is not None:
            # Its caller may have left it at work: the read is not ended under its hands.
            # It is told once: told twice, it would not wait for its own end.
            if not self._stopping:
                self._stopping = self._step.cancel()
            await asyncio.wait({self._step})
        async with self._one_at_a_time:
            self._ended = True
            try:
                await self.let_go()
            finally:
                if self._runs and self._closing is None:
                    # Its caller left, or something failed: what had left stands in the log.
                    with suppress(LogUnavailableError, QueryReplayedError):
                        await self.close(cut=True)

    async def let_go(self) -> None:
        """Ends the read, of which nothing is needed any more."""
        if self._reader is not None and not self._read_closed:
            self._read_closed = True
            await self._reader.close()

    async def run(self, first: int | None = None) -> AsyncIterator[SealedRows | Closing]:
        """Streams what is permitted, then the closing; whoever ran it before gets nothing more.

        Args:
            first: the piece to begin with, of those that left or the next one: then what may leave
                is looked at again before anything does.
        """
        self._runs = True
        mine = self._runner = object()
        place = self._sequence
        if first is not None:
            place, self._copied = first, {}
            self._permission.look_anew()
        while True:
            async with self._one_at_a_time:
                if self._runner is not mine:
                    return
                piece = await self._next(place)
            yield piece
            if isinstance(piece, Closing):
                return
            place += 1

    async def _next(self, place: int) -> SealedRows | Closing:
        """The piece that goes to a place, or the closing."""
        if self._step is not None:
            await self._whole(self._step)
        if self._reader is None:
            return await self.close()
        if place < self.pieces or self._closing is not None:
            return await self._again(place)
        while pending := await self._next_pending():
            if pending.piece:
                self._row_count += pending.rows
                return self._seal(pending.piece)
        if not await self._permission.still():
            return await self._whole(self.close(cut=True))
        self._before_end = self._sequence, self._sealer.frames_digest()
        return await self._whole(self.close(end=self._seal(packed(self._stream.end()))))

    async def _again(self, place: int) -> SealedRows | Closing:
        """What left before, byte for byte; where it may not any more, the answer is cut.

        Raises:
            NotPermittedError: if the log has by then that all of it left.
        """
        told = place == self.pieces
        rows = b"" if told else await self._copy(place)
        if await self._permission.still() and (told or self._leaves_whole(rows)):
            if told and self._closing is not None:
                return self._closing
            return SealedRows(place, self._sealer.seal_again(place, rows), self._key_at(place))
        self._permission.refused = True
        if self._closing is not None:
            raise NotPermittedError("no permitted answer")
        return await self._whole(self.close(cut=True, at=place))

    async def _copy(self, place: int) -> bytes:
        """A piece that left, from the copies, of which a few are read at once."""
        copies = self._means.copies
        if place not in self._copied and copies is not None:
            most = min(MOST_UNSENT, self.pieces - place)
            some = await copies.some_of(self._asked.digest, place, most)
            self._copied = dict(enumerate(some, place))
        if place not in self._copied:
            raise EvidenceInvalidError("a copy of what left is not there")
        return self._copied[place]

    def _leaves_whole(self, piece: bytes) -> bool:
        """Whether everything in a piece may leave now: it leaves as it was sealed, or not at all.

        Other rows sealed in its place would be sealed with a nonce that was used.
        """
        if self._permission.narrowing is None:
            return True
        batch = batch_in(unpacked(piece), self._schema)
        return bool(self._permission.narrowing.apply(batch).equals(batch))

    async def _next_pending(self) -> _Pending | None:
        """The next batch, as it may leave now; None after the last, and where none may."""
        if not self._pending and not self._read_all:
            await self._whole(self._read_on())
        if not self._pending or not await self._permission.still():
            return None
        if self._pending[0].narrowing is not self._permission.narrowing:
            await self._whole(self._keep_anew())
        return self._pending.popleft()

    async def _whole(self, work: "Coroutine[Any, Any, T] | asyncio.Future[T]") -> T:
        """Does a step to its end, whoever leaves meanwhile: nobody goes on with one half done."""
        if not self.may_go_on and asyncio.iscoroutine(work):
            return await work
        self._step = step = asyncio.ensure_future(work)
        done = await asyncio.shield(step)
        self._step = None
        return done

    async def _read_on(self) -> None:
        await self._keep(await self._read())

    async def _keep_anew(self) -> None:
        await self._keep(self._write([pending.batch for pending in self._pending]))

    async def _read(self) -> Sequence[CopiedPiece]:
        """Reads the next batches, and gives the copies of their pieces that are to be kept."""
        batches = await self._reader.next_batches() if self._reader is not None else []
        self._read_all = not batches
        return self._write(batches)

    def _write(self, batches: Sequence[pa.RecordBatch]) -> Sequence[CopiedPiece]:
        """Has batches wait as they would leave now, and gives the copies of their pieces."""
        if self._sequence == 0:
            # What was written before and did not leave had the schema.
            self._stream = ArrowStream(self._schema)
        narrowing, sequence = self._permission.narrowing, self._sequence
        self._pending.clear()
        for batch in batches:
            left = batch if narrowing is None else narrowing.apply(batch)
            piece = packed(self._stream.piece(left)) if left.num_rows else b""
            self._pending.append(_Pending(batch, narrowing, left.num_rows, sequence, piece))
            sequence += bool(piece)
        return self._copies_of(self._pending)

    def _copies_of(self, waiting: Iterable[_Pending]) -> Sequence[CopiedPiece]:
        copies, digest, key = self._means.copies, self._asked.digest, self._sealer.content_key
        if copies is None or self._begun is None:
            return []
        return [copies.seal(digest, one.sequence, key, one.piece) for one in waiting if one.piece]

    async def _keep(self, copied: Sequence[CopiedPiece]) -> None:
        if copied and self._means.copies is not None:
            await self._means.copies.keep(copied)

    async def close(
        self, *, cut: bool = False, end: SealedRows | None = None, at: int | None = None
    ) -> Closing:
        """Records how the answer ended, then says so.

        Args:
            cut: whether before its rows did.
            end: where these came to one.
            at: the frame's place, of an answer that is cut while it is told again.
        """
        means, ruling = self._means, self.ruling
        ending = Ending.NO_PERMITTED_ANSWER
        if (ruling.selection is not None or self._tells_rows) and not cut:
            ending = Ending.ANSWERED
        # What has left has left: a cut answer's receipt names it too.
        left = ending is Ending.ANSWERED or self._row_count > 0
        told = self._unnamed or self._begun
        released = told.elements if told and left else frozenset()
        pieces, frames_digest = self._left(cut=cut)
        said = {
            "ending": str(ending),
            "cut": cut,
            "rows": self._row_count,
            "frames_digest": frames_digest.hex(),
            "registry_sequence": ruling.evidence.registry.sequence,
            "consent_sequence": ruling.evidence.consent.sequence,
        }
        noted = self._manifest(pieces, frames_digest, cut=cut)
        position = await means.log.append(AuditKind.RELEASED, self._asked.digest, said, noted)
        place = self._sequence if at is None else at
        self._closing = Closing(
            last=end or SealedRows(place, b"", self._key_at(place)),
            sealer=self._sealer,
            ending=ending,
            reasons=reasons_told(ruling, ending, self._unnamed),
            released=tuple(sorted(released)),
            withheld={entry.element: entry.reason for entry in sorted(ruling.decision.withheld)},
            obligations=obligations_told(ruling, ending),
            row_count=self._row_count,
            agreement_version=ruling.agreement.document.version if ruling.agreement else 0,
            history=history_of(self._asked, ruling.evidence),
            evidence=ruling.evidence,
            decision_digest=digest_of(ruling.decision.encode()),
            position=position,
            at=means.clock(),
        )
        return self._closing

    @property
    def _tells_rows(self) -> bool:
        return self._unnamed is not None and self._unnamed.rows is not None

    def _left(self, *, cut: bool) -> tuple[int, bytes]:
        """How many pieces of rows left, and the digest of every frame that does.

        The end of the rows leaves with the receipt: of an answer that is cut before, it is no part.
        """
        sealed = self._sequence, self._sealer.frames_digest()
        if self._before_end is None:
            return sealed
        return self._before_end if cut else (self._before_end[0], sealed[1])

    def _manifest(self, pieces: int, frames_digest: bytes, *, cut: bool) -> list[Note]:
        """How the answer ended, beside its disclosure record; nothing where nobody is told of."""
        if self._begun is None or self._asked.question.validate_only:
            return []
        return [Manifest(self.began, pieces, self._row_count, frames_digest.hex(), cut)]

    def _seal(self, rows: bytes) -> SealedRows:
        piece = SealedRows(
            self._sequence,
            self._sealer.seal_rows(self._sequence, rows),
            self._key_at(self._sequence),
        )
        self._sequence += 1
        return piece

    def _key_at(self, place: int) -> bytes:
        return self._sealer.sealed_key if place == 0 else b""
