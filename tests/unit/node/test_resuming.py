"""An answer that broke off goes on where it was: the very bytes that left, and never more."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.audit import AuditKind
from homeroom.catalog import SUBJECT_REF
from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    LogUnavailableError,
    NotPermittedError,
    QueryReplayedError,
    StateStaleError,
    TooMuchAskedError,
)
from homeroom.packing import unpacked
from homeroom.sealing import AnswerContext, AnswerOpener, frames_digest_of
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.arrow_stream import END
from services.node.domain.ending import Closing, Ending, SealedRows
from services.node.domain.resuming import MOST_RESUMES, OpenAnswers, Whence
from services.node.domain.ruling import Asked
from tests.organizations import Member
from tests.unit.node import federation as small
from tests.unit.node.answering import Node, event

BATCHES = ((event("ana"), event("ben")), (event("ana"),), (event("cyd"),), (event("ben"),))
NAMES = ["ana", "ben", "ana", "cyd", "ben"]
CONTEXT = AnswerContext(small.DIGEST, "anytown")


def node_that_waits(together: int = 1, most: int = 4, seconds: float = 30.0) -> Node:
    node = Node(BATCHES, waiting=OpenAnswers(most, seconds))
    node.records.together = together
    return node


@dataclass
class Requester:
    """Reads an answer over a connection that breaks.

    Attributes:
        frames: what came, in order.
        sent: everything that the node ever sent, by the frame's place.
    """

    node: Node
    frames: list[SealedRows] = field(default_factory=list)
    closing: Closing | None = None
    sent: dict[int, set[bytes]] = field(default_factory=dict)

    async def ask(self, most: int | None = None) -> None:
        """Asks, and leaves when so many frames have come."""
        await self._take(self.node.answerer().answer(small.asked()), most)

    async def go_on(self, most: int | None = None, *, lost: int = 0, **changed: Any) -> None:
        """Goes on; the last frames that the node sent may not have come."""
        if lost:
            self.closing = None
            del self.frames[max(0, len(self.frames) - lost) :]
        whence = Whence(len(self.frames), self.digest())
        asked = replace(small.asked(), **changed)
        await self._take(self.node.answerer().resume(asked, whence), most)

    def digest(self) -> bytes:
        """What it has, as it shows it."""
        return self._opened()[0].frames_digest() if self.frames else b""

    def rows(self) -> list[str]:
        """Whom the rows are about that came."""
        if not self.frames:
            return []
        stream = b"".join([*self._opened()[1], END])
        table = pa.ipc.open_stream(io.BytesIO(stream)).read_all()
        return list(table.column(SUBJECT_REF).to_pylist())

    def require_whole(self) -> None:
        """The receipt accounts for every frame that came, as for an answer in one piece."""
        assert self.closing is not None
        assert self.closing.ending is Ending.ANSWERED
        assert self.digest() == self.closing.sealer.frames_digest()
        assert self.closing.row_count == len(self.rows())

    def _opened(self) -> tuple[AnswerOpener, list[pa.Buffer]]:
        opener = AnswerOpener(self.frames[0].sealed_key, small.REQUESTER.sealing, CONTEXT)
        return opener, [unpacked(opener.open_rows(f.sequence, f.rows)) for f in self.frames]

    async def _take(self, pieces: AsyncIterator[SealedRows | Closing], most: int | None) -> None:
        came = 0
        try:
            while came != most:
                piece = await anext(pieces, None)
                if piece is None:
                    return
                came += 1
                frame = piece.last if isinstance(piece, Closing) else piece
                assert frame.sequence == len(self.frames)
                if frame.rows:
                    self.sent.setdefault(frame.sequence, set()).add(frame.rows)
                    self.frames.append(frame)
                if isinstance(piece, Closing):
                    self.closing = piece
        finally:
            await pieces.aclose()  # type: ignore[attr-defined]  # a generator


def resumed(node: Node) -> list[Any]:
    return [said for kind, _, said in node.log.entries if kind is AuditKind.RESUMED]


async def test_a_read_that_is_still_at_work_ends_before_it_is_let_go_of() -> None:
    """Its caller left it in the middle of a batch; the node stops, once and once more."""
    node = node_that_waits()
    node.records.stalled = asyncio.Event()
    pieces = node.answerer().answer(small.asked())
    await anext(pieces)
    waiting = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await pieces.aclose()  # type: ignore[attr-defined]  # a generator
    assert node.records.closed == 0
    await asyncio.gather(node.waiting.close(), node.waiting.close())

    assert node.records.closed == 1
    assert node.log.content_of(AuditKind.RELEASED)["cut"]


# The whole answer, whatever breaks.


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize(("came", "lost"), [(1, 0), (1, 1), (2, 1), (3, 2), (4, 0), (4, 3)])
async def test_an_answer_goes_on_with_the_frames_that_did_not_come(
    came: int, lost: int, together: int
) -> None:
    """Its receipt accounts for it as for one that never broke, and the log has one end."""
    node = node_that_waits(together)
    requester = Requester(node)
    await requester.ask(came)
    await requester.go_on(lost=lost)

    requester.require_whole()
    assert requester.rows() == NAMES
    assert all(len(bytes_sent) == 1 for bytes_sent in requester.sent.values())
    released = node.log.content_of(AuditKind.RELEASED)
    assert (released["cut"], released["rows"]) == (False, 5)
    (manifest,) = node.log.manifests
    assert (manifest.pieces, manifest.rows, manifest.cut) == (4, 5, False)
    assert node.records.closed == 1


async def test_the_log_says_who_went_on_and_from_where_before_anything_leaves() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(3)
    await requester.go_on(1, lost=2)
    node.log.refused.add(AuditKind.RESUMED)
    sent = {place: set(some) for place, some in requester.sent.items()}
    with pytest.raises(LogUnavailableError):
        await requester.go_on()

    (said,) = resumed(node)
    assert (said["from_piece"], said["pieces_left"]) == (1, 3)
    assert said["question"] == small.DIGEST.hex()
    assert requester.sent == sent


async def test_an_answer_of_which_all_left_and_not_all_came_is_told_again() -> None:
    """Its receipt too, as it was sealed first; nothing is recorded again."""
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask()
    first, requester.closing = requester.closing, None
    await requester.go_on(lost=3)

    requester.require_whole()
    assert requester.closing is first
    assert len(node.log.manifests) == 1
    assert first is not None
    sealer = first.sealer
    assert sealer.seal_receipt(4, b"a") == sealer.seal_receipt(4, b"another")


async def test_whoever_goes_on_takes_the_answer_from_a_connection_that_is_only_half_dead() -> None:
    """The former one gets nothing more, and the log has nothing of its end."""
    node = node_that_waits()
    former: Any = node.answerer().answer(small.asked())
    requester = Requester(node)
    requester.frames.append(await anext(former))
    await requester.go_on(1)

    assert await anext(former, None) is None
    await requester.go_on()
    requester.require_whole()
    assert len(resumed(node)) == 2


async def test_a_caller_who_leaves_while_batches_are_read_loses_none() -> None:
    """The step that was at work is done to its end, and the next caller finds what it read."""
    node = node_that_waits()
    requester = Requester(node)
    pieces: Any = node.answerer().answer(small.asked())
    requester.frames.append(await anext(pieces))
    waits = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    await requester.go_on()

    requester.require_whole()
    assert requester.rows() == NAMES


# Never more than may leave now.


async def test_what_a_family_took_back_between_does_not_come_in_what_had_not_left() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(2)
    node.revoke("ben")
    await requester.go_on()

    requester.require_whole()
    assert requester.rows() == ["ana", "ben", "ana", "cyd"]


async def test_a_piece_that_left_and_holds_what_was_taken_back_is_not_sent_again() -> None:
    """Not with other rows either, for its nonce was used: the answer is cut, and no reason said."""
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(2)
    node.revoke("ben")
    await requester.go_on(lost=2)

    assert requester.frames == []
    assert requester.closing is not None
    assert requester.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert requester.closing.reasons == ()
    # What had left has left: the log and the receipt say so.
    assert requester.closing.row_count == 3
    released = node.log.content_of(AuditKind.RELEASED)
    assert (released["cut"], released["rows"]) == (True, 3)
    (manifest,) = node.log.manifests
    proved = frames_digest_of(
        node.copies.content_key, CONTEXT, await node.copies.some_of(small.DIGEST, 0, 2)
    )
    assert (manifest.pieces, manifest.cut, manifest.frames_digest) == (2, True, proved.hex())
    with pytest.raises(QueryReplayedError):
        await requester.go_on()


async def test_an_agreement_that_ended_between_cuts_the_answer_and_says_why() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(3)
    node.end_agreement()
    await requester.go_on(lost=1)

    assert len(requester.frames) == 2
    assert requester.closing is not None
    assert requester.closing.reasons == (ReasonCode.AGREEMENT_NOT_IN_EFFECT,)
    assert requester.closing.last.sequence == 2


async def test_the_question_is_ruled_on_again_though_nothing_is_known_to_have_changed() -> None:
    """A grant may have ended by itself, and a policy is not asked for nothing."""
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(2)
    node.records.grants.pop("ben")
    await requester.go_on()

    assert len(node.policies.asked) == 2
    assert requester.rows() == ["ana", "ben", "ana", "cyd"]


async def test_what_had_all_left_is_not_told_again_when_it_may_not_leave_any_more() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask()
    node.revoke("ben")
    with pytest.raises(NotPermittedError):
        await requester.go_on(lost=5)
    assert requester.frames == []


async def test_a_stale_state_lets_nothing_more_leave() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(2)
    node.clock.move(31)
    with pytest.raises(StateStaleError):
        await requester.go_on(lost=1)
    assert len(requester.frames) == 1
    assert node.log.content_of(AuditKind.RELEASED)["cut"]


async def test_a_copy_that_was_changed_is_not_sent() -> None:
    """Two contents under one nonce would give both away."""
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(3)
    kept = node.copies.kept[1]
    node.copies.kept[1] = replace(kept, sealed=kept.sealed[:-9] + bytes(9))
    with pytest.raises(EvidenceInvalidError):
        await requester.go_on(lost=2)
    assert len(requester.frames) == 1


# Who may, how often and how long.


async def test_only_who_has_what_came_goes_on() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(2)
    right = requester.digest()
    for piece, digest in ((2, b"x" * 32), (1, right), (3, right), (2, b""), (9, right)):
        with pytest.raises(EvidenceInvalidError):
            await anext(node.answerer().resume(small.asked(), Whence(piece, digest)))
    assert resumed(node) == []
    await requester.go_on()
    requester.require_whole()


async def test_another_person_or_organization_gets_nothing_of_it() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(2)
    asked = small.asked()
    other = replace(asked.user, user_id="someone-else")
    stranger = replace(asked.requester, organization_id=Member.new("strangers").organization_id)
    for changed in ({"user": other}, {"requester": stranger}):
        with pytest.raises(NotPermittedError):
            await requester.go_on(**changed)
    assert resumed(node) == []


async def test_an_answer_that_nobody_began_or_that_is_over_is_not_gone_on_with() -> None:
    node = node_that_waits()
    with pytest.raises(QueryReplayedError):
        await Requester(node).go_on()
    assert node.log.entries == []


async def test_an_answer_is_gone_on_with_so_often_and_no_more() -> None:
    node = node_that_waits()
    requester = Requester(node)
    await requester.ask(1)
    for _ in range(MOST_RESUMES):
        await requester.go_on(1, lost=1)
    with pytest.raises(TooMuchAskedError):
        await requester.go_on(lost=1)
    assert len(resumed(node)) == MOST_RESUMES


async def test_an_answer_whose_caller_does_not_come_back_ends_as_cut() -> None:
    node = node_that_waits(seconds=0.05)
    requester = Requester(node)
    await requester.ask(2)
    assert AuditKind.RELEASED not in {kind for kind, *_ in node.log.entries}
    await asyncio.sleep(0.2)

    released = node.log.content_of(AuditKind.RELEASED)
    assert (released["cut"], released["rows"]) == (True, 3)
    assert node.records.closed == 1
    with pytest.raises(QueryReplayedError):
        await requester.go_on()


async def test_a_node_that_stops_ends_every_answer_that_waits() -> None:
    node = node_that_waits()
    await Requester(node).ask(2)
    await node.waiting.close()

    assert node.log.content_of(AuditKind.RELEASED)["cut"]
    assert node.records.closed == 1


async def test_one_organization_has_half_of_the_places_and_its_oldest_answer_makes_room() -> None:
    waiting = OpenAnswers(2)
    nodes = [Node(BATCHES, waiting=waiting) for _ in range(2)]
    for number, node in enumerate(nodes):
        asked = replace(small.asked(), digest=bytes([number]) * 32)
        pieces: Any = node.answerer().answer(asked)
        await anext(pieces)
        await pieces.aclose()
    await asyncio.sleep(0.05)

    assert [node.records.closed for node in nodes] == [1, 0]
    await waiting.close()


@pytest.mark.parametrize(("frames", "kept"), [(2, 4), (None, 4)], ids=["broken", "told"])
async def test_however_many_answers_are_lost_a_node_keeps_a_few(
    frames: int | None, kept: int
) -> None:
    """What 200 of them hold is what a few hold: the reads of the others end, and nothing stays."""
    waiting, all_asked = OpenAnswers(8), []
    nodes = [Node(BATCHES, waiting=waiting) for _ in range(200)]
    for number, node in enumerate(nodes):
        asked = replace(small.asked(), digest=bytes([number]) * 32)
        all_asked.append(asked)
        pieces: Any = node.answerer().answer(asked)
        while frames is None and await anext(pieces, None) is not None:
            pass
        for _ in range(frames or 0):
            await anext(pieces)
        await pieces.aclose()
    await asyncio.sleep(0.05)

    assert sum(not node.records.closed for node in nodes) == (kept if frames else 0)
    assert [can_go_on(waiting, asked) for asked in all_asked] == [False] * (200 - kept) + [
        True
    ] * kept
    await waiting.close()
    assert not any(can_go_on(waiting, asked) for asked in all_asked)


def can_go_on(waiting: OpenAnswers, asked: Asked) -> bool:
    try:
        waiting.find(asked)
    except QueryReplayedError:
        return False
    return True


async def test_without_copies_nothing_waits() -> None:
    """There is nothing from which what left could be told again."""
    node = node_that_waits()
    stock = node.answerer()._stock
    answerer = node.answerer()
    answerer._stock = replace(stock, copies=None)
    pieces: Any = answerer.answer(small.asked())
    await anext(pieces)
    await pieces.aclose()

    assert node.log.content_of(AuditKind.RELEASED)["cut"]


# Any sequence of breaks.

STEPS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=8)


@settings(max_examples=150)
@given(STEPS, st.integers(1, 4), st.integers(1, 4))
def test_any_breaks_give_exactly_the_rows_of_an_answer_in_one_piece(
    steps: list[tuple[int, int]], first: int, together: int
) -> None:
    async def broken() -> None:
        node = node_that_waits(together)
        requester = Requester(node)
        await requester.ask(first)
        for most, lost in steps:
            if lost or requester.closing is None:
                await requester.go_on(most, lost=lost)
        await requester.go_on(lost=1 if requester.closing else 0)
        requester.require_whole()
        assert requester.rows() == NAMES
        assert all(len(some) == 1 for some in requester.sent.values())
        await node.waiting.close()
        assert node.log.content_of(AuditKind.RELEASED)["rows"] == len(NAMES)

    asyncio.run(broken())


CHANGES = st.sampled_from(["", "", "ana", "ben", "cyd", "agreement", "element"])


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3), CHANGES), max_size=6))
def test_breaks_and_changes_of_mind_give_the_same_rows_or_fewer_never_more_never_twice(
    steps: list[tuple[int, int, str]],
) -> None:
    """And nothing of a student leaves once it may not: not even what had left before."""

    async def broken() -> None:
        node = node_that_waits(together=2)
        requester = Requester(node)
        await requester.ask(1)
        gone: set[str] = set()
        for most, lost, change in steps:
            gone |= changed(node, change)
            kept = rows_of(requester, len(requester.frames) - lost)
            try:
                await requester.go_on(most, lost=lost)
            except HomeroomError:
                break
            assert requester.rows()[: len(kept)] == kept
            assert not gone & set(requester.rows()[len(kept) :])
        assert is_part(requester.rows(), NAMES)
        assert all(len(some) == 1 for some in requester.sent.values())
        await node.waiting.close()

    asyncio.run(broken())


def rows_of(requester: Requester, frames: int) -> list[str]:
    """Whom the rows are about of its first frames."""
    return replace(requester, frames=requester.frames[: max(0, frames)], closing=None).rows()


def changed(node: Node, change: str) -> set[str]:
    """Changes what may leave; whose rows may not leave any more."""
    if change == "agreement":
        node.end_agreement()
        return set(NAMES)
    if change == "element":
        for ref in node.records.grants:
            node.records.grants[ref] = frozenset({Element.DAILY_ATTENDANCE})
        node.replica.learn()
    elif change in node.records.grants:
        node.revoke(change)
        return {change}
    return set()


def is_part(some: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(one in rest for one in some)
