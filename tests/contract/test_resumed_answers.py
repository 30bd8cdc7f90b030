"""The client goes on with answers that broke off: over the wire, against a gateway as scripted."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from homeroom import AsyncClient, Outcome
from homeroom.answer import Answer
from homeroom.api.common.v1 import answer_pb2, query_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as gateway_pb
from homeroom.errors import HomeroomError, NotPermittedError, ServiceUnreachableError
from homeroom.evidence import signed
from homeroom.packing import packed
from homeroom.sealing import AnswerContext, AnswerOpener, AnswerSealer
from homeroom.signing import Domain, digest_of
from tests.contract.scripted_federation import (
    AGREEMENT,
    HOLDERS,
    ScriptedFederation,
    attendance,
    client,
    ended,
    federation,
    framed,
    pieces_of,
    plan,
)

__all__ = ["client", "federation"]

ELEMENTS = ("school_of_enrollment", "daily_attendance")
ANSWERED = answer_pb2.OUTCOME_ANSWERED
REFUSED = answer_pb2.OUTCOME_NO_PERMITTED_ANSWER
UNREACHABLE = answer_pb2.OUTCOME_UNREACHABLE
TIMED_OUT = answer_pb2.OUTCOME_TIMED_OUT
CANNOT_DECIDE = answer_pb2.OUTCOME_CANNOT_DECIDE
Events = AsyncIterator[gateway_pb.QueryResponse]


@dataclass
class Breaking:
    """A gateway that passes on so many frames of each holder's answer, and then breaks off.

    Attributes:
        came: how many frames of each holder come before it breaks.
        outcomes: what it says of a holder's part when it breaks, where it says something.
        failure: with what the call fails when it breaks; None ends it as if all were well.
        again: how many frames it sends once more when it goes on.
        closing: what it sends in place of the rest of a holder's answer.
    """

    federation: ScriptedFederation
    came: dict[str, int]
    outcomes: dict[str, answer_pb2.Outcome.ValueType] = field(default_factory=dict)
    failure: HomeroomError | None = field(default_factory=lambda: ServiceUnreachableError("gone"))
    again: int = 0
    closing: dict[str, list[gateway_pb.QueryResponse]] = field(default_factory=dict)
    frames: dict[str, list[answer_pb2.AnswerFrame]] = field(default_factory=dict)

    def begin(self) -> None:
        self.federation.wire.script = self._asked
        self.federation.wire.resumed = self._resumed

    async def _asked(self, query: query_pb2.Query, digest: bytes) -> Events:
        del query
        yield plan(*HOLDERS)
        for holder in HOLDERS:
            frames = self.federation.frames(holder, digest, attendance(8))
            self.frames[holder] = frames
            came = self.came.get(holder, len(frames))
            for frame in frames[:came]:
                yield framed(holder, frame)
            if came == len(frames):
                yield ended(holder, ANSWERED)
            elif holder in self.outcomes:
                yield ended(holder, self.outcomes[holder])
        if self.failure is not None:
            raise self.failure

    async def _resumed(self, request: gateway_pb.ResumeQueryRequest) -> Events:
        yield plan(*(position.holder for position in request.positions))
        for position in request.positions:
            holder = position.holder
            self._require_had(position, request.query.statement)
            if holder in self.closing:
                for event in self.closing[holder]:
                    yield event
                continue
            for frame in self.frames[holder][max(0, position.next_sequence - self.again) :]:
                yield framed(holder, frame)
            yield ended(holder, ANSWERED)

    def _require_had(self, position: gateway_pb.SourcePosition, statement: bytes) -> None:
        """The digest is over what came, as whoever sealed it works it out too."""
        came = self.frames[position.holder][: position.next_sequence]
        expected = b""
        if came:
            context = AnswerContext(digest_of(statement), position.holder)
            key = self.federation.requester.sealing_key
            opener = AnswerOpener(came[0].sealed_key, key, context)
            for frame in came:
                opener.open_rows(frame.sequence, frame.sealed_rows)
            expected = opener.frames_digest()
        assert position.frames_digest == expected


async def ask(client: AsyncClient, **scope: Any) -> Answer:
    return await client.query(AGREEMENT, "direct_service", "attendance", ELEMENTS, **scope)


@pytest.mark.parametrize("came", [{"bps": 1}, {"bps": 2, "cambridge": 3}, {"bps": 0}])
async def test_a_broken_stream_goes_on_and_every_row_comes_once(
    federation: ScriptedFederation, client: AsyncClient, came: dict[str, int]
) -> None:
    """Of what had finished nothing is asked for again."""
    Breaking(federation, came).begin()
    answer = await ask(client)

    assert answer.complete
    assert answer.table["source"].to_pylist() == ["bps"] * 8 + ["cambridge"] * 8
    (request,) = federation.wire.resumes
    assert {one.holder: one.next_sequence for one in request.positions} == came
    assert len(federation.wire.queries) == 1


async def test_a_stream_of_larger_answers_goes_on_too(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """What waits sealed in a file is opened again as one answer."""
    Breaking(federation, {"bps": 2, "cambridge": 1}).begin()
    async with client.stream(AGREEMENT, "direct_service", "attendance", ELEMENTS) as answer:
        rows = [row async for batch in answer for row in batch["source"].to_pylist()]

    assert sorted(rows) == ["bps"] * 8 + ["cambridge"] * 8
    assert answer.complete
    assert answer.broken == ()


async def test_one_holder_whose_connection_broke_goes_on_though_the_gateway_is_there(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 2}, {"bps": UNREACHABLE}, failure=None).begin()
    answer = await ask(client)

    assert answer.complete
    assert [p.holder for r in federation.wire.resumes for p in r.positions] == ["bps"]


async def test_a_holder_that_was_never_reached_is_not_waited_for(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 0}, {"bps": UNREACHABLE}, failure=None).begin()
    answer = await ask(client)

    assert answer.sources["bps"].outcome is Outcome.UNREACHABLE
    assert federation.wire.resumes == []


async def test_a_holder_that_was_lost_stays_so_though_time_runs_out_while_it_is_tried_again(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 2}, {"bps": UNREACHABLE}, failure=None).begin()

    async def hangs(request: gateway_pb.ResumeQueryRequest) -> Events:
        yield plan(*(position.holder for position in request.positions))
        await asyncio.sleep(60)

    federation.wire.resumed = hangs
    answer = await ask(client, timeout=2)

    assert answer.sources["bps"].outcome is Outcome.UNREACHABLE


async def test_a_holder_that_is_silent_does_not_keep_another_from_going_on(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A node keeps an answer open for half a minute: the silent one may take longer than that."""
    breaking = Breaking(federation, {"bps": 2}, {"bps": UNREACHABLE}, failure=None)
    breaking.begin()
    went_on = asyncio.Event()

    async def silent_meanwhile(query: query_pb2.Query, digest: bytes) -> Events:
        async for event in breaking._asked(query, digest):
            if event.HasField("frame") and event.frame.holder == "cambridge":
                await went_on.wait()
            yield event

    async def resumed(request: gateway_pb.ResumeQueryRequest) -> Events:
        async for event in breaking._resumed(request):
            yield event
        went_on.set()

    federation.wire.script, federation.wire.resumed = silent_meanwhile, resumed
    answer = await ask(client, timeout=20)

    assert answer.complete
    assert answer.table["source"].to_pylist() == ["bps"] * 8 + ["cambridge"] * 8
    assert len(federation.wire.resumes) == 1


