"""Releases one answer, frame by frame; the state is looked at again before each.

What is no longer permitted is dropped; when the question itself no longer is, the answer is cut and
says so. Of what leaves about students a copy is kept before it does.
"""

import datetime as dt
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa

from homeroom.audit import AuditKind, Position
from homeroom.clock import Clock
from homeroom.errors import LogUnavailableError, QueryReplayedError
from homeroom.packing import packed
from homeroom.sealing import AnswerContext, AnswerSealer
from homeroom.signing import digest_of
from homeroom.vocabulary import Element, Obligation, ReasonCode
from services.node.domain.agreement_memory import Remembered
from services.node.domain.arrow_stream import ArrowStream
from services.node.domain.copies import CopiedPiece, Copies
from services.node.domain.log import Log, Note
from services.node.domain.register import Manifest
from services.node.domain.replica import Evidence, Replica
from services.node.domain.ruling import Asked, Holder, Ruling
from services.node.domain.selection import (
    ROWS_PER_BATCH,
    Beginning,
    Narrowing,
    Records,
    still_permits,
)
from services.node.domain.unnamed import TableReader, Unnamed, still_tells

_LONGEST_TRUST = dt.timedelta(seconds=5)
"""How long an answer relies on grants that it read, for they also end by themselves."""


class Ending(StrEnum):
    """How an answer ended."""

    ANSWERED = "answered"
    NO_PERMITTED_ANSWER = "no_permitted_answer"


