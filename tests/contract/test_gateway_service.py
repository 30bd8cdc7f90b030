"""GatewayService over real sockets: who may ask, what a refusal tells, and what nodes cannot do."""

import asyncio
import datetime as dt
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2, query_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.errors import (
    ERROR_OF_REASON,
    CallerUnknownError,
    ClockSkewedError,
    HomeroomError,
    NotPermittedError,
    Reason,
    RequestInvalidError,
    StateBehindError,
    StateStaleError,
    TooMuchAskedError,
)
from homeroom.identity import Identity, Role
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.users import User
from homeroom.vocabulary import Element
from tests.contract.gateway_federation import (
    AGREEMENT,
    ASKER,
    FEDERATION,
    STRANGER,
    FakeNode,
    GatewayFederation,
    Member,
    Script,
    gateway_federation,
)

Frames = AsyncIterator[answer_pb2.AnswerFrame]


def frame(sequence: int, *, last: bool = False, rows: bytes = b"") -> answer_pb2.AnswerFrame:
    outcome = answer_pb2.OUTCOME_ANSWERED if last else answer_pb2.OUTCOME_UNSPECIFIED
    return answer_pb2.AnswerFrame(
        sequence=sequence,
        sealed_key=b"key" if sequence == 0 else b"",
        sealed_rows=rows or bytes([sequence % 256]) * 64,
        sealed_receipt=b"receipt" if last else b"",
        outcome=outcome,
    )


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


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def nobody_was_asked(federation: GatewayFederation) -> bool:
    return all(not node.requests for node in federation.nodes.values())


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
        federation.members["north"].standing = registry_pb.STANDING_SUSPENDED
        await federation.registry.publish()
        answer = await federation.ask(federation.request(min_registry_sequence=2))

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
        serving = await federation.authority.serve(
            Identity(FEDERATION, "south", Role.NODE), node.handlers()
        )
        federation.members["south"].node_address = serving.address
        await federation.registry.publish()
        asking = asyncio.create_task(
            federation.ask(federation.request(min_registry_sequence=2), seconds=20.0)
        )
        await cut.wait()
        await serving.server.stop(None)
        answer = await asking

    assert len(answer.frames("south")) == 1
    assert answer.outcomes == {"south": ("UNREACHABLE", "")}
    assert len(node.requests) == 1


async def test_a_hung_node_delays_neither_the_others_nor_the_end(tmp_path: Path) -> None:
    """The others' answers are there at once; the end comes before the caller's deadline."""
    async with gateway_federation(tmp_path, {"north": hangs, "south": ANSWERS}) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=2.0)
        took = time.monotonic() - started

        assert answer.outcomes == {"north": ("TIMED_OUT", ""), "south": ("ANSWERED", "")}
        assert answer.events[-1].outcome.holder == "north"
        assert took < 2.0
        async with asyncio.timeout(5):
            await federation.nodes["north"].ended.wait()
        assert federation.nodes["north"].seconds[0] == pytest.approx(1.75, abs=0.5)


async def test_a_slow_node_keeps_what_it_sent_in_time(tmp_path: Path) -> None:
    slow = sends(*(frame(n) for n in range(50)), after=0.4)
    async with gateway_federation(tmp_path, {"north": slow}) as federation:
        answer = await federation.ask(seconds=2.0)

    assert 1 <= len(answer.frames("north")) <= 5
    assert answer.outcomes == {"north": ("TIMED_OUT", "")}


async def test_without_a_callers_deadline_nodes_have_the_default(tmp_path: Path) -> None:
    async with gateway_federation(
        tmp_path, {"north": hangs}, default_deadline_seconds=0.5
    ) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=None)

        assert answer.outcomes == {"north": ("TIMED_OUT", "")}
        assert time.monotonic() - started < 1.5


