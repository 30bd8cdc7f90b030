"""GatewayService over real sockets: what a permitted question gets, and what nodes cannot do."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.errors import ERROR_OF_REASON, Reason
from tests.contract.gateway_federation import closed_port, frame, gateway_federation
from tests.contract.gateway_peers import STRANGER, FakeNode, Script

Frames = AsyncIterator[answer_pb2.AnswerFrame]

# So long that a busy machine asks two nodes in what is left to them, and ends within the margin.
ASKED_SECONDS = 6.0
MARGIN_SECONDS = 3.0


def sends(*frames: answer_pb2.AnswerFrame, after: float = 0.0) -> Script:
    """A node that sends frames, each after some seconds, and closes."""

    async def script(_request: node_pb.AnswerRequest) -> Frames:
        for piece in frames:
            await asyncio.sleep(after)
            yield piece

    return script


ANSWERS = sends(frame(0), frame(1), frame(2, last=True))


def raises(error: Exception, *before: answer_pb2.AnswerFrame) -> Script:
    """A node that aborts, perhaps after some frames."""

    async def script(_request: node_pb.AnswerRequest) -> Frames:
        for piece in before:
            yield piece
        raise error

    return script


async def hangs(_request: node_pb.AnswerRequest) -> Frames:
    await asyncio.sleep(3600)
    yield frame(0)


async def floods(_request: node_pb.AnswerRequest) -> Frames:
    """A node with an answer of a gigabyte."""
    for sequence in range(4096):
        yield frame(sequence, rows=bytes(256 * 1024))


# What a permitted question gets.


async def test_a_question_reaches_every_holder_and_its_frames_come_back_untouched(
    tmp_path: Path,
) -> None:
    """Plan first, each holder's frames as it sent them, and one outcome for each."""
    sent = [frame(0), frame(1), frame(2, last=True)]
    async with gateway_federation(tmp_path, {"north": ANSWERS, "south": ANSWERS}) as federation:
        request = federation.request()
        answer = await federation.ask(request)

        assert answer.plan == ["north", "south"]
        assert answer.frames("north") == sent
        assert answer.frames("south") == sent
        assert answer.outcomes == {"north": ("ANSWERED", ""), "south": ("ANSWERED", "")}
        passed_on = node_pb.AnswerRequest(query=request.query, user_token=request.user_token)
        assert federation.nodes["north"].requests == [passed_on]


async def test_a_federation_without_holders_gets_an_empty_plan(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        federation.participants["north"].standing = registry_pb.STANDING_SUSPENDED
        sequence = await federation.registry.publish()
        answer = await federation.ask(federation.request(min_registry_sequence=sequence))

        assert len(answer.events) == 1
        assert answer.plan == []


async def test_only_the_named_holders_are_asked(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS, "south": ANSWERS}) as federation:
        answer = await federation.ask(federation.request(holders=("south",)))

        assert answer.plan == ["south"]
        assert not federation.nodes["north"].requests


async def test_a_state_that_comes_while_the_question_waits_is_waited_for(tmp_path: Path) -> None:
    """Whoever has just changed the registry may ask for what it changed."""
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        asking = asyncio.create_task(federation.ask(federation.request(min_registry_sequence=2)))
        await asyncio.sleep(0.3)
        await federation.registry.publish()

        assert (await asking).outcomes == {"north": ("ANSWERED", "")}


# What nodes can do to an answer: only their own part of it.


@pytest.mark.parametrize("reason", list(Reason))
async def test_each_reason_a_node_aborts_with_becomes_its_outcome(
    tmp_path: Path, reason: Reason
) -> None:
    aborts = raises(ERROR_OF_REASON[reason]("it failed", codes="secret"))
    async with gateway_federation(tmp_path, {"north": aborts, "south": ANSWERS}) as federation:
        answer = await federation.ask()

    expected = {
        Reason.NOT_PERMITTED: ("NO_PERMITTED_ANSWER", ""),
        Reason.DEADLINE_PASSED: ("TIMED_OUT", ""),
        Reason.SERVICE_UNREACHABLE: ("UNREACHABLE", ""),
    }.get(reason, ("CANNOT_DECIDE", str(reason)))
    assert answer.outcomes == {"north": expected, "south": ("ANSWERED", "")}
    assert len(federation.nodes["north"].requests) == 1
    assert b"secret" not in b"".join(event.SerializeToString() for event in answer.events)


