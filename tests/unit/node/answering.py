"""A node made of fakes, asked one question; it notes in one list what happens to it."""

import datetime as dt
import io
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from homeroom.facts import Facts
from homeroom.federation import AgreementState
from homeroom.packing import unpacked
from homeroom.sealing import AnswerContext, AnswerOpener
from services.node.domain.answer import Answerer, Stock
from services.node.domain.decision import Decision
from services.node.domain.ending import Closing, Ending, SealedRows
from services.node.domain.extracts import Chance
from services.node.domain.resuming import OpenAnswers
from services.node.domain.ruling import Judge
from services.node.domain.unnamed import UnnamedAnswers
from tests.fakes import (
    FakeAggregates,
    FakeClock,
    FakeCopies,
    FakeExtracts,
    FakeFiles,
    FakeLog,
    FakePolicies,
    FakeRecords,
    FakeReplica,
    Row,
)
from tests.organizations import NOW
from tests.unit.node import federation as small

CHANCE = Chance(lambda: secrets.token_hex(16), secrets.SystemRandom().shuffle)
BOTH = frozenset(small.ATTENDANCE)
DAY = dt.date(2026, 9, 8)


def event(ref: str, school: str = "elm") -> Row:
    values = {"school_id": school, "event_date": DAY, "category": "tardy", "duration_days": 1.0}
    return ref, values


@dataclass
class Told:
    """What an answer gave, piece by piece, until it ended or failed."""

    pieces: list[SealedRows] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)

    @property
    def closing(self) -> Closing:
        (closing,) = self.closings
        return closing

    @property
    def frames(self) -> list[SealedRows]:
        """Every frame with rows; the last one has their end, where they came to one."""
        last = [closing.last for closing in self.closings if closing.last.rows]
        return [*self.pieces, *last]

    def table(self) -> pa.Table:
        """The rows of a whole answer, as its requester opens them."""
        opener = self.opener()
        stream = b"".join(unpacked(opener.open_rows(p.sequence, p.rows)) for p in self.frames)
        assert opener.frames_digest() == self.closing.sealer.frames_digest()
        return pa.ipc.open_stream(io.BytesIO(stream)).read_all()

    def rows(self) -> list[dict[str, Any]]:
        """The rows of an answer that may be cut: of the batches that did leave."""
        opener = self.opener()
        stream = b"".join(unpacked(opener.open_rows(p.sequence, p.rows)) for p in self.frames)
        rows: list[dict[str, Any]] = []
        if stream:
            with pa.ipc.open_stream(io.BytesIO(stream)) as reader:
                try:
                    for batch in reader:
                        rows += batch.to_pylist()
                except pa.ArrowInvalid:
                    assert self.closing.ending is Ending.NO_PERMITTED_ANSWER
        return rows

    def opener(self) -> AnswerOpener:
        first = self.pieces[0] if self.pieces else self.closing.last
        context = AnswerContext(small.DIGEST, "anytown")
        return AnswerOpener(first.sealed_key, small.REQUESTER.sealing, context)


class Node:
    """A node made of fakes that note in one list what happens to them.

    Attributes:
        waiting: where answers wait whose callers lost them; by default none does.
        after: what happens when so many pieces have left.
    """

    def __init__(
        self,
        batches: Sequence[Sequence[Row]] = ((event("ana"), event("ben")),),
        judge: Callable[[Facts], Decision] = small.by_the_agreement,
        waiting: OpenAnswers | None = None,
    ) -> None:
        self.events: list[str] = []
        self.clock = FakeClock(NOW)
        self.replica = FakeReplica(small.evidence())
        self.policies = FakePolicies(judge)
        self.files = FakeFiles()
        refs = {ref for batch in batches for ref, _ in batch}
        self.records = FakeRecords(batches, dict.fromkeys(refs, BOTH), self.events)
        self.log = FakeLog(self.events)
        self.aggregates = FakeAggregates()
        self.extracts = FakeExtracts()
        self.copies = FakeCopies(self.events, beside=self.log.copies)
        self.waiting = waiting or OpenAnswers()
        self.told = Told()
        self.after: dict[int, Callable[[], None]] = {}

    async def answer(self, **changed: Any) -> Told:
        """Asks; what came before an error stays in `told`."""
        answerer = self.answerer()
        async for piece in answerer.answer(small.asked(**changed)):
            if isinstance(piece, Closing):
                self.events.append("closing")
                self.told.closings.append(piece)
            else:
                self.events.append("rows")
                self.told.pieces.append(piece)
                self.after.get(len(self.told.pieces), lambda: None)()
        return self.told

    def answerer(self) -> Answerer:
        holder = small.holder()
        judge = Judge(holder, self.policies, self.files)
        unnamed = UnnamedAnswers(self.aggregates, self.extracts, CHANCE)
        stock = Stock(self.records, unnamed, self.copies, self.waiting)
        return Answerer(holder, self.replica, judge, stock, self.log, self.clock)

    def revoke(self, ref: str) -> None:
        """A family's revocation arrives."""
        self.records.grants.pop(ref)
        self.replica.learn()

    def end_agreement(self) -> None:
        self.replica.learn(small.federation(state=AgreementState.ENDED))
