"""What the gateway writes of questions, and that nothing is told before it is written."""

import asyncio
import datetime as dt
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.audit import AuditKind, Position
from homeroom.errors import LogUnavailableError, QueryReplayedError, Reason
from homeroom.federation import FederationState
from homeroom.question import Question
from homeroom.vocabulary import Element
from services.gateway.api.questions import _told
from services.gateway.domain.fan_out import Ended, FanOut, Outcome, Piece
from services.gateway.domain.plan import Holder
from services.gateway.domain.recording import Asked, QuestionLog
from services.gateway.domain.share import Share
from tests.organizations import NOW
from tests.unit.gateway.places import FakePlaces

HOLDERS = (Holder("north", "127.0.0.1:1"), Holder("south", "127.0.0.1:2"))
ASKED = Asked(
    Question(
        purpose="direct_service",
        dataset="attendance",
        elements=(Element.DAILY_ATTENDANCE,),
        holders=("north", "south"),
        everyone=True,
    ),
    "cbo",
    "case_worker",
    b"\x01" * 32,
    None,
    FederationState("bay.example", 7, NOW, NOW, {}, {}),
)


@dataclass
class Disk:
    """A log that is written when the test lets it, or never."""

    full: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)
    kinds: list[AuditKind] = field(default_factory=list)
    said: list[Mapping[str, Any]] = field(default_factory=list)

    async def append(
        self, kind: AuditKind, query_digest: bytes, content: Mapping[str, Any]
    ) -> Position:
        await self.open.wait()
        if self.full:
            raise LogUnavailableError("the disk is full")
        if (kind, query_digest) in self._known():
            raise QueryReplayedError("this query was asked before")
        self.kinds.append(kind)
        self.said.append({**content, "digest": query_digest})
        return Position(len(self.kinds) - 1, "00" * 32)

    def _known(self) -> set[tuple[AuditKind, bytes]]:
        return {(kind, said["digest"]) for kind, said in zip(self.kinds, self.said, strict=True)}


@dataclass
class Clock:
    """A clock that the test moves."""

    now: dt.datetime = NOW

    def __call__(self) -> dt.datetime:
        return self.now


@dataclass
class Both:
    """Two holders that answer at once."""

    async def answer(
        self, _holder: Holder, _seconds: float
    ) -> AsyncGenerator[Piece[answer_pb2.AnswerFrame], None]:
        yield Piece(0, Outcome.ANSWERED, answer_pb2.AnswerFrame())


def log_on(disk: Disk, clock: Clock | None = None) -> tuple[QuestionLog, list[str]]:
    told: list[str] = []
    return QuestionLog(disk, clock or Clock(), told.append), told


async def test_the_last_outcome_waits_for_the_entry_and_the_others_do_not() -> None:
    disk = Disk()
    log, _ = log_on(disk)
    disk.open.set()
    passage = await log.passed(ASKED, HOLDERS)
    disk.open.clear()
    places = FakePlaces(len(HOLDERS))
    fan_out = FanOut[answer_pb2.AnswerFrame](Both(), HOLDERS, 30, chance=lambda: 0.5)
    responses = _told(fan_out, passage, Share(places, len(HOLDERS)))
    seen: list[pb.QueryResponse] = []

    async def read() -> None:
        async for response in responses:
            seen.append(response)

    reading = asyncio.create_task(read())
    async with asyncio.timeout(60):
        while not passage.is_over:  # noqa: ASYNC110 - nobody tells when a part has ended
            await asyncio.sleep(0)
    for _ in range(100):
        await asyncio.sleep(0)
    before = [one.outcome.holder for one in seen if one.HasField("outcome")]
    disk.open.set()
    await reading
    after = [one.outcome.holder for one in seen if one.HasField("outcome")]

    assert len(before) == 1
    assert sorted(after) == ["north", "south"]
    assert disk.kinds == [AuditKind.QUESTION_PASSED, AuditKind.QUESTION_ENDED]
    assert disk.said[-1]["outcomes"] == {"north": "ANSWERED", "south": "ANSWERED"}
    assert len(places.learned) == 1


async def test_a_caller_that_leaves_while_the_end_is_written_changes_nothing() -> None:
    """The entry is written once, and says that everything had ended."""
    disk = Disk()
    log, told = log_on(disk)
    disk.open.set()
    passage = await log.passed(ASKED, HOLDERS[:1])
    disk.open.clear()
    passage.ended(Ended("north", Outcome.CANNOT_DECIDE, "LOG_UNAVAILABLE"))
    closing = asyncio.create_task(passage.close())
    await asyncio.sleep(0)
    closing.cancel()
    passage.leave()
    disk.open.set()
    await log.finish()

    assert disk.kinds == [AuditKind.QUESTION_PASSED, AuditKind.QUESTION_ENDED]
    assert disk.said[-1]["left"] is False
    assert disk.said[-1]["error_reasons"] == {"north": "LOG_UNAVAILABLE"}
    assert not told


async def test_an_entry_that_nobody_waits_for_and_cannot_be_written_is_reported() -> None:
    disk = Disk()
    log, told = log_on(disk)
    disk.open.set()
    passage = await log.passed(ASKED, HOLDERS)
    disk.full = True
    passage.leave()
    await log.finish()
    await asyncio.sleep(0)

    assert told == ["LogUnavailableError"]


async def test_a_refusal_that_cannot_be_written_is_refused_for_that() -> None:
    disk = Disk(full=True)
    log, _ = log_on(disk)
    disk.open.set()

    with pytest.raises(LogUnavailableError):
        await log.refused(ASKED, Reason.NOT_PERMITTED, ("purpose_mismatch",))


async def test_who_is_turned_away_is_noted_once_a_minute_for_each_reason() -> None:
    disk, clock = Disk(), Clock()
    log, _ = log_on(disk, clock)
    disk.open.set()
    for _ in range(5):
        log.turned_away("cbo", Reason.NOT_PERMITTED)
        log.turned_away("cbo", Reason.TOO_MUCH_ASKED)
    log.turned_away("other", Reason.NOT_PERMITTED)
    await log.finish()
    assert len(disk.kinds) == 3

    clock.now += dt.timedelta(seconds=61)
    log.turned_away("cbo", Reason.NOT_PERMITTED)
    await log.finish()
    assert len(disk.kinds) == 4


async def test_who_is_turned_away_while_nothing_can_be_written_is_noted_later() -> None:
    disk = Disk(full=True)
    log, _ = log_on(disk)
    disk.open.set()
    log.turned_away("cbo", Reason.NOT_PERMITTED)
    await log.finish()
    await asyncio.sleep(0)
    disk.full = False
    log.turned_away("cbo", Reason.NOT_PERMITTED)
    await log.finish()

    assert disk.kinds == [AuditKind.CALLER_REFUSED]
