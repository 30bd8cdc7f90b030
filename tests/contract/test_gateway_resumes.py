"""The gateway has holders go on with answers that broke off: over real sockets, nodes scripted."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.audit import AuditKind
from homeroom.errors import (
    CallerUnknownError,
    ClockSkewedError,
    NotPermittedError,
    RequestInvalidError,
)
from homeroom.signing import digest_of
from tests.contract.gateway_federation import (
    GatewayFederation,
    entries,
    frame,
    gateway_federation,
    until,
)
from tests.contract.gateway_peers import STRANGER


async def hangs(_request: node_pb.AnswerRequest) -> AsyncIterator[answer_pb2.AnswerFrame]:
    await asyncio.sleep(3600)
    yield frame(0)


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[GatewayFederation]:
    async with gateway_federation(tmp_path, {"north": hangs, "south": hangs}) as made:
        made.nodes["north"].rest = [frame(2), frame(3, last=True)]
        yield made


def at(holder: str, sequence: int = 2, digest: bytes = b"d" * 32) -> pb.SourcePosition:
    return pb.SourcePosition(holder=holder, next_sequence=sequence, frames_digest=digest)


async def test_a_holder_goes_on_from_where_the_requester_says(
    federation: GatewayFederation,
) -> None:
    """What it is told is what the requester signed and said; nobody else is asked."""
    request = federation.request()
    answer = await federation.resume(request, [at("north")])

    assert answer.plan == ["north"]
    assert answer.frames("north") == federation.nodes["north"].rest
    assert answer.outcomes == {"north": ("ANSWERED", "")}
    (told,) = federation.nodes["north"].resumes
    assert (told.query, told.user_token) == (request.query, request.user_token)
    assert (told.next_sequence, told.frames_digest) == (2, b"d" * 32)
    assert federation.nodes["south"].resumes == []
    assert federation.nobody_was_asked()


async def test_it_stands_in_the_log_before_a_holder_is_asked_and_when_it_ended(
    federation: GatewayFederation,
) -> None:
    """By the digest of an act of its own: one question goes on as often as it has to."""
    request = federation.request()
    for _ in range(2):
        await federation.resume(request, [at("north")])

    resumed = entries(federation, AuditKind.QUESTION_RESUMED)
    assert [entry.said["holders"] for entry in resumed] == [["north"]] * 2
    digest = digest_of(request.query.statement).hex()
    assert {entry.said["question"] for entry in resumed} == {digest}
    ended = await until(lambda: entries(federation, AuditKind.QUESTION_ENDED))
    assert [e.query_digest for e in ended] == [e.query_digest for e in resumed]


@pytest.mark.parametrize("positions", [[], [at("north"), at("north", 3)]])
async def test_each_holder_has_one_position(
    federation: GatewayFederation, positions: list[pb.SourcePosition]
) -> None:
    with pytest.raises(RequestInvalidError):
        await federation.resume(federation.request(), positions)


async def test_who_is_not_of_the_plan_is_not_asked(federation: GatewayFederation) -> None:
    request = federation.request(holders=("north",))
    answer = await federation.resume(request, [at("north"), at("south"), at("nobody")])

    assert answer.plan == ["north"]
    assert federation.nodes["south"].resumes == []


async def test_frames_from_another_place_are_not_passed_on_as_an_answer(
    federation: GatewayFederation,
) -> None:
    answer = await federation.resume(federation.request(), [at("north", 1)])
    assert answer.outcomes == {"north": ("CANNOT_DECIDE", "EVIDENCE_INVALID")}


async def test_permission_comes_first_as_for_a_question(federation: GatewayFederation) -> None:
    """Who signed, whose token, and what the policy says now."""
    request = federation.request()
    with pytest.raises(NotPermittedError):
        await federation.resume(request, [at("north")], by=STRANGER)
    forged = pb.QueryRequest(query=request.query, user_token="x" + request.user_token)
    with pytest.raises(CallerUnknownError):
        await federation.resume(forged, [at("north")])
    with pytest.raises(NotPermittedError):
        await federation.resume(federation.request(purpose="program_evaluation"), [at("north")])
    assert federation.nodes["north"].resumes == []


async def test_a_query_lives_so_long_and_no_longer(tmp_path: Path) -> None:
    """Longer than clocks may be apart; asked, it is not any more."""
    asked_at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60)
    settings: dict[str, Any] = {"max_clock_skew_seconds": 5, "query_life_seconds": 100}
    async with gateway_federation(tmp_path, {"north": hangs}, **settings) as federation:
        federation.nodes["north"].rest = [frame(2, last=True)]
        request = federation.request(asked_at=asked_at)
        answer = await federation.resume(request, [at("north")])
        with pytest.raises(ClockSkewedError):
            await federation.ask(request)
        older = federation.request(asked_at=asked_at - dt.timedelta(seconds=60))
        with pytest.raises(ClockSkewedError):
            await federation.resume(older, [at("north")])

    assert answer.outcomes == {"north": ("ANSWERED", "")}
