"""A node that goes on with an answer, over real sockets: its database, its copies and its log."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.errors import (
    CallerUnknownError,
    ClockSkewedError,
    EvidenceInvalidError,
    NotPermittedError,
    QueryReplayedError,
)
from homeroom.opening import Asking, SourceOpening
from homeroom.remote import error_of
from homeroom.rows import read_rows
from homeroom.signing import digest_of
from services.node.domain.selection import ROWS_PER_BATCH
from tests.contract.node_federation import (
    ASKER,
    GATEWAY,
    HOLDER,
    QUESTION,
    NodeFederation,
    node_federation,
)
from tests.contract.test_left_answers import ENDLESS, endings, made_long, until

ROWS = 12 * ROWS_PER_BATCH
SKEW_SECONDS = 3
"""Longer than a busy machine needs to ask, short enough to wait for."""


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[NodeFederation]:
    async with node_federation(tmp_path) as made:
        made_long(made, f"{ENDLESS[True]} LIMIT {ROWS}")
        yield made


@dataclass
class Download:
    """One answer as its requester reads it, over calls that it breaks off itself."""

    federation: NodeFederation
    request: pb.AnswerRequest
    frames: list[answer_pb2.AnswerFrame] = field(default_factory=list)
    opening: SourceOpening = field(init=False)

    def __post_init__(self) -> None:
        self.opening = self._new()

    async def ask(self, frames: int) -> None:
        """Reads some frames, and breaks off."""
        call = self.federation.stub(*GATEWAY).Answer(self.request, timeout=60)
        for _ in range(frames):
            self.frames.append((await call.read()).frame)
        call.cancel()

    async def go_on(self, lost: int = 0, **changed: Any) -> None:
        """Reads the rest, though some frames never came; raises the error that the node meant."""
        del self.frames[len(self.frames) - lost :]
        self.opening = self._new()
        for frame in self.frames:
            self.opening.take(frame)
        fields: dict[str, Any] = {
            "query": self.request.query,
            "user_token": self.request.user_token,
            "next_sequence": len(self.frames),
            "frames_digest": self.opening.go_on(),
        }
        request = pb.ResumeAnswerRequest(**(fields | changed))
        try:
            async for answer in self.federation.stub(*GATEWAY).ResumeAnswer(request, timeout=60):
                self.frames.append(answer.frame)
                self.opening.take(answer.frame)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure

    def rows(self) -> int:
        """How many rows it has, once its receipt was checked as that of an unbroken one."""
        opening = self._new()
        pieces = [piece for frame in self.frames if (piece := opening.take(frame))]
        key = self.federation.holder.signing.public
        receipt = opening.check(answer_pb2.OUTCOME_ANSWERED, key)
        return sum(batch.num_rows for batch in read_rows(pieces, receipt, QUESTION))

    def _new(self) -> SourceOpening:
        asking = Asking(
            question=QUESTION,
            requester=ASKER,
            query_digest=digest_of(self.request.query.statement),
            sealing_key=self.federation.asker.member.sealing,
        )
        return SourceOpening(asking, HOLDER)


@pytest.mark.parametrize("lost", [0, 2])
async def test_an_answer_that_broke_off_is_whole_when_it_has_gone_on(
    federation: NodeFederation, lost: int
) -> None:
    download = Download(federation, federation.asker.request())
    await download.ask(3)
    await download.go_on(lost)

    assert download.rows() == ROWS
    digest = digest_of(download.request.query.statement)
    (ending,) = endings(federation, digest)
    assert (ending["cut"], ending["rows"]) == (False, ROWS)


async def test_what_left_leaves_again_as_the_same_bytes(federation: NodeFederation) -> None:
    download = Download(federation, federation.asker.request())
    await download.ask(3)
    before = [frame.SerializeToString() for frame in download.frames]
    await download.go_on(lost=3)

    assert [frame.SerializeToString() for frame in download.frames[:3]] == before


async def test_a_consent_that_was_revoked_between_lets_nothing_more_leave(
    federation: NodeFederation,
) -> None:
    """Neither what had left before, nor what had not."""
    download = Download(federation, federation.asker.request())
    await download.ask(3)
    await federation.until_known(await federation.revoke(federation.consents[0]))
    await download.go_on(lost=1)

    closing = download.frames[-1]
    assert [frame.sequence for frame in download.frames] == [0, 1, 2]
    assert closing.outcome == answer_pb2.OUTCOME_NO_PERMITTED_ANSWER
    assert not closing.sealed_rows
    (ending,) = endings(federation, digest_of(download.request.query.statement))
    assert ending["cut"]
    assert ending["rows"] >= 3 * ROWS_PER_BATCH


async def test_who_has_not_what_came_gets_no_more(federation: NodeFederation) -> None:
    """A gateway that carried the frames knows their tags, and not the key's commitment."""
    download = Download(federation, federation.asker.request())
    await download.ask(3)
    for changed in ({"frames_digest": b"x" * 32}, {"next_sequence": 2}, {"frames_digest": b""}):
        with pytest.raises(EvidenceInvalidError):
            await download.go_on(**changed)
    await download.go_on()
    assert download.rows() == ROWS


async def test_another_persons_token_or_another_signature_goes_on_with_nothing(
    federation: NodeFederation,
) -> None:
    download = Download(federation, federation.asker.request())
    await download.ask(2)
    with pytest.raises(CallerUnknownError):
        await download.go_on(user_token=federation.asker.token(user_id="u2"))
    forged = federation.asker.request(key=federation.stranger.member.signing)
    with pytest.raises(NotPermittedError):
        await download.go_on(query=forged.query, user_token=forged.user_token)
    await download.go_on()
    assert download.rows() == ROWS


async def test_a_query_that_nobody_asked_has_no_answer_to_go_on_with(
    federation: NodeFederation,
) -> None:
    download = Download(federation, federation.asker.request())
    with pytest.raises(QueryReplayedError):
        await download.go_on()


async def test_a_node_that_was_started_again_has_nothing_open_and_its_log_says_cut(
    federation: NodeFederation,
) -> None:
    download = Download(federation, federation.asker.request())
    await download.ask(2)
    await asyncio.sleep(0.2)
    await federation.restart_node()
    digest = digest_of(download.request.query.statement)
    (ending,) = await until(lambda: endings(federation, digest))
    await federation.until_known(1)

    assert ending["cut"]
    with pytest.raises(QueryReplayedError):
        await download.go_on()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"query_life_seconds": 0}, ClockSkewedError),
        ({"open_answers": 0}, QueryReplayedError),
        ({"released_copy_days": 0}, QueryReplayedError),
    ],
)
async def test_a_node_lets_go_on_only_as_its_settings_say(
    federation: NodeFederation, changed: dict[str, int], error: type[Exception]
) -> None:
    """For as long as a query lives; if some may wait; and only of what it keeps copies."""
    await federation.restart_node(max_clock_skew_seconds=SKEW_SECONDS, **changed)
    await federation.until_known(1)
    download = Download(federation, federation.asker.request())
    await download.ask(2)
    await asyncio.sleep(SKEW_SECONDS + 0.5)
    with pytest.raises(error):
        await download.go_on()


async def test_a_query_lives_longer_than_clocks_may_be_apart(federation: NodeFederation) -> None:
    await federation.restart_node(max_clock_skew_seconds=SKEW_SECONDS)
    await federation.until_known(1)
    download = Download(federation, federation.asker.request())
    await download.ask(2)
    await asyncio.sleep(SKEW_SECONDS + 0.5)
    await download.go_on()

    assert download.rows() == ROWS
    with pytest.raises(ClockSkewedError):
        await federation.ask(download.request)
