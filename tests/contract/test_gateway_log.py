"""The gateway's log in a gateway that runs: what it tells, and that nothing passes without it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.audit import EVENTS, AuditKind
from homeroom.audit.checkpoint import GATEWAY_LOG, Checkpoint, log_origin, read_checkpoint
from homeroom.audit.checkpoint import sign_checkpoint as signed_checkpoint
from homeroom.errors import (
    HomeroomError,
    LogUnavailableError,
    NotPermittedError,
    QueryReplayedError,
)
from homeroom.merkle import leaf_hash
from homeroom.signing import SigningKey, digest_of
from services.gateway.store import GatewayLog
from services.runtime.database import open_database
from tests.contract.gateway_federation import (
    GatewayFederation,
    entries,
    frame,
    gateway_federation,
    make_tables,
    new_database,
    until,
    until_noted,
)
from tests.contract.gateway_peers import AGREEMENT, ASKER, FEDERATION
from tests.contract.node_stores import BACKENDS
from tests.postgres import Postgres

Frames = AsyncIterator[answer_pb2.AnswerFrame]


async def answers(_request: node_pb.AnswerRequest) -> Frames:
    yield frame(0, last=True)


async def hangs(_request: node_pb.AnswerRequest) -> Frames:
    yield frame(0)
    await asyncio.sleep(3600)


def break_log(federation: GatewayFederation) -> None:
    """Nothing more can be written: as if the disk were full."""
    change(federation.settings.database_url, "ALTER TABLE log_tile RENAME TO away")


def change(url: str, statement: str) -> None:
    """Changes the database by hand."""
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


async def test_a_question_stands_in_the_log_before_a_holder_is_asked(tmp_path: Path) -> None:
    """Who asks what of whom, by the query's digest; and then how each part ended."""
    seen: list[dict[str, Any]] = []

    async def looks(_request: node_pb.AnswerRequest) -> Frames:
        seen.extend(dict(one.said) for one in entries(federation, AuditKind.QUESTION_PASSED))
        yield frame(0, last=True)

    async with gateway_federation(tmp_path, {"north": looks}) as federation:
        request = federation.request()
        await federation.ask(request)
        (passed,) = entries(federation, AuditKind.QUESTION_PASSED)
        (ended,) = entries(federation, AuditKind.QUESTION_ENDED)

    assert seen == [passed.said]
    assert passed.query_digest == ended.query_digest == digest_of(request.query.statement).hex()
    assert dict(passed.said) == {
        "requester": ASKER,
        "role": "unlisted",
        "agreement": AGREEMENT,
        "agreement_version": 1,
        "purpose": "direct_service",
        "basis": "consent",
        "dataset": "attendance",
        "elements": ["daily_attendance"],
        "level": "student",
        "validate_only": False,
        "registry_sequence": 1,
        "holders": ["north"],
    }
    assert dict(ended.said) == {"outcomes": {"north": "ANSWERED"}, "left": False}