async def test_what_breaks_off_twice_goes_on_twice_beside_the_others(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """Though the first call ends in between, nothing is asked for twice."""
    breaking = Breaking(federation, {"bps": 1}, {"bps": UNREACHABLE}, failure=None)
    breaking.begin()

    async def breaks_once_more(request: gateway_pb.ResumeQueryRequest) -> Events:
        if len(federation.wire.resumes) > 1:
            async for event in breaking._resumed(request):
                yield event
            return
        yield plan("bps")
        yield framed("bps", breaking.frames["bps"][1])
        await asyncio.sleep(0.2)  # by then all else has come
        yield ended("bps", UNREACHABLE)

    federation.wire.resumed = breaks_once_more
    answer = await ask(client)

    assert answer.complete
    places = [[p.next_sequence for p in r.positions] for r in federation.wire.resumes]
    assert places == [[1], [2]]


async def test_a_holder_that_was_lost_and_then_came_too_late_was_lost(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 2}, {"bps": UNREACHABLE}, failure=None).begin()

    async def late(request: gateway_pb.ResumeQueryRequest) -> Events:
        yield plan(*(position.holder for position in request.positions))
        yield ended("bps", TIMED_OUT)

    federation.wire.resumed = late
    answer = await ask(client)

    assert answer.sources["bps"].outcome is Outcome.UNREACHABLE


