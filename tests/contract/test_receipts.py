"""Receipts as an app keeps them: each that a holder signed, none of a student, none lost."""

import datetime as dt
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from homeroom import AsyncClient
from homeroom.api.common.v1 import answer_pb2
from homeroom.clock import utc_now
from homeroom.errors import LogUnavailableError, NotPermittedError
from homeroom.profile import load_profile
from homeroom.receipts import (
    AskedQuery,
    DamagedLine,
    Kept,
    KeptReceipt,
    ReceiptFiles,
    Silence,
)
from tests.contract.scripted_federation import (
    AGREEMENT,
    STUDENT,
    ScriptedFederation,
    attendance,
    ended,
    federation,
    framed,
)

__all__ = ["federation"]

ELEMENTS = ("daily_attendance", "school_of_enrollment")
ANSWERED = answer_pb2.OUTCOME_ANSWERED


def kept_by(federation: ScriptedFederation) -> list[Kept]:
    folder = load_profile(federation.profile).receipts
    assert folder is not None
    return list(ReceiptFiles(folder, utc_now).kept())


async def ask(federation: ScriptedFederation, **scope: Any) -> Any:
    async with AsyncClient(federation.profile) as client:
        return await client.query(AGREEMENT, "direct_service", "attendance", ELEMENTS, **scope)


async def test_the_question_and_each_receipt_are_kept(federation: ScriptedFederation) -> None:
    """What was asked stands before what was said of it, and a refusal's receipt is one too."""
    cases = (federation.honest("bps", 2), federation.refusing("cambridge", "agreement_missing"))
    federation.says(*cases)

    answer = await ask(federation)

    asked, *receipts = kept_by(federation)
    assert isinstance(asked, AskedQuery)
    assert (asked.agreement_id, asked.dataset) == (AGREEMENT, "attendance")
    assert {r.holder: r.evidence for r in receipts if isinstance(r, KeptReceipt)} == {
        holder: source.receipt for holder, source in answer.sources.items()
    }
    assert {r.receipt.query_digest for r in receipts if isinstance(r, KeptReceipt)} == {
        asked.query_digest
    }


async def test_a_holder_without_a_receipt_is_noted(federation: ScriptedFederation) -> None:
    """A holder that ran out of time, and one that the gateway forgot."""
    federation.says(lambda _: [ended("bps", answer_pb2.OUTCOME_TIMED_OUT)])

    await ask(federation)

    silent = {one.holder: one.outcome for one in kept_by(federation) if isinstance(one, Silence)}
    assert silent == {"bps": "TIMED_OUT", "cambridge": "UNREACHABLE"}


async def test_a_receipt_that_does_not_fit_its_rows_is_kept_all_the_same(
    federation: ScriptedFederation,
) -> None:
    """The holder has signed it: that its rows are other ones is what it will be held to."""
    federation.says(federation.honest("bps", 2, row_count=5), federation.honest("cambridge"))

    answer = await ask(federation)

    assert str(answer.sources["bps"].outcome) == "EVIDENCE_INVALID"
    receipts = [one for one in kept_by(federation) if isinstance(one, KeptReceipt)]
    assert {one.holder: one.receipt.row_count for one in receipts} == {"bps": 5, "cambridge": 3}


async def test_what_nobody_signed_is_no_receipt(federation: ScriptedFederation) -> None:
    """Whoever carried an answer could have made it up: it is noted as silence."""
    stranger = federation.holders["cambridge"].signing_key
    federation.says(federation.honest("bps", 1, signer=stranger), federation.honest("cambridge"))

    await ask(federation)

    kept = kept_by(federation)
    assert [one.holder for one in kept if isinstance(one, KeptReceipt)] == ["cambridge"]
    assert [one.outcome for one in kept if isinstance(one, Silence)] == ["EVIDENCE_INVALID"]


async def test_a_refused_question_was_asked(federation: ScriptedFederation) -> None:
    """The gateway refuses it, no holder sees it; that it was asked is noted."""
    federation.wire.refusal = NotPermittedError("refused")

    with pytest.raises(NotPermittedError):
        await ask(federation)

    assert [type(one) for one in kept_by(federation)] == [AskedQuery]


async def test_no_student_is_in_the_files(federation: ScriptedFederation) -> None:
    """Neither the names that were asked about nor the rows that came stand there."""
    federation.says(federation.honest("bps", 2), federation.honest("cambridge", 2))

    await ask(federation, subject_refs=[STUDENT * 8])

    folder = federation.profile.parent / "profile.receipts"
    content = b"".join(path.read_bytes() for path in folder.iterdir())
    assert b"direct_service" in content
    assert STUDENT.encode() * 2 not in content
    assert b"unexcused_absence" not in content
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