async def test_without_its_log_the_gateway_asks_nobody(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        await federation.ask()
        break_log(federation)
        with pytest.raises(LogUnavailableError):
            await federation.ask()

        assert len(federation.nodes["north"].requests) == 1


async def test_the_last_outcome_is_not_told_while_the_log_cannot_have_it(tmp_path: Path) -> None:
    """The frames have passed by then; the caller learns that the rest is not sure."""

    async def breaks(_request: node_pb.AnswerRequest) -> Frames:
        yield frame(0)
        break_log(federation)
        yield frame(1, last=True)

    async with gateway_federation(tmp_path, {"north": breaks}) as federation:
        with pytest.raises(LogUnavailableError):
            await federation.ask()


async def test_a_question_is_passed_on_once(tmp_path: Path) -> None:
    """Also when the gateway has started again in between."""
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        request = federation.request()
        await federation.ask(request)
        with pytest.raises(QueryReplayedError):
            await federation.ask(request)

        assert len(federation.nodes["north"].requests) == 1
        assert len(entries(federation, AuditKind.QUESTION_PASSED)) == 1


async def test_a_refused_question_is_noted_once_however_often_it_comes(tmp_path: Path) -> None:
    """With what the policy said; nobody was asked, and the caller hears the same each time."""
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        request = federation.request(purpose="made_up_word")
        for _ in range(2):
            with pytest.raises(NotPermittedError) as refused:
                await federation.ask(request)
        (noted,) = entries(federation, AuditKind.QUESTION_REFUSED)

        assert noted.said["reason"] == "NOT_PERMITTED"
        assert noted.said["codes"] == list(refused.value.codes)
        assert noted.said["codes"]
        assert federation.nobody_was_asked()
        assert not entries(federation, AuditKind.QUESTION_PASSED)


async def test_no_word_that_a_caller_makes_up_stands_in_the_log(tmp_path: Path) -> None:
    """A name that is written into a field of a question, or into a person's role, goes nowhere."""
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        asker = federation.participants[ASKER]
        for changed in (
            {"purpose": "vandersloot"},
            {"agreement_id": "vandersloot"},
            {"agreement_id": "", "agreement_version": 0, "holders": ("vandersloot",)},
            {"matter_id": "vandersloot"},
            {"school_ids": ("vandersloot",)},
            {"subject_refs": ("vandersloot",), "everyone": False},
            {"token": asker.token(role="vandersloot", user_id="vandersloot")},
        ):
            given: dict[str, Any] = dict(changed)
            with suppress(HomeroomError):
                await federation.ask(federation.request(**given))
        written = "".join(e.content for k in EVENTS for e in entries(federation, k))

    assert "unlisted" in written
    assert "vandersloot" not in written


async def test_callers_that_are_turned_away_fill_no_disk(tmp_path: Path) -> None:
    """One entry for each organization and reason, whatever they send."""
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        for _ in range(3):
            with pytest.raises(NotPermittedError):
                await federation.ask(federation.request(key=SigningKey.generate()))
        noted = await until_noted(federation, AuditKind.CALLER_REFUSED)

    assert dict(noted.said) == {"requester": ASKER, "reason": "NOT_PERMITTED"}


async def test_a_caller_that_leaves_is_noted(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": hangs, "south": answers}) as federation:
        stub: Any = await federation.stub()
        call = stub.Query(federation.request(), timeout=60)
        while not (await call.read()).HasField("outcome"):
            pass
        call.cancel()
        noted = await until_noted(federation, AuditKind.QUESTION_ENDED)

    assert dict(noted.said) == {"outcomes": {"north": "", "south": "ANSWERED"}, "left": True}


async def test_a_start_is_noted_and_the_log_is_witnessed(tmp_path: Path) -> None:
    async with gateway_federation(tmp_path, {"north": answers}) as federation:
        await federation.ask()
        key = SigningKey.load(federation.settings.checkpoint_key)
        await until(lambda: federation.witness.size >= 3)
        (started,) = entries(federation, AuditKind.GATEWAY_STARTED)

    assert started.index == 0
    assert started.said["checkpoint_key"] == key.key_id
    note = federation.witness.taken[-1].note
    assert read_checkpoint(note).origin == f"homeroom/{FEDERATION}/gateway-log"


async def test_an_older_copy_of_the_log_passes_nothing_on(tmp_path: Path) -> None:
    """The registry has witnessed more entries than the restored database has."""
    origin = log_origin(FEDERATION, GATEWAY_LOG)
    lost = Checkpoint(origin, 900, leaf_hash(b"what was lost"))
    async with gateway_federation(
        tmp_path,
        {"north": answers},
        witnessed=signed_checkpoint(lost, origin, SigningKey.generate()),
    ) as federation:
        with pytest.raises(LogUnavailableError):
            await federation.ask()

        assert federation.nobody_was_asked()


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A gateway's database, on SQLite and on PostgreSQL alike."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        return server.prepared_database(make_tables)
    return new_database(tmp_path)


async def test_replicas_that_share_a_database_write_one_log(url: str) -> None:
    """No place is taken twice, and what one has passed on is a replay to the other."""
    digests = [digest_of(b"%d" % number) for number in range(40)]
    with closing(GatewayLog(url)) as one, closing(GatewayLog(url)) as other:
        placed = await asyncio.gather(
            *(
                (one, other)[n % 2].append(AuditKind.QUESTION_PASSED, digest, {"n": n})
                for n, digest in enumerate(digests)
            )
        )
        with pytest.raises(QueryReplayedError):
            await other.append(AuditKind.QUESTION_PASSED, digests[0], {})

        assert sorted(position.log_index for position in placed) == list(range(40))
        assert one.first_broken() is None