async def test_a_caller_may_not_keep_nodes_busy_beyond_the_cap(tmp_path: Path) -> None:
    async with gateway_federation(
        tmp_path, {"north": hangs}, max_deadline_seconds=0.5
    ) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=100.0)

        assert answer.outcomes == {"north": ("TIMED_OUT", "")}
        assert time.monotonic() - started < 1.5


async def test_a_node_that_does_not_exist_is_unreachable(tmp_path: Path) -> None:
    """Some tries to connect, and then an end long before the deadline."""
    async with gateway_federation(
        tmp_path, {"north": closed_port(), "south": ANSWERS}
    ) as federation:
        started = time.monotonic()
        answer = await federation.ask(seconds=20.0)

        assert answer.outcomes == {"north": ("UNREACHABLE", ""), "south": ("ANSWERED", "")}
        assert time.monotonic() - started < 10.0


async def test_an_address_that_accepts_and_says_nothing_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        async with gateway_federation(tmp_path, {"north": address, "south": ANSWERS}) as federation:
            started = time.monotonic()
            answer = await federation.ask(seconds=1.5)

            assert answer.outcomes == {"north": ("TIMED_OUT", ""), "south": ("ANSWERED", "")}
            assert time.monotonic() - started < 2.5


async def test_a_node_of_another_organization_is_not_spoken_to(tmp_path: Path) -> None:
    """Whoever answers at a holder's address with another's certificate learns nothing."""
    async with gateway_federation(tmp_path, {"south": ANSWERS}) as federation:
        impostor = FakeNode(ANSWERS)
        serving = await federation.authority.serve(
            Identity(FEDERATION, STRANGER, Role.NODE), impostor.handlers()
        )
        federation.members["south"].node_address = serving.address
        await federation.registry.publish()
        answer = await federation.ask(federation.request(min_registry_sequence=2))
        await serving.server.stop(None)

    assert answer.frames("south") == []
    assert answer.outcomes == {"south": ("UNREACHABLE", "")}
    assert not impostor.requests


async def test_a_node_that_comes_back_is_reached_again(tmp_path: Path) -> None:
    """The kept channel reconnects by itself, and a question is put to the node once."""
    address = closed_port()
    async with gateway_federation(tmp_path, {"north": address}) as federation:
        assert (await federation.ask()).outcomes == {"north": ("UNREACHABLE", "")}
        node = FakeNode(ANSWERS)
        serving = await federation.authority.serve(
            Identity(FEDERATION, "north", Role.NODE), node.handlers(), address
        )
        async with asyncio.timeout(20):
            while (await federation.ask()).outcomes != {"north": ("ANSWERED", "")}:
                pass
        await serving.server.stop(None)

    assert len(node.requests) == 1


async def test_a_caller_that_leaves_ends_every_call(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": hangs, "south": floods}) as federation:
        stub = GatewayServiceStub(await federation.channel())
        call = stub.Query(federation.request(), timeout=60)
        await call.read()
        await call.read()
        call.cancel()

        async with asyncio.timeout(5):
            await federation.nodes["north"].ended.wait()
            await federation.nodes["south"].ended.wait()


async def test_a_caller_that_does_not_read_stops_the_node(tmp_path: Path) -> None:
    """What the caller does not take stays at the node, but for what is on its way."""
    async with gateway_federation(tmp_path, {"south": floods}) as federation:
        stub = GatewayServiceStub(await federation.channel())
        call = stub.Query(federation.request(), timeout=60)
        await call.read()
        await asyncio.sleep(1.5)
        early = federation.nodes["south"].sent
        await asyncio.sleep(1.5)

        assert federation.nodes["south"].sent == early
        assert early < 200
        call.cancel()


# Whom the gateway refuses, and what it tells.


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.APP])
async def test_only_apps_may_ask(tmp_path: Path, role: Role) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(role=role)

        assert refused.value.codes == ()
        assert nobody_was_asked(federation)


Spoil = Callable[[GatewayFederation], pb.QueryRequest]