async def test_what_cannot_be_noted_is_not_asked(federation: ScriptedFederation) -> None:
    """An app that cannot keep receipts is told so before the question leaves."""
    (federation.profile.parent / "profile.receipts").write_text("a file is in the way")

    with pytest.raises(LogUnavailableError):
        await ask(federation)

    assert federation.wire.queries == []


async def test_a_profile_may_want_none(federation: ScriptedFederation) -> None:
    """Only the word itself turns receipts off."""
    text = federation.profile.read_text()
    federation.profile.write_text('receipts = "none"\n' + text)
    federation.says(federation.honest("bps", 1), federation.honest("cambridge", 1))

    assert (await ask(federation)).complete

    assert not (federation.profile.parent / "profile.receipts").exists()
    federation.profile.write_text('receipts = "elsewhere"\n' + text)
    assert load_profile(federation.profile).receipts == federation.profile.parent / "elsewhere"


async def test_a_cut_answers_receipt_is_kept(federation: ScriptedFederation) -> None:
    """Rows left before the answer was cut, and the receipt says how many."""
    cut = answer_pb2.OUTCOME_NO_PERMITTED_ANSWER

    def said(digest: bytes) -> list[Any]:
        frames = federation.frames("bps", digest, attendance(2), outcome=cut)
        return [*(framed("bps", frame) for frame in frames), ended("bps", cut)]

    federation.says(said, federation.honest("cambridge", 1))

    await ask(federation)

    receipts = [one for one in kept_by(federation) if isinstance(one, KeptReceipt)]
    assert {one.holder: one.receipt.outcome for one in receipts} == {
        "bps": cut,
        "cambridge": ANSWERED,
    }
    assert next(one for one in receipts if one.holder == "bps").receipt.row_count == 2


def test_a_torn_line_spoils_no_other(tmp_path: Path) -> None:
    """After a crash in the middle of a line, what comes next stands on a line of its own."""
    files = ReceiptFiles(tmp_path, utc_now)
    files.note_silent("bps", b"\x01" * 32, "TIMED_OUT")
    (path,) = tmp_path.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(b'{"kind": "silent", "holder')

    files.note_silent("bps", b"\x02" * 32, "TIMED_OUT")

    first, torn, second = files.kept()
    assert torn == DamagedLine(path.name, 2)
    assert isinstance(first, Silence)
    assert isinstance(second, Silence)
    assert (first.query_digest[0], second.query_digest[0]) == (1, 2)


def test_a_new_month_begins_a_new_file(tmp_path: Path) -> None:
    """Old months can be put away without touching the one that is written."""
    days = iter([dt.datetime(2026, 1, 31, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC)])
    files = ReceiptFiles(tmp_path, lambda: next(days))
    files.note_silent("bps", b"\x01" * 32, "TIMED_OUT")
    files.note_silent("bps", b"\x01" * 32, "TIMED_OUT")

    assert sorted(p.name for p in tmp_path.glob("*.jsonl")) == ["2026-01.jsonl", "2026-02.jsonl"]


def _add_many(folder: str, writer: int) -> None:
    files = ReceiptFiles(Path(folder), utc_now)
    for _ in range(200):
        files.note_silent(f"holder_{writer}" * 200, bytes([writer]) * 32, "TIMED_OUT")


def test_several_processes_add_whole_lines(tmp_path: Path) -> None:
    """One writer at a time: no line is mixed with another's."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add_many, args=(str(tmp_path), n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)

    kept = list(ReceiptFiles(tmp_path, utc_now).kept())
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len([one for one in kept if isinstance(one, Silence)]) == 600
    assert len(kept) == 600


def test_what_was_changed_by_hand_is_told(tmp_path: Path) -> None:
    """A line that is no longer what was written is damaged, never half a receipt."""
    files = ReceiptFiles(tmp_path, utc_now)
    for line in ('{"kind": "receipt"}', "[]", '"receipt"', '{"kind": "other"}', "\xff"):
        (tmp_path / "2026-01.jsonl").write_bytes(line.encode("latin-1") + b"\n")
        assert list(files.kept()) == [DamagedLine("2026-01.jsonl", 1)]
    receipt = {"kind": "receipt", "at": "2026-01-01T00:00:00+00:00", "holder": "bps"}
    for evidence in ("!", "", "CgA="):
        (tmp_path / "2026-01.jsonl").write_text(json.dumps({**receipt, "evidence": evidence}))
        assert list(files.kept()) == [DamagedLine("2026-01.jsonl", 1)]