@pytest.mark.parametrize(
    ("script", "passed", "outcome"),
    [
        (sends(), 0, ("UNREACHABLE", "")),
        (sends(frame(0), frame(1)), 2, ("UNREACHABLE", "")),
        (sends(frame(1)), 0, ("CANNOT_DECIDE", "EVIDENCE_INVALID")),
        (sends(frame(0), frame(2, last=True)), 1, ("CANNOT_DECIDE", "EVIDENCE_INVALID")),
        (sends(frame(0, last=True), frame(1)), 1, ("CANNOT_DECIDE", "EVIDENCE_INVALID")),
        (
            sends(answer_pb2.AnswerFrame(outcome=99)),  # type: ignore[arg-type]  # no such outcome
            0,
            ("CANNOT_DECIDE", "EVIDENCE_INVALID"),
        ),
        (raises(ZeroDivisionError("x"), frame(0)), 1, ("CANNOT_DECIDE", "INTERNAL")),
        (
            raises(ERROR_OF_REASON[Reason.LOG_UNAVAILABLE]("full"), frame(0)),
            1,
            ("CANNOT_DECIDE", "LOG_UNAVAILABLE"),
        ),
        (
            sends(answer_pb2.AnswerFrame(outcome=answer_pb2.OUTCOME_NO_PERMITTED_ANSWER)),
            1,
            ("NO_PERMITTED_ANSWER", ""),
        ),
    ],
)
async def test_a_node_that_breaks_off_or_misbehaves_spoils_its_own_part_alone(
    tmp_path: Path, script: Script, passed: int, outcome: tuple[str, str]
) -> None:
    async with gateway_federation(tmp_path, {"north": script, "south": ANSWERS}) as federation:
        answer = await federation.ask()

    assert len(answer.frames("north")) == passed
    assert answer.outcomes == {"north": outcome, "south": ("ANSWERED", "")}


async def test_a_node_whose_connection_is_cut_in_the_middle_is_unreachable(
    tmp_path: Path,
) -> None:
    cut = asyncio.Event()

    async def script(_request: node_pb.AnswerRequest) -> Frames:
        yield frame(0)
        cut.set()
        await asyncio.sleep(3600)

    async with gateway_federation(tmp_path, {"south": ANSWERS}) as federation:
        node = FakeNode(script)
        serving = await federation.serve_node("south", node, "127.0.0.1:0")
        moved = await federation.move_node("south", serving.address)
        asking = asyncio.create_task(
            federation.ask(federation.request(min_registry_sequence=moved))
        )
        await cut.wait()
        await serving.server.stop(None)
        answer = await asking

    assert len(answer.frames("south")) == 1
    assert answer.outcomes == {"south": ("UNREACHABLE", "")}
    assert len(node.requests) == 1


async def test_a_hung_node_delays_neither_the_others_nor_the_end(tmp_path: Path) -> None:
    """The others' answers are there at once; the end comes before the caller's deadline."""
    async with gateway_federation(
        tmp_path, {"north": hangs, "south": ANSWERS}, deadline_margin_seconds=MARGIN_SECONDS
    ) as federation:
        answer = await federation.ask(seconds=ASKED_SECONDS)

        assert answer.outcomes == {"north": ("TIMED_OUT", ""), "south": ("ANSWERED", "")}
        assert answer.events[-1].outcome.holder == "north"
        async with asyncio.timeout(20):
            await federation.nodes["north"].ended.wait()
        # gRPC rounds what it sends of a deadline up.
        assert 0 < federation.nodes["north"].seconds[0] < ASKED_SECONDS - MARGIN_SECONDS + 0.5