def _ago(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)


def _expired_token(federation: GatewayFederation) -> str:
    user = federation.members[ASKER]
    long_ago = _ago(36_000)
    return user.issuer.token(User("u1", ASKER, "case_worker", None), FEDERATION, long_ago)


def _token_swapped(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.user_token = federation.members[ASKER].token(user_id="u2")
    return request


def _changed_after_signing(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.query.statement += b"\x10\x01"
    return request


def _many_signatures(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.query.signatures.extend(list(request.query.signatures) * 10_000)
    return request


def _unreadable(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    request.query.statement = b"\xff\xff\xff"
    return request


def _renamed(federation: GatewayFederation, requester: str) -> pb.QueryRequest:
    member = federation.members[ASKER]
    query = to_query(
        Question(
            agreement_id=AGREEMENT,
            purpose="direct_service",
            dataset="attendance",
            elements=(Element.DAILY_ATTENDANCE,),
            everyone=True,
        ),
        requester,
        member.token(),
        dt.datetime.now(dt.UTC),
        "0" * 32,
    )
    return federation.signed(query, member, member.token())


def _level_missing(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    query = query_pb2.Query.FromString(request.query.statement)
    query.ClearField("level")
    return federation.signed(query, federation.members[ASKER], request.user_token)


def _too_large(federation: GatewayFederation) -> pb.QueryRequest:
    request = federation.request()
    query = query_pb2.Query.FromString(request.query.statement)
    query.cohort.subject_refs.extend("s" * 60 + f"{n:04}" for n in range(20_000))
    return federation.signed(query, federation.members[ASKER], request.user_token)


SPOILED: dict[str, tuple[Spoil, type[HomeroomError]]] = {
    "signed by another key": (
        lambda f: f.request(signer=Member(ASKER)),
        NotPermittedError,
    ),
    "of another organization": (lambda f: f.request(requester="north"), NotPermittedError),
    "of nobody registered": (
        lambda f: _renamed(f, "nobody_here"),
        NotPermittedError,
    ),
    "changed after it was signed": (_changed_after_signing, NotPermittedError),
    "not readable": (_unreadable, NotPermittedError),
    "asked long ago": (lambda f: f.request(asked_at=_ago(45)), ClockSkewedError),
    "asked in the future": (lambda f: f.request(asked_at=_ago(-45)), ClockSkewedError),
    "with no token": (lambda f: f.request(token=""), CallerUnknownError),
    "with an expired token": (
        lambda f: f.request(token=_expired_token(f)),
        CallerUnknownError,
    ),
    "with another's token": (
        lambda f: f.request(token=f.members["north"].token()),
        CallerUnknownError,
    ),
    "with a token of another's user": (
        lambda f: f.request(token=f.members[ASKER].token(organization_id="north")),
        CallerUnknownError,
    ),
    "with a token that was swapped": (_token_swapped, CallerUnknownError),
    "with too large a token": (lambda f: f.request(token="x" * 17_000), TooMuchAskedError),
    "with too many signatures": (_many_signatures, TooMuchAskedError),
    "not well formed": (
        _level_missing,
        RequestInvalidError,
    ),
    "too large": (_too_large, TooMuchAskedError),
}


@pytest.mark.parametrize("spoiled", list(SPOILED))
async def test_a_question_that_is_not_in_order_is_refused_and_nobody_is_asked(
    tmp_path: Path, spoiled: str
) -> None:
    spoil, error = SPOILED[spoiled]
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        with pytest.raises(error) as refused:
            await federation.ask(spoil(federation))

        assert type(refused.value) is error
        assert nobody_was_asked(federation)


async def test_a_strangers_key_and_another_organization_look_the_same(tmp_path: Path) -> None:
    told = set()
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        for spoiled in ("signed by another key", "of another organization", "of nobody registered"):
            with pytest.raises(NotPermittedError) as refused:
                await federation.ask(SPOILED[spoiled][0](federation))
            told.add((refused.value.message, *refused.value.metadata.items()))

    assert len(told) == 1


async def test_a_party_is_told_why(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(
                federation.request(purpose="program_evaluation", dataset="attendance")
            )

        assert "agreement_purpose_mismatch" in refused.value.codes
        assert nobody_was_asked(federation)


async def test_who_is_no_party_learns_nothing_of_an_agreement(tmp_path: Path) -> None:
    """An agreement of others and one that does not exist are refused in the same words."""
    told = []
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        for agreement_id in (AGREEMENT, "A-404"):
            request = federation.request(requester=STRANGER, agreement_id=agreement_id)
            with pytest.raises(NotPermittedError) as refused:
                await federation.ask(request, by=STRANGER)
            told.append((refused.value.message, refused.value.metadata))
        assert nobody_was_asked(federation)

    assert told[0] == told[1]
    assert told[0][1] == {}


async def test_a_suspended_requester_is_refused_at_once(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        federation.members[ASKER].standing = registry_pb.STANDING_SUSPENDED
        await federation.registry.publish()
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(federation.request(min_registry_sequence=2))

        assert "org_suspended" in refused.value.codes
        assert nobody_was_asked(federation)


async def test_an_ended_agreement_is_refused(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        federation.registry.agreement_state = registry_pb.AGREEMENT_STATE_ENDED
        await federation.registry.publish()
        with pytest.raises(NotPermittedError) as refused:
            await federation.ask(federation.request(min_registry_sequence=2))

        assert refused.value.codes == ("agreement_not_in_effect",)


async def test_a_holder_that_is_no_party_is_an_invalid_request(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        with pytest.raises(RequestInvalidError):
            await federation.ask(federation.request(holders=(STRANGER,)))

        assert nobody_was_asked(federation)


async def test_a_state_nobody_confirmed_lately_is_not_relied_on(tmp_path: Path) -> None:
    age = dt.timedelta(seconds=31)
    async with gateway_federation(tmp_path, {"north": ANSWERS}, registry_age=age) as federation:
        with pytest.raises(StateStaleError):
            await federation.ask()

        assert nobody_was_asked(federation)


async def test_a_state_that_does_not_come_is_said_to_be_behind(tmp_path: Path) -> None:
    async with gateway_federation(
        tmp_path, {"north": ANSWERS}, state_wait_seconds=0.5
    ) as federation:
        await federation.ask()
        with pytest.raises(StateBehindError):
            await federation.ask(federation.request(min_registry_sequence=99))

        assert len(federation.nodes["north"].requests) == 1


async def test_too_many_questions_are_refused_with_the_wait_and_others_are_not(
    tmp_path: Path,
) -> None:
    async with gateway_federation(
        tmp_path, {"north": ANSWERS}, queries_per_second=0.1, query_burst=2
    ) as federation:
        await federation.ask()
        await federation.ask()
        with pytest.raises(TooMuchAskedError) as refused:
            await federation.ask()
        with pytest.raises(NotPermittedError):
            await federation.ask(federation.request(requester=STRANGER), by=STRANGER)

        assert 0 < float(refused.value.metadata["retry_after"]) <= 10


async def test_what_is_asked_never_reaches_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line for a question, one for a refusal; neither says what was asked about whom."""
    async with gateway_federation(tmp_path, {"north": ANSWERS}) as federation:
        secret: dict[str, Any] = {"everyone": False, "subject_refs": ("secretref",)}
        request = federation.request(**secret)
        await federation.ask(request)
        with pytest.raises(NotPermittedError):
            await federation.ask(federation.request(purpose="program_evaluation", **secret))

    written = "".join(capsys.readouterr())
    assert written.count("question asked") == 1
    assert written.count("call refused") == 1
    assert "agreement_purpose_mismatch" in written
    assert "secretref" not in written
    assert request.user_token not in written