async def test_an_answer_of_which_only_the_gateways_last_word_was_lost_is_used(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    breaking = Breaking(federation, {})
    breaking.begin()

    async def without_last(query: query_pb2.Query, digest: bytes) -> Events:
        async for event in breaking._asked(query, digest):
            if event.HasField("outcome") and event.outcome.holder == "cambridge":
                break
            yield event
        raise ServiceUnreachableError("gone")

    federation.wire.script = without_last
    answer = await ask(client)

    assert answer.complete
    assert federation.wire.resumes == []


async def test_what_a_holder_no_longer_has_open_stays_unreachable_and_is_not_asked_for_again(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    gone = [ended("bps", CANNOT_DECIDE, "QUERY_REPLAYED")]
    Breaking(federation, {"bps": 2}, closing={"bps": gone}).begin()
    answer = await ask(client)

    assert answer.sources["bps"].outcome is Outcome.UNREACHABLE
    assert answer.table["source"].to_pylist() == ["cambridge"] * 8
    assert len(federation.wire.resumes) == 1


def cut_at(
    federation: ScriptedFederation, digest: bytes, place: int
) -> tuple[list[answer_pb2.AnswerFrame], answer_pb2.AnswerFrame]:
    """The pieces of an answer that all left, and its closing when it was cut at a place later."""
    holder, batches = federation.holders["bps"], attendance(8)
    sealer = AnswerSealer(
        federation.requester.sealing_key.public, AnswerContext(digest, holder.organization_id)
    )
    frames = [
        answer_pb2.AnswerFrame(sequence=number, sealed_rows=sealer.seal_rows(number, packed(piece)))
        for number, piece in enumerate(pieces_of(batches))
    ]
    frames[0].sealed_key = sealer.sealed_key
    receipt = holder._receipt(digest, batches, sealer)
    receipt.outcome = REFUSED
    receipt.reason_codes[:] = ["agreement_not_in_effect"]
    statement = receipt.SerializeToString(deterministic=True)
    evidence = signed(Domain.RECEIPT, statement, holder.organization_id, holder.signing_key)
    sealed = sealer.seal_receipt(place, evidence.SerializeToString())
    return frames, answer_pb2.AnswerFrame(sequence=place, sealed_receipt=sealed, outcome=REFUSED)


@dataclass
class Cutting:
    """A gateway that passes two frames on, and then the closing of an answer that was cut.

    Attributes:
        broke: whether it breaks off between the two.
    """

    federation: ScriptedFederation
    broke: bool
    closing: answer_pb2.AnswerFrame = field(default_factory=answer_pb2.AnswerFrame)

    async def asked(self, query: query_pb2.Query, digest: bytes) -> Events:
        del query
        frames, self.closing = cut_at(self.federation, digest, place=2)
        yield plan("bps")
        for frame in frames[:2]:
            yield framed("bps", frame)
        if self.broke:
            raise ServiceUnreachableError("gone")
        yield framed("bps", self.closing)
        yield ended("bps", REFUSED)

    async def resumed(self, request: gateway_pb.ResumeQueryRequest) -> Events:
        del request
        yield plan("bps")
        yield framed("bps", self.closing)
        yield ended("bps", REFUSED)


@pytest.mark.parametrize(
    ("broke", "outcome"),
    [(True, Outcome.NO_PERMITTED_ANSWER), (False, Outcome.EVIDENCE_INVALID)],
)
async def test_an_answer_that_is_cut_while_it_goes_on_says_why_and_gives_no_row(
    federation: ScriptedFederation, client: AsyncClient, outcome: Outcome, *, broke: bool
) -> None:
    """Its receipt is of all that had left; only of one that broke off may it be more than came."""
    cutting = Cutting(federation, broke)
    federation.wire.script, federation.wire.resumed = cutting.asked, cutting.resumed
    answer = await ask(client, holders=["bps"])

    source = answer.sources["bps"]
    assert answer.table.num_rows == 0
    assert source.outcome is outcome
    assert source.reason_codes == (("agreement_not_in_effect",) if broke else ())


async def test_frames_that_a_gateway_sends_twice_are_not_used(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 2}, again=1).begin()
    answer = await ask(client)

    assert answer.sources["bps"].outcome is Outcome.EVIDENCE_INVALID
    assert answer.table["source"].to_pylist() == ["cambridge"] * 8


async def test_a_question_that_is_refused_meanwhile_says_so(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 2}).begin()

    async def refused(request: gateway_pb.ResumeQueryRequest) -> Events:
        del request
        raise NotPermittedError("refused", codes="agreement_not_in_effect")
        yield plan()

    federation.wire.resumed = refused
    answer = await ask(client)

    assert answer.sources["bps"].outcome is Outcome.NO_PERMITTED_ANSWER
    assert answer.sources["bps"].reason_codes == ("agreement_not_in_effect",)


