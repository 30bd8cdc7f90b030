"""More is asked of a node than it works on at once: who is refused, how, and what the log has."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.audit import AuditKind
from homeroom.errors import NotPermittedError, TooMuchAskedError
from homeroom.remote import error_of
from homeroom.signing import SigningKey, digest_of
from services.node.store.log import LogStore
from services.runtime.database import open_database
from tests.contract.node_federation import (
    ASKER,
    CANARY_REF,
    GATEWAY,
    NodeFederation,
    node_federation,
)

PATIENCE = 60
FEW = {"answers_at_once": 2, "large_answers_at_once": 2, "questions_waiting": 0, "turn_seconds": 0}


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[NodeFederation]:
    async with node_federation(tmp_path, **FEW) as made:
        yield made


def made_long(federation: NodeFederation) -> None:
    """Has each row of attendance come very often, so that an answer lasts until it is left."""
    database = sqlite3.connect(federation.settings.records_url.removeprefix("sqlite:///"))
    database.execute("ALTER TABLE attendance RENAME TO attendance_kept")
    database.execute(
        "CREATE VIEW attendance AS SELECT k.* FROM attendance_kept AS k, (WITH RECURSIVE n(i) AS "
        "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 2000000) AS often"
    )
    database.commit()
    database.close()


def entries(federation: NodeFederation) -> list[tuple[str, dict[str, Any], str]]:
    state = open_database(federation.settings.state_url)
    found = [(e.kind, dict(e.said), e.query_digest) for e in LogStore(state).entries()]
    state.dispose()
    return found


async def refusal_of(federation: NodeFederation, request: pb.AnswerRequest) -> Any:
    """How the node refuses a question."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await federation.stub(*GATEWAY).Answer(request, timeout=60).read()
    return failed.value


async def test_what_has_no_place_is_refused_before_anything_is_decided(
    federation: NodeFederation,
) -> None:
    made_long(federation)
    stub = federation.stub(*GATEWAY)
    held = stub.Answer(federation.asker.request(), timeout=600)
    assert (await held.read()).frame.sealed_rows

    request = federation.asker.request()
    for _ in range(2):
        failure = await refusal_of(federation, request)
        assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert isinstance(error_of(failure), TooMuchAskedError)
    # Who signed nothing learns nothing of how much there is to do, and takes no place.
    with pytest.raises(NotPermittedError):
        await federation.ask(federation.asker.request(key=SigningKey.generate()))
    # A small question has places of its own, whatever the large ones hold.
    small = stub.Answer(federation.asker.request(subject_refs=(CANARY_REF,), everyone=False))
    assert (await small.read()).frame.sealed_rows
    small.cancel()

    held.cancel()
    await until_decided(federation, request)
    refusals = [said for kind, said, _ in entries(federation) if kind == AuditKind.PERSON_REFUSED]
    assert refusals == [{"requester": ASKER, "reason": "TOO_MUCH_ASKED"}]


async def until_decided(federation: NodeFederation, request: pb.AnswerRequest) -> None:
    """Puts the same bytes again until there is place: what was refused was never asked."""
    digest = digest_of(request.query.statement).hex()
    async with asyncio.timeout(PATIENCE):
        while AuditKind.DECIDED not in {
            k for k, _, about in entries(federation) if about == digest
        }:
            await asyncio.sleep(0.1)
            call = federation.stub(*GATEWAY).Answer(request, timeout=600)
            with suppress(grpc.aio.AioRpcError):
                await call.read()
            call.cancel()


async def test_a_refusal_says_in_grpcs_own_words_when_to_ask_again(
    federation: NodeFederation,
) -> None:
    made_long(federation)
    held = federation.stub(*GATEWAY).Answer(federation.asker.request(), timeout=600)
    assert (await held.read()).frame.sealed_rows

    status = rpc_status.from_call(await refusal_of(federation, federation.asker.request()))
    held.cancel()
    retry = RetryInfo()
    assert status is not None
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToTimedelta().total_seconds() >= 0.1