@dataclass(frozen=True, slots=True)
class SealedRows:
    """A piece of the answer's Arrow stream, sealed to the requester.

    Attributes:
        sealed_key: the content key, wrapped to the requester; in the first piece only.
    """

    sequence: int
    rows: bytes
    sealed_key: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """How the answer ended; what the receipt says.

    Attributes:
        last: the place of the last frame, with the end of the rows where they came to one: a frame
            of its own would cost a small answer as much as its rows.
        history: how far the agreement's history was known.
    """

    last: SealedRows
    sealer: AnswerSealer
    ending: Ending
    reasons: tuple[ReasonCode, ...]
    released: tuple[Element, ...]
    withheld: Mapping[Element, ReasonCode]
    obligations: tuple[Obligation, ...]
    row_count: int
    agreement_version: int
    history: Remembered | None
    evidence: Evidence
    decision_digest: bytes
    position: Position
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Means:
    """What a release works with.

    Attributes:
        copies: where copies are kept; None keeps none.
        rule_now: rules on the question again, by what is known at this moment.
    """

    holder: Holder
    replica: Replica
    records: Records
    log: Log
    clock: Clock
    copies: Copies | None
    rule_now: Callable[[Asked], Awaitable[Ruling]]


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
        self._coverage = coverage = beginning.coverage
        self._unnamed = unnamed
        self._asked = asked
        self.ruling = ruling
        # The rows are read later: of whom they tell only by then, the log does not know.
        self._begun = begun = ruling.selection
        self._narrowing = Narrowing(coverage.elements, begun.dataset) if begun else None
        self._sealer = AnswerSealer(
            asked.requester.sealing_key,
            AnswerContext(asked.digest, means.holder.organization_id),
        )
        self._reader = beginning.reader
        self._pending: deque[_Pending] = deque()
        self._looked_at = means.clock()
        self._sequence = 0
        self._row_count = 0
        self._before_end: tuple[int, bytes] | None = None
        self.began = 0
        self._runs = self._closed = False

    async def open(self) -> Sequence[Note]:
        """Begins to read what may leave; gives the copy of the first batch about students.

        It is kept with the decision: a small answer costs no transaction of its own.
        """
        begun, rows = self._begun, self._unnamed.rows if self._unnamed is not None else None
        if self._asked.question.validate_only or (begun is None and rows is None):
            return []
        if begun is not None:
            chosen = begun.telling(self._coverage.called_for)
            self._schema = chosen.schema
            self._reader = self._reader or await self._means.records.open(chosen)
        elif rows is not None:
            self._schema = rows.schema
            self._reader = TableReader(rows, ROWS_PER_BATCH)
        self._stream = ArrowStream(self._schema)
        return await self._read()

    async def end(self) -> None:
        """Ends the read, finished or not; of an answer that broke off, records that it was cut."""
        try:
            if self._reader is not None:
                await self._reader.close()
        finally:
            if self._runs and not self._closed:
                # Its caller left, or something failed: what had left by then stands in the log.
                with suppress(LogUnavailableError, QueryReplayedError):
                    await self.close(cut=True)

    async def run(self) -> AsyncIterator[SealedRows | Closing]:
        """Streams what is permitted, then the closing."""
        self._runs = True
        if self._reader is None:
            yield await self.close()
            return
        while self._pending:
            if not await self._still_permitted():
                yield await self.close(cut=True)
                return
            if self._pending[0].narrowing is not self._narrowing:
                await self._keep(self._write([pending.batch for pending in self._pending]))
            pending = self._pending.popleft()
            if pending.piece:
                self._row_count += pending.rows
                yield self._seal(pending.piece)
            if not self._pending:
                await self._keep(await self._read())
        if not await self._still_permitted():
            yield await self.close(cut=True)
            return
        self._before_end = self._sequence, self._sealer.frames_digest()
        yield await self.close(end=self._seal(packed(self._stream.end())))

    async def _read(self) -> Sequence[CopiedPiece]:
        """Reads the next batches, and gives the copies of their pieces that are to be kept."""
        return self._write(await self._reader.next_batches() if self._reader is not None else [])

    def _write(self, batches: Sequence[pa.RecordBatch]) -> Sequence[CopiedPiece]:
        """Has batches wait as they would leave now, and gives the copies of their pieces."""
        if self._sequence == 0:
            # What was written before and did not leave had the schema.
            self._stream = ArrowStream(self._schema)
        narrowing, sequence = self._narrowing, self._sequence
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

    async def close(self, *, cut: bool = False, end: SealedRows | None = None) -> Closing:
        """Records how the answer ended, then says so; `end` is where the rows came to one."""
        means, ruling = self._means, self.ruling
        ending = Ending.NO_PERMITTED_ANSWER
        if (ruling.selection is not None or self._tells_rows) and not cut:
            ending = Ending.ANSWERED
        # What has left has left: a cut answer's receipt names it too.
        left = ending is Ending.ANSWERED or self._row_count > 0
        told = self._unnamed or self._begun
        released = told.elements if told and left else frozenset()
        pieces, frames_digest = self._left(cut=cut)
        position = await means.log.append(
            AuditKind.RELEASED,
            self._asked.digest,
            {
                "ending": str(ending),
                "cut": cut,
                "rows": self._row_count,
                "frames_digest": frames_digest.hex(),
                "registry_sequence": ruling.evidence.registry.sequence,
                "consent_sequence": ruling.evidence.consent.sequence,
            },
            self._manifest(pieces, frames_digest, cut=cut),
        )
        self._closed = True
        return Closing(
            last=end or SealedRows(self._sequence, b"", self._sealed_key()),
            sealer=self._sealer,
            ending=ending,
            reasons=_reasons(ruling, ending, self._unnamed),
            released=tuple(sorted(released)),
            withheld={entry.element: entry.reason for entry in sorted(ruling.decision.withheld)},
            obligations=_obligations(ruling, ending),
            row_count=self._row_count,
            agreement_version=ruling.agreement.document.version if ruling.agreement else 0,
            history=_history(self._asked, ruling.evidence),
            evidence=ruling.evidence,
            decision_digest=digest_of(ruling.decision.encode()),
            position=position,
            at=means.clock(),
        )

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

    async def _still_permitted(self) -> bool:
        """Looks again at what may leave, if anything may have changed; False cuts the answer."""
        means, ruling = self._means, self.ruling
        evidence = means.replica.evidence()
        now = means.clock()
        evidence.require_fresh(now, means.holder.max_state_age)
        if evidence.epoch == ruling.evidence.epoch and now - self._looked_at < _LONGEST_TRUST:
            return True
        latest = await means.rule_now(self._asked)
        if self._unnamed is not None:
            return self._still_tells(latest, self._unnamed, now)
        begun = self._begun
        if begun is None or latest.selection is None or not still_permits(latest.selection, begun):
            return self._cut_by(latest)
        self._looked_at = now
        self.ruling = replace(ruling, evidence=latest.evidence)
        narrowed = replace(begun, instant=now, classes=latest.selection.classes)
        coverage = await means.records.covered(narrowed)
        called_for = self._coverage.called_for
        if not coverage.called_for <= called_for:
            # What now goes with some record has no column in this answer.
            return self._cut_by(latest)
        # A statement on one element stands in the row of them all.
        still = coverage.since(self._coverage, whole=bool(called_for))
        self._narrowing = Narrowing(still, begun.dataset)
        return True

    def _cut_by(self, latest: Ruling) -> bool:
        self.ruling = replace(latest, selection=None)
        return False

    def _still_tells(self, latest: Ruling, told: Unnamed, now: dt.datetime) -> bool:
        level, begun = self._asked.question.level, self.ruling.decision.grant
        self._looked_at = now
        if still_tells(latest.decision, told, level, begun):
            self.ruling = replace(self.ruling, evidence=latest.evidence)
            return True
        self.ruling = latest
        return False

    def _seal(self, rows: bytes) -> SealedRows:
        piece = SealedRows(
            self._sequence, self._sealer.seal_rows(self._sequence, rows), self._sealed_key()
        )
        self._sequence += 1
        return piece

    def _sealed_key(self) -> bytes:
        return self._sealer.sealed_key if self._sequence == 0 else b""


def _history(asked: Asked, evidence: Evidence) -> Remembered | None:
    known = evidence.federation.known.get(asked.question.agreement_id)
    return Remembered(len(known.history.statements), known.history.head) if known else None


def _reasons(
    ruling: Ruling, ending: Ending, unnamed: Unnamed | None = None
) -> tuple[ReasonCode, ...]:
    """Why the answer ended as it did; for a refusal of every element, why each was withheld."""
    decision = ruling.decision
    beside = unnamed.reasons if unnamed is not None else frozenset()
    if ending is Ending.ANSWERED or not decision.allow:
        return tuple(sorted(decision.reasons | beside))
    if beside:
        return tuple(sorted(beside))
    return tuple(sorted({entry.reason for entry in decision.withheld}))


def _obligations(ruling: Ruling, ending: Ending) -> tuple[Obligation, ...]:
    grant = ruling.decision.grant
    return tuple(sorted(grant.obligations)) if grant and ending is Ending.ANSWERED else ()
