"""The life of a query at the node that holds the records: decide, record, then release.

Nothing leaves before the log has it. Before each batch the state is looked at again; what is no
longer permitted is dropped; when the question itself no longer is, the answer is cut and says so.
"""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa

from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.errors import ChangedMeanwhileError, HomeroomError, NotPermittedError
from homeroom.sealing import AnswerContext, AnswerSealer
from homeroom.signing import digest_of
from homeroom.vocabulary import Element, Obligation, ReasonCode
from services.node.domain.agreement_memory import Remembered
from services.node.domain.arrow_stream import ArrowStream
from services.node.domain.log import Log, Position
from services.node.domain.recording import (
    Asker,
    notes_on_decided,
    notes_on_undecided,
    notes_on_unread,
    what_was_decided,
    who_asked,
    who_came,
)
from services.node.domain.replica import Evidence, Replica
from services.node.domain.ruling import Asked, Holder, Judge, Ruling
from services.node.domain.selection import (
    ROWS_PER_BATCH,
    Coverage,
    Narrowing,
    Records,
    RowReader,
    still_permits,
)
from services.node.domain.unnamed import TableReader, Unnamed, UnnamedAnswers, still_tells

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
        history: how far the agreement's history was known.
    """

    sequence: int
    sealer: AnswerSealer
    sealed_key: bytes
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
class Stock:
    """What answers are made of: records about students, and what names nobody."""

    records: Records
    unnamed: UnnamedAnswers


class Answerer:
    """Answers questions from one organization's records."""

    def __init__(
        self,
        holder: Holder,
        replica: Replica,
        judge: Judge,
        stock: Stock,
        log: Log,
        clock: Clock,
    ) -> None:
        self._holder = holder
        self._replica = replica
        self._judge = judge
        self._records = stock.records
        self._unnamed = stock.unnamed
        self._log = log
        self._clock = clock

    async def answer(self, asked: Asked) -> AsyncIterator[SealedRows | Closing]:
        """Answers one question; the last piece is the closing.

        Raises:
            NotPermittedError: if the requester is no party of an agreement that it names.
            HomeroomError: if the question cannot be decided or recorded; nothing more leaves.
        """
        named = asked.question.holders
        if named and self._holder.organization_id not in named:
            # Whoever carries a question may not take it further than its signer meant.
            raise NotPermittedError("the question is put to other holders")
        release = await self._rule_and_record(asked)
        ruling = release.ruling
        if ruling.agreement is None and asked.question.agreement_id and not asked.outside:
            raise NotPermittedError("no permitted answer")
        selection, rows = ruling.selection, release.rows
        if asked.question.validate_only or (selection is None and rows is None):
            yield await release.close()
            return
        reader: RowReader = TableReader(rows, ROWS_PER_BATCH)
        schema = None if rows is None else rows.schema
        if selection is not None:
            # Where no record calls for anything, the answer has no columns to say so.
            told = selection.row_obligations & release.called_for
            chosen = replace(selection, row_obligations=told)
            reader, schema = await self._records.open(chosen), chosen.schema
        try:
            async for piece in release.run(reader, schema):
                yield piece
        finally:
            await reader.close()

    async def refuse_unread(self, asker: Asker, why: HomeroomError) -> None:
        """Records that somebody who is known asked something that is no question.

        Raises:
            QueryReplayedError: if the same bytes were recorded before.
            LogUnavailableError: if it cannot be recorded.
        """
        await self._log.append(
            AuditKind.UNDECIDED,
            asker.digest,
            {**who_came(asker), "reason": str(why.reason)},
            notes_on_unread(self._holder.keeping, asker),
        )

    async def rule_now(self, asked: Asked) -> Ruling:
        """Rules on a question by what is known at this moment."""
        now = self._clock()
        evidence = self._replica.evidence()
        evidence.require_fresh(now, self._holder.max_state_age)
        return await self._judge.rule(asked, evidence, now)

    async def _rule_and_record(self, asked: Asked) -> "_Release":
        question = asked.question
        try:
            await self._replica.wait_for(
                question.min_registry_sequence, question.min_consent_sequence
            )
            ruling = await self.rule_now(asked)
            if _is_behind(asked, ruling):
                # The requester has seen a newer version: it comes with the next registry change.
                await self._replica.wait_for(ruling.evidence.registry.sequence + 1, 0)
                ruling = await self.rule_now(asked)
            _require_version(asked, ruling)
        except HomeroomError as undecided:
            await self._log.append(
                AuditKind.UNDECIDED,
                asked.digest,
                {**who_asked(asked), "reason": str(undecided.reason)},
                notes_on_undecided(
                    self._holder.keeping, asked, undecided, await self._named(asked)
                ),
            )
            raise
        coverage = Coverage({})
        if ruling.selection is not None and not question.validate_only:
            coverage = await self._records.covered(ruling.selection)
        unnamed = await self._unnamed.to(asked, ruling)
        named = await self._named(asked)
        notes = notes_on_decided(self._holder.keeping, asked, ruling, coverage, named, unnamed)
        if unnamed is not None and unnamed.release is not None:
            notes.append(unnamed.release)
        decided = what_was_decided(asked, ruling)
        if unnamed is not None:
            decided |= unnamed.content(asked.question)
        await self._log.append(AuditKind.DECIDED, asked.digest, decided, notes)
        return _Release(self, asked, ruling, coverage, unnamed)

    async def _named(self, asked: Asked) -> Mapping[str, int]:
        """The students whom a question names, of those that the holder knows."""
        refs = asked.question.subject_refs
        if not refs:
            return {}
        return await self._records.named(asked.requester.organization_id, refs)


