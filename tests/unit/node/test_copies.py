"""A copy of what leaves about students is kept before it leaves, and is what left."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from homeroom.audit import AuditKind, Position
from homeroom.catalog import SUBJECT_REF
from homeroom.errors import LogUnavailableError
from homeroom.packing import packed, unpacked
from homeroom.sealing import AnswerContext, frames_digest_of
from services.node.domain.arrow_stream import END, ArrowStream
from services.node.domain.log import Note
from tests.fakes import FakeLog
from tests.unit.node import federation as small
from tests.unit.node.answering import Node, event

BATCHES = ((event("ana"), event("ben")), (event("ana"), event("ben")), (event("ben"),))


def pieces_of(node: Node) -> list[bytes]:
    """The copies that are kept: the first beside the log's entry, unless it was replaced."""
    kept = {one.sequence: one.sealed for one in node.log.copies}
    kept |= {sequence: one.sealed for sequence, one in node.copies.kept.items()}
    return [piece for _, piece in sorted(kept.items())]


def table(pieces: list[bytes]) -> pa.Table:
    return pa.ipc.open_stream(io.BytesIO(b"".join([*map(unpacked, pieces), END]))).read_all()


async def test_a_copy_of_each_piece_is_kept_before_it_leaves() -> None:
    """The first with the decision itself, each later one before its own piece."""
    node = Node(BATCHES)
    told = await node.answer()

    first, *later = [e for e in node.events if e in {"decided", "copied", "rows"}]
    assert first == "decided"
    assert later == ["rows", "copied", "rows", "copied", "rows"]
    assert table(pieces_of(node)).equals(told.table())


async def test_the_copies_give_the_digest_that_log_and_receipt_name() -> None:
    """Sealed again under the kept key they are, byte for byte, what the requester got."""
    node = Node(BATCHES)
    told = await node.answer()
    (manifest,) = node.log.manifests

    context = AnswerContext(small.DIGEST, "anytown")
    again = frames_digest_of(node.copies.content_key, context, [*pieces_of(node), packed(END)])
    assert again == told.closing.sealer.frames_digest()
    assert manifest.frames_digest == again.hex()
    assert (manifest.pieces, manifest.rows, manifest.cut) == (3, 5, False)


async def test_batches_that_wait_together_are_copied_at_once_before_the_first_of_them_leaves() -> (
    None
):
    """One transaction for them all; then each leaves by itself."""
    node = Node(BATCHES)
    node.records.together = 2
    told = await node.answer()

    *_, read, copied, first, second = node.events[: node.events.index("released")]
    assert (read, copied, first, second) == ("read", "copied", "rows", "rows")
    assert table(pieces_of(node)).equals(told.table())


class FullForAMoment(FakeLog):
    """Does not take how an answer ended; the next time it does."""

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[Note] = (),
    ) -> Position:
        try:
            return await super().append(kind, query_digest, content, notes)
        finally:
            self.refused -= {kind}


async def test_an_answer_whose_end_was_not_recorded_at_first_is_cut_and_its_copies_prove_it() -> (
    None
):
    """The receipt did not leave, nor the end of the rows with it; every batch before it did."""
    node = Node(BATCHES)
    node.log = FullForAMoment(node.events, refused={AuditKind.RELEASED})
    with pytest.raises(LogUnavailableError):
        await node.answer()
    (manifest,) = node.log.manifests

    assert (manifest.pieces, manifest.rows, manifest.cut) == (len(node.told.pieces), 5, True)
    context = AnswerContext(small.DIGEST, "anytown")
    proved = frames_digest_of(node.copies.content_key, context, pieces_of(node))
    assert manifest.frames_digest == proved.hex()
    (ended,) = [said for kind, _, said in node.log.entries if kind is AuditKind.RELEASED]
    assert ended["frames_digest"] == manifest.frames_digest


async def test_what_is_taken_back_while_batches_wait_leaves_with_none_of_them() -> None:
    """All that still wait are narrowed and copied anew, before the next of them leaves."""
    node = Node((*BATCHES, (event("ana"),)))
    node.records.together = 3
    node.after[2] = lambda: node.revoke("ben")
    told = await node.answer()
    (manifest,) = node.log.manifests

    assert told.table().column(SUBJECT_REF).to_pylist() == ["ana", "ben", "ana", "ben", "ana"]
    assert node.events.count("copied") == 2
    assert table(pieces_of(node)).equals(told.table())
    assert (manifest.pieces, manifest.rows) == (3, 5)


async def test_an_answer_that_is_cut_while_batches_wait_sends_none_of_them() -> None:
    node = Node((*BATCHES, (event("ana"),)))
    node.records.together = 3
    node.after[2] = node.end_agreement
    told = await node.answer()
    (manifest,) = node.log.manifests

    assert len(told.pieces) == manifest.pieces == 2
    assert manifest.cut
    assert table(pieces_of(node)[:2]).to_pylist() == told.rows()


async def test_what_a_family_took_back_meanwhile_is_in_no_copy() -> None:
    """The batch was copied and then narrowed: the copy is replaced before the rest leaves."""
    node = Node(BATCHES)
    node.records.before[0] = lambda: node.revoke("ben")
    told = await node.answer()
    kept, (manifest,) = pieces_of(node), node.log.manifests

    assert set(told.table().column(SUBJECT_REF).to_pylist()) == {"ana"}
    assert table(kept[: manifest.pieces]).equals(told.table())
    assert manifest.pieces == 2


async def test_a_piece_that_was_copied_and_did_not_leave_is_not_counted() -> None:
    node = Node(BATCHES)
    node.records.before[1] = node.end_agreement
    told = await node.answer()
    (manifest,) = node.log.manifests

    assert len(pieces_of(node)) == 2
    assert (manifest.pieces, manifest.cut) == (1, True)
    assert table(pieces_of(node)[:1]).to_pylist() == told.rows()


async def test_what_cannot_be_copied_does_not_leave() -> None:
    node = Node(BATCHES)
    node.copies.broken = True

    with pytest.raises(LogUnavailableError):
        await node.answer()
    assert len(node.told.pieces) == 1
    (manifest,) = node.log.manifests
    assert (manifest.pieces, manifest.cut) == (1, True)
    assert node.records.closed == 1


async def test_asking_for_the_decision_alone_and_a_refusal_leave_no_copy() -> None:
    asked, refused = Node(BATCHES), Node(BATCHES, judge=lambda _: small.denial())
    await asked.answer(validate_only=True)
    await refused.answer()

    for node in (asked, refused):
        assert pieces_of(node) == []
        assert node.log.manifests == []


async def test_a_question_whose_rows_cannot_be_read_is_recorded_all_the_same() -> None:
    node = Node(BATCHES)

    def gone() -> None:
        raise LogUnavailableError("the records are gone")

    node.records.before[0] = gone
    with pytest.raises(LogUnavailableError):
        await node.answer()
    assert [kind for kind, *_ in node.log.entries] == [AuditKind.DECIDED]
    assert len(node.log.register) == 1
    assert node.told.pieces == []


def test_a_stream_with_a_batch_ends_in_the_same_eight_bytes() -> None:
    schema = pa.schema([pa.field("day", pa.date32())])
    stream = ArrowStream(schema)
    stream.piece(pa.RecordBatch.from_pylist([{"day": None}], schema))
    assert stream.end() == END