async def test_a_gateway_that_does_not_come_back_is_waited_for_no_longer_than_the_timeout(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    Breaking(federation, {"bps": 2}).begin()
    federation.wire.resumed = None
    answer = await ask(client, timeout=2)

    assert answer.sources["bps"].outcome is Outcome.UNREACHABLE
    assert answer.sources["bps"].seconds < 10  # the two, and what a busy machine needs
    assert answer.sources["cambridge"].outcome is Outcome.ANSWERED
    assert len(federation.wire.resumes) > 1


@pytest.mark.parametrize("late", [True, False])
async def test_an_app_goes_on_later_with_what_it_has_and_gets_the_rest(
    federation: ScriptedFederation, client: AsyncClient, *, late: bool
) -> None:
    """Where the gateway was away for longer, and where a holder did not finish in time."""
    breaking = Breaking(federation, {"bps": 2})
    if late:
        breaking.outcomes, breaking.failure = {"bps": TIMED_OUT}, None
    breaking.begin()
    federation.wire.resumed = None
    stream = client.stream(AGREEMENT, "direct_service", "attendance", ELEMENTS, timeout=1)
    async with stream as answer:
        first = [row async for batch in answer for row in batch["source"].to_pylist()]
        broken, outcome = answer.broken, answer.sources["bps"].outcome
        federation.wire.resumed = breaking._resumed
        then = [row async for batch in answer.resume() for row in batch["source"].to_pylist()]

    assert (first, broken) == (["cambridge"] * 8, ("bps",))
    assert outcome is (Outcome.TIMED_OUT if late else Outcome.UNREACHABLE)
    assert len(federation.wire.resumes) == 1 if late else len(federation.wire.resumes) > 1
    assert then == ["bps"] * 8
    assert answer.complete
    assert answer.broken == ()


async def test_an_app_that_stops_reading_in_the_middle_goes_on_later_with_all_that_is_missing(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """Though events of the call that it left had come and were not taken."""
    breaking = Breaking(federation, {"bps": 2}, {"bps": UNREACHABLE}, failure=None)
    breaking.begin()
    going_on = breaking._resumed

    async def piece_by_piece(request: gateway_pb.ResumeQueryRequest) -> Events:
        # The answer goes on beside the other holder's, and is left in the middle.
        async for event in going_on(request):
            yield event
            if len(federation.wire.resumes) == 1:
                await asyncio.sleep(0.05)

    federation.wire.resumed = piece_by_piece
    async with client.stream(AGREEMENT, "direct_service", "attendance", ELEMENTS) as answer:
        first: list[str] = []
        async for batch in answer:
            first += batch["source"].to_pylist()
            if len(first) == 8:
                break
        federation.wire.resumed = going_on
        rest = [row async for batch in answer.resume() for row in batch["source"].to_pylist()]

    assert (first, rest) == (["cambridge"] * 8, ["bps"] * 8)
    assert answer.complete