def _is_behind(asked: Asked, ruling: Ruling) -> bool:
    known = ruling.agreement
    return known is not None and asked.question.agreement_version > known.document.version


def _require_version(asked: Asked, ruling: Ruling) -> None:
    """Lets a question pass that relies on the version in force; a stranger learns of none."""
    known = ruling.agreement
    if known is not None and asked.question.agreement_version != known.document.version:
        raise ChangedMeanwhileError(
            "another version of the agreement is in force", version=str(known.document.version)
        )


class _Release:
    """Releases one answer, batch by batch."""

    def __init__(
        self,
        answerer: Answerer,
        asked: Asked,
        ruling: Ruling,
        coverage: Coverage,
        unnamed: Unnamed | None,
    ) -> None:
        self._answerer = answerer
        self._coverage = coverage
        self._unnamed = unnamed
        self._asked = asked
        self.ruling = ruling
        # The rows are read later: of whom they tell only by then, the log does not know.
        self._begun = begun = ruling.selection
        self._narrowing = Narrowing(coverage.elements, begun.dataset) if begun else None
        self._sealer = AnswerSealer(
            asked.requester.sealing_key,
            AnswerContext(asked.digest, answerer._holder.organization_id),
        )
        self._looked_at = answerer._clock()
        self._sequence = self._row_count = 0

    @property
    def called_for(self) -> frozenset[Obligation]:
        """What some record calls for, of those that may leave."""
        return frozenset(self._coverage.called_for)

    @property
    def rows(self) -> pa.Table | None:
        """What may leave without names, if that is what is asked for."""
        return self._unnamed.rows if self._unnamed is not None else None

    async def run(
        self, reader: RowReader, schema: pa.Schema
    ) -> AsyncIterator[SealedRows | Closing]:
        """Streams what is permitted, then the closing."""
        stream = ArrowStream(schema)
        while (batch := await reader.next_batch()) is not None:
            if not await self._still_permitted():
                yield await self.close(cut=True)
                return
            if self._narrowing is not None:
                batch = self._narrowing.apply(batch)
            if batch.num_rows:
                self._row_count += batch.num_rows
                yield self._seal(stream.piece(batch))
        if not await self._still_permitted():
            yield await self.close(cut=True)
            return
        yield self._seal(stream.end())
        yield await self.close()

    async def close(self, *, cut: bool = False) -> Closing:
        """Records how the answer ended, then says so."""
        answerer, ruling = self._answerer, self.ruling
        decision = ruling.decision
        ending = Ending.NO_PERMITTED_ANSWER
        if (ruling.selection is not None or self.rows is not None) and not cut:
            ending = Ending.ANSWERED
        # What has left has left: a cut answer's receipt names it too.
        left = ending is Ending.ANSWERED or self._row_count > 0
        told = self._unnamed or self._begun
        released = told.elements if told and left else frozenset()
        position = await answerer._log.append(
            AuditKind.RELEASED,
            self._asked.digest,
            {
                "ending": str(ending),
                "cut": cut,
                "rows": self._row_count,
                "frames_digest": self._sealer.frames_digest().hex(),
                "registry_sequence": ruling.evidence.registry.sequence,
                "consent_sequence": ruling.evidence.consent.sequence,
            },
        )
        return Closing(
            sequence=self._sequence,
            sealer=self._sealer,
            sealed_key=self._sealed_key(),
            ending=ending,
            reasons=_reasons(ruling, ending, self._unnamed),
            released=tuple(sorted(released)),
            withheld={entry.element: entry.reason for entry in sorted(decision.withheld)},
            obligations=_obligations(ruling, ending),
            row_count=self._row_count,
            agreement_version=ruling.agreement.document.version if ruling.agreement else 0,
            history=_history(self._asked, ruling.evidence),
            evidence=ruling.evidence,
            decision_digest=digest_of(decision.encode()),
            position=position,
            at=answerer._clock(),
        )

    async def _still_permitted(self) -> bool:
        """Looks again at what may leave, if anything may have changed; False cuts the answer."""
        answerer, ruling = self._answerer, self.ruling
        evidence = answerer._replica.evidence()
        now = answerer._clock()
        evidence.require_fresh(now, answerer._holder.max_state_age)
        if evidence.epoch == ruling.evidence.epoch and now - self._looked_at < _LONGEST_TRUST:
            return True
        latest = await answerer.rule_now(self._asked)
        if self._unnamed is not None:
            return self._still_tells(latest, self._unnamed, now)
        begun = self._begun
        if begun is None or latest.selection is None or not still_permits(latest.selection, begun):
            return self._cut_by(latest)
        self._looked_at = now
        self.ruling = replace(ruling, evidence=latest.evidence)
        narrowed = replace(begun, instant=now, classes=latest.selection.classes)
        coverage = await answerer._records.covered(narrowed)
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