async def test_a_slow_node_keeps_what_it_sent_in_time(tmp_path: Path) -> None:
    slow = sends(*(frame(n) for n in range(50)), after=0.2)
    async with gateway_federation(
        tmp_path, {"north": slow}, deadline_margin_seconds=MARGIN_SECONDS
    ) as federation:
        answer = await federation.ask(seconds=ASKED_SECONDS)

    assert 1 <= len(answer.frames("north")) < 50
    assert answer.outcomes == {"north": ("TIMED_OUT", "")}


async def test_without_a_callers_deadline_nodes_have_the_default(tmp_path: Path) -> None:
    async with gateway_federation(
        tmp_path, {"north": hangs}, default_deadline_seconds=0.5
    ) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=None)

        assert answer.outcomes == {"north": ("TIMED_OUT", "")}
        assert time.monotonic() - started < 8


async def test_a_caller_may_not_keep_nodes_busy_beyond_the_cap(tmp_path: Path) -> None:
    async with gateway_federation(
        tmp_path, {"north": hangs}, max_deadline_seconds=0.5
    ) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=100.0)

        assert answer.outcomes == {"north": ("TIMED_OUT", "")}
        assert time.monotonic() - started < 50


async def test_a_node_that_does_not_exist_is_unreachable(tmp_path: Path) -> None:
    """Some tries to connect, and then an end long before the deadline."""
    async with gateway_federation(
        tmp_path, {"north": closed_port(), "south": ANSWERS}
    ) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=100.0)

        assert answer.outcomes == {"north": ("UNREACHABLE", ""), "south": ("ANSWERED", "")}
        assert time.monotonic() - started < 50


async def test_an_address_that_accepts_and_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with gateway_federation(
            tmp_path,
            {"north": address, "south": ANSWERS},
            deadline_margin_seconds=MARGIN_SECONDS,
        ) as federation:
            answer = await federation.ask(seconds=ASKED_SECONDS)

            # Which of the two depends on how long a channel tries to connect.
            assert answer.outcomes.pop("north") in {("TIMED_OUT", ""), ("UNREACHABLE", "")}
            assert answer.outcomes["south"] == ("ANSWERED", "")


async def test_a_node_of_another_organization_is_not_spoken_to(tmp_path: Path) -> None:
    """Whoever answers at a holder's address with another's certificate learns nothing."""
    async with gateway_federation(tmp_path, {"south": ANSWERS}) as federation:
        impostor = FakeNode(ANSWERS)
        serving = await federation.serve_node(STRANGER, impostor, "127.0.0.1:0")
        moved = await federation.move_node("south", serving.address)
        answer = await federation.ask(federation.request(min_registry_sequence=moved))

    assert answer.frames("south") == []
    assert answer.outcomes == {"south": ("UNREACHABLE", "")}
    assert not impostor.requests


async def test_a_node_that_comes_back_is_reached_again(tmp_path: Path) -> None:
    """The kept channel reconnects by itself, and a question is put to the node once."""
    address = closed_port()
    async with gateway_federation(tmp_path, {"north": address}) as federation:
        assert (await federation.ask()).outcomes == {"north": ("UNREACHABLE", "")}
        node = FakeNode(ANSWERS)
        await federation.serve_node("north", node, address)
        async with asyncio.timeout(60):
            while not node.requests:
                answer = await federation.ask()

    assert answer.outcomes == {"north": ("ANSWERED", "")}
    assert len(node.requests) == 1


async def test_a_caller_that_leaves_ends_every_call(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": hangs, "south": floods}) as federation:
        stub: Any = await federation.stub()
        call = stub.Query(federation.request(), timeout=60)
        await call.read()
        await call.read()
        call.cancel()

        async with asyncio.timeout(20):
            await federation.nodes["north"].ended.wait()
            await federation.nodes["south"].ended.wait()


async def test_a_caller_that_does_not_read_stops_the_node(tmp_path: Path) -> None:
    """What the caller does not take stays at the node, but for what is on its way."""
    async with gateway_federation(tmp_path, {"south": floods}) as federation:
        stub: Any = await federation.stub()
        call = stub.Query(federation.request(), timeout=60)
        await call.read()
        sent = -1
        while sent != federation.nodes["south"].sent:
            sent = federation.nodes["south"].sent
            await asyncio.sleep(1.5)

        assert sent < 200
        call.cancel()
