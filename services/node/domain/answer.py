"""The life of a query at the node that holds the records: decide, record, then release.

Nothing leaves before the log has it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from homeroom.audit import AuditKind
from homeroom.clock import Clock
from homeroom.errors import ChangedMeanwhileError, HomeroomError, NotPermittedError
from services.node.domain.copies import Copies
from services.node.domain.ending import Closing, SealedRows
from services.node.domain.log import Log
from services.node.domain.permission import Means
from services.node.domain.recording import (
    Asker,
    notes_on_decided,
    notes_on_undecided,
    notes_on_unread,
    what_was_decided,
    who_asked,
    who_came,
)
from services.node.domain.release import Release
from services.node.domain.replica import Replica
from services.node.domain.resuming import OpenAnswer, OpenAnswers, Whence
from services.node.domain.ruling import Asked, Holder, Judge, Ruling
from services.node.domain.selection import Beginning, Coverage, Records
from services.node.domain.unnamed import Unnamed, UnnamedAnswers


@dataclass(frozen=True, slots=True)
class Stock:
    """What answers are made of, and where copies of what leaves about students are kept.

    Attributes:
        open: where answers wait whose callers lost them; by default none does.
    """

    records: Records
    unnamed: UnnamedAnswers
    copies: Copies | None = None
    open: OpenAnswers = field(default_factory=OpenAnswers)


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
        self._stock = stock
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
            await release.end()
            raise NotPermittedError("no permitted answer")
        async with aclosing(self._told(self._stock.open.begin(asked, release))) as pieces:
            async for piece in pieces:
                yield piece

    async def resume(self, asked: Asked, whence: Whence) -> AsyncIterator[SealedRows | Closing]:
        """Goes on with an answer that its requester lost; the last piece is the closing.

        What may leave is looked at again, and is never more than when it began. What left before
        leaves again as the bytes that it was, or not at all.

        Raises:
            QueryReplayedError: if there is no answer to go on with.
            NotPermittedError: if somebody else asks, or all of it had left and may not any more.
            EvidenceInvalidError: if the requester has something else than what left.
            HomeroomError: if it cannot be decided or recorded; nothing more leaves.
        """
        found = self._stock.open.find(asked)
        found.require(asked, whence)
        act, said = found.note(whence)
        async with aclosing(self._told(found, whence.piece, (act, said))) as pieces:
            async for piece in pieces:
                yield piece

    async def _told(
        self,
        answer: OpenAnswer,
        first: int | None = None,
        noted: tuple[bytes, Mapping[str, Any]] | None = None,
    ) -> AsyncGenerator[SealedRows | Closing, None]:
        """Tells an answer until it ends, or its caller leaves, or somebody else tells it."""
        mine, failed = self._stock.open.take(answer), False
        try:
            if noted is not None:
                await self._log.append(AuditKind.RESUMED, *noted)
            async for piece in answer.release.run(first):
                yield piece
        except Exception:
            failed = True
            raise
        finally:
            if answer.teller is mine:
                await self._stock.open.left(answer, failed=failed)

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
            notes_on_unread(self._holder, asker),
        )

    async def rule_now(self, asked: Asked) -> Ruling:
        """Rules on a question by what is known at this moment."""
        now = self._clock()
        evidence = self._replica.evidence()
        evidence.require_fresh(now, self._holder.max_state_age)
        return await self._judge.rule(asked, evidence, now)

    async def _rule_and_record(self, asked: Asked) -> Release:
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
                notes_on_undecided(self._holder, asked, undecided, await self._named(asked)),
            )
            raise
        unnamed = await self._unnamed.to(asked, ruling)
        release = Release(self._means, asked, ruling, await self._beginning(asked, ruling), unnamed)
        try:
            await self._record(release, asked, unnamed)
        except BaseException:
            await release.end()
            raise
        return release

    async def _beginning(self, asked: Asked, ruling: Ruling) -> Beginning:
        """What is known before anything is written down; of a trial, no rows."""
        question = asked.question
        if ruling.selection is None or question.validate_only:
            return Beginning(Coverage({}), await self._named(asked))
        return await self._records.begin(ruling.selection, question.subject_refs or ())

    async def _record(self, release: Release, asked: Asked, unnamed: Unnamed | None) -> None:
        """Writes down what was decided, with a copy of the first rows that may leave."""
        ruling, begun = release.ruling, release.beginning
        notes = notes_on_decided(self._holder, asked, ruling, begun.coverage, begun.named, unnamed)
        if unnamed is not None and unnamed.release is not None:
            notes.append(unnamed.release)
        decided = what_was_decided(asked, ruling)
        if unnamed is not None:
            decided |= unnamed.content(asked.question)
        try:
            copied = await release.open()
        except Exception:
            # What cannot be read was asked for all the same.
            await self._log.append(AuditKind.DECIDED, asked.digest, decided, notes)
            raise
        position = await self._log.append(
            AuditKind.DECIDED, asked.digest, decided, [*notes, *copied]
        )
        release.began = position.log_index

    @property
    def _means(self) -> Means:
        copies, records = self._stock.copies, self._records
        beside = (self._replica, records, self._log, self._clock, copies, self.rule_now)
        return Means(self._holder, *beside)

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
