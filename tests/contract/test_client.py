"""The client against real gRPC and TLS: it uses a row only when its source's receipt checks."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any, cast

import pytest

from homeroom import AsyncClient, Client, Outcome, SignedForm
from homeroom.answer import Answer
from homeroom.api.common.v1 import answer_pb2
from homeroom.errors import (
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    StateStaleError,
)
from homeroom.query import read_question
from homeroom.signing import SigningKey
from tests.contract.scripted_federation import (
    AGREEMENT,
    HOLDERS,
    STUDENT,
    ScriptedFederation,
    attendance,
    client,
    ended,
    federation,
    framed,
    plan,
)

__all__ = ["client", "federation"]

ELEMENTS = ("school_of_enrollment", "daily_attendance")
ANSWERED = answer_pb2.OUTCOME_ANSWERED
Source = Callable[[bytes], list[Any]]


async def ask(client: AsyncClient, **scope: Any) -> Answer:
    return await client.query(AGREEMENT, "direct_service", "attendance", ELEMENTS, **scope)


async def test_the_rows_of_every_source_come_in_one_table(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """Two holders answer; the table names the source of each row, in one order whoever is quick."""
    federation.says(federation.honest("cambridge", 2), federation.honest("bps", 3))

    answer = await ask(client)

    assert answer.table["source"].to_pylist() == ["bps"] * 3 + ["cambridge"] * 2
    assert answer.table.column_names[:4] == ["source", "subject_ref", "school_id", "event_date"]
    assert {STUDENT} == set(answer.table["subject_ref"].to_pylist())
    assert answer.complete
    assert set(HOLDERS) == set(answer.receipts)
    assert answer.obligations == ("inform_redisclosure_limits",)
    assert len(answer.to_pandas()) == 5


async def test_the_query_says_what_was_asked_and_binds_the_user(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """What the gateway receives reads back as the question, with its period, schools and state."""
    federation.says(federation.honest("bps"), federation.honest("cambridge"))

    await ask(
        client,
        subject_refs=["b", "a"],
        school_ids=["0101"],
        period=(dt.date(2026, 1, 1), dt.date(2026, 6, 30)),
        holders=HOLDERS,
        min_consent_sequence=7,
    )

    question = read_question(federation.wire.queries[0])
    assert question.subject_refs == ("b", "a")
    assert not question.everyone
    assert question.school_ids == ("0101",)
    assert question.period is not None
    assert dt.date(2026, 6, 30) == question.period.end_date
    assert question.min_consent_sequence == 7
    assert federation.wire.queries[0].requester == "dsni"


async def test_an_empty_list_of_students_never_means_everyone(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A caseload that happens to be empty is refused before anything is asked."""
    with pytest.raises(RequestInvalidError):
        await ask(client, subject_refs=[])

    assert federation.wire.queries == []


async def test_a_source_without_an_element_has_nulls_in_its_columns(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """What one holder withheld is null in its rows, and told with its reason in words."""
    withheld = answer_pb2.WithheldElement(
        element="school_of_enrollment", reason_code="local_rule_withheld"
    )
    bare = attendance(2, ["daily_attendance"])
    federation.says(
        federation.honest("bps", batches=bare, withheld_elements=[withheld]),
        federation.honest("cambridge", 1),
    )

    answer = await ask(client)

    assert answer.table["school_id"].to_pylist() == [None, None, "0101"]
    assert answer.sources["bps"].withheld == {"school_of_enrollment": "local_rule_withheld"}
    refusal = answer.refusals[0]
    assert (refusal.holder, refusal.element) == ("bps", "school_of_enrollment")
    assert "own rule" in refusal.text


async def test_zero_rows_are_an_answer(federation: ScriptedFederation, client: AsyncClient) -> None:
    """Nothing permitted to show is still an answer, with a receipt and no row."""
    federation.says(
        federation.honest("bps", batches=attendance(0) or None, row_count=0),
        federation.honest("cambridge", 1),
    )
    federation.says(_empty(federation, "bps"), federation.honest("cambridge", 1))

    answer = await ask(client)

    assert answer.complete
    assert answer.sources["bps"].row_count == 0
    assert answer.table.num_rows == 1


async def test_a_refused_question_names_its_codes(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """The gateway's refusal arrives as NotPermittedError with the codes of its reasons."""
    federation.wire.refusal = NotPermittedError("refused", codes="agreement_purpose_mismatch")

    with pytest.raises(NotPermittedError) as refused:
        await ask(client)

    assert refused.value.codes == ("agreement_purpose_mismatch",)


async def test_a_refusing_source_is_told_in_words(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """One holder refuses, the other answers: the rows come, and the refusal says why."""
    federation.says(
        federation.refusing("bps", "agreement_school_out_of_scope"),
        federation.honest("cambridge", 2),
    )

    answer = await ask(client)

    assert not answer.complete
    assert Outcome.NO_PERMITTED_ANSWER is answer.sources["bps"].outcome
    assert "school the agreement does not list" in answer.refusals[0].text
    assert answer.table.num_rows == 2


def _empty(federation: ScriptedFederation, holder: str) -> Source:
    def events(digest: bytes) -> list[Any]:
        frames = federation.frames(holder, digest, [])
        return [*(framed(holder, frame) for frame in frames), ended(holder, ANSWERED)]

    return events


def _changed(
    federation: ScriptedFederation, change: Callable[[list[answer_pb2.AnswerFrame]], Any]
) -> Source:
    def events(digest: bytes) -> list[Any]:
        frames = federation.frames("bps", digest, attendance(6))
        frames = change(frames) or frames
        return [*(framed("bps", frame) for frame in frames), ended("bps", ANSWERED)]

    return events


def _flip(frames: list[answer_pb2.AnswerFrame]) -> None:
    rows = bytearray(frames[1].sealed_rows)
    rows[0] ^= 1
    frames[1].sealed_rows = bytes(rows)


def _renumber(frames: list[answer_pb2.AnswerFrame]) -> list[answer_pb2.AnswerFrame]:
    kept = [frames[0], *frames[2:]]
    for sequence, frame in enumerate(kept):
        frame.sequence = sequence
    return kept


TAMPERING: dict[str, Callable[[list[answer_pb2.AnswerFrame]], Any]] = {
    "a bit of a frame is flipped": _flip,
    "a frame is missing": lambda frames: [frames[0], *frames[2:]],
    "a frame is missing and the rest renumbered": _renumber,
    "two frames are swapped": lambda frames: [frames[1], frames[0], *frames[2:]],
    "a frame is repeated": lambda frames: [frames[0], *frames],
    "the receipt is missing": lambda frames: frames[:-1],
    "a frame follows the receipt": lambda frames: [*frames, frames[-1]],
    "the key is missing": lambda frames: frames[0].ClearField("sealed_key"),
    "another key comes later": lambda frames: frames[1].MergeFrom(
        answer_pb2.AnswerFrame(sealed_key=frames[0].sealed_key)
    ),
    "the last frame's outcome is changed": lambda frames: frames[-1].MergeFrom(
        answer_pb2.AnswerFrame(outcome=answer_pb2.OUTCOME_NO_PERMITTED_ANSWER)
    ),
}


@pytest.mark.parametrize("what", TAMPERING)
async def test_no_row_of_a_tampered_answer_is_used(
    federation: ScriptedFederation, client: AsyncClient, what: str
) -> None:
    """Whatever the carrier does to one source's frames, its rows are dropped and others stay."""
    federation.says(_changed(federation, TAMPERING[what]), federation.honest("cambridge", 1))

    answer = await ask(client)

    assert Outcome.EVIDENCE_INVALID is answer.sources["bps"].outcome
    assert answer.table["source"].to_pylist() == ["cambridge"]
    assert "bps" not in answer.receipts


FALSE_RECEIPTS: dict[str, dict[str, Any]] = {
    "another query": {"query_digest": b"\0" * 32},
    "another holder": {"holder": "cambridge"},
    "another requester": {"requester": "other"},
    "more rows": {"row_count": 4},
    "other frames": {"frames_digest": b"\0" * 32},
    "an element that was not asked for": {"released_elements": ["suspensions"]},
    "fewer elements than came": {"released_elements": ["daily_attendance"]},
    "another signer": {"signer": SigningKey.generate()},
}


@pytest.mark.parametrize("what", FALSE_RECEIPTS)
async def test_a_receipt_must_account_for_the_answer(
    federation: ScriptedFederation, client: AsyncClient, what: str
) -> None:
    """A receipt that is of something else, or signed by someone else, releases no row."""
    federation.says(
        federation.honest("bps", 3, **FALSE_RECEIPTS[what]), federation.honest("cambridge", 1)
    )

    answer = await ask(client)

    assert Outcome.EVIDENCE_INVALID is answer.sources["bps"].outcome
    assert answer.table["source"].to_pylist() == ["cambridge"]


async def test_a_key_that_the_agreement_does_not_name_signs_nothing(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A registry that puts another key in a holder's record makes no receipt valid by it."""
    stranger = SigningKey.generate()
    federation.publish(2, bps=stranger)
    federation.says(federation.honest("bps", signer=stranger), federation.honest("cambridge", 1))

    answer = await ask(client)

    assert Outcome.EVIDENCE_INVALID is answer.sources["bps"].outcome


async def test_the_snapshot_is_asked_for_again_before_a_receipt_is_refused(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A client that knows an older registry state refreshes it and then believes the receipt."""
    await client.federation()
    new = federation.exchange(2, "bps")
    federation.says(federation.honest("bps", signer=new), federation.honest("cambridge"))

    answer = await ask(client)

    assert answer.complete


async def test_a_receipt_on_its_way_while_a_key_is_exchanged_is_believed(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """The holder has not heard yet that its new key stands; the client has."""
    federation.exchange(2, "bps")
    await client.federation()
    federation.says(federation.honest("bps"), federation.honest("cambridge"))

    assert (await ask(client)).complete


async def test_an_expired_or_foreign_snapshot_is_not_believed(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """Without a current snapshot of the right registry no answer can be checked."""
    federation.says(federation.honest("bps"), federation.honest("cambridge"))
    federation.publish(1, expires_in=-1)
    with pytest.raises(StateStaleError):
        await ask(client)

    federation.registry_key = SigningKey.generate()
    federation.publish(2)
    with pytest.raises(EvidenceInvalidError):
        await ask(client)


async def test_a_registry_that_goes_back_is_not_believed(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """An older snapshot, however well signed, does not replace a newer one."""
    federation.publish(5)
    await client.federation()
    federation.publish(4)
    federation.says(federation.honest("bps", signer=SigningKey.generate()))

    answer = await ask(client)

    assert Outcome.EVIDENCE_INVALID is answer.sources["bps"].outcome


async def test_a_silent_source_leaves_the_others_answers(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """One source times out: its outcome says so, and the answer is not complete."""
    federation.says(
        federation.honest("cambridge", 2),
        lambda _: [ended("bps", answer_pb2.OUTCOME_TIMED_OUT)],
    )

    answer = await ask(client)

    assert Outcome.TIMED_OUT is answer.sources["bps"].outcome
    assert answer.table.num_rows == 2
    assert not answer.complete


async def test_a_source_that_cannot_decide_says_why(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A holder's stale state arrives as its error reason; rows it sent before are not used."""

    def broken_off(digest: bytes) -> list[Any]:
        frames = federation.frames("bps", digest, attendance(6))[:2]
        told = ended("bps", answer_pb2.OUTCOME_CANNOT_DECIDE, "STATE_STALE")
        return [*(framed("bps", frame) for frame in frames), told]

    federation.says(broken_off, federation.honest("cambridge", 1))

    answer = await ask(client)

    assert Outcome.CANNOT_DECIDE is answer.sources["bps"].outcome
    assert answer.sources["bps"].error_reason == "STATE_STALE"
    assert answer.table["source"].to_pylist() == ["cambridge"]


async def test_a_stream_that_is_cut_keeps_what_was_whole(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """The gateway dies after one whole source: that one counts, the other was unreachable."""

    async def script(query: Any, digest: bytes) -> Any:
        yield plan(*HOLDERS)
        for event in federation.honest("cambridge", 1)(digest):
            yield event
        yield framed("bps", federation.frames("bps", digest, attendance(6))[0])
        raise OSError

    federation.wire.script = script

    with_failure = await ask(client)

    assert with_failure.table["source"].to_pylist() == ["cambridge"]
    assert with_failure.sources["bps"].outcome in (Outcome.UNREACHABLE, Outcome.CANNOT_DECIDE)


async def test_a_gateway_cannot_hide_a_holder(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A holder of the agreement that the gateway left out makes the answer incomplete."""

    async def script(query: Any, digest: bytes) -> Any:
        yield plan("bps")
        for event in federation.honest("bps", 1)(digest):
            yield event

    federation.wire.script = script

    answer = await ask(client)

    assert Outcome.UNREACHABLE is answer.sources["cambridge"].outcome
    assert not answer.complete


async def test_frames_of_a_holder_nobody_asked_are_not_used(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """Rows of a holder outside the plan never reach the table."""

    async def script(query: Any, digest: bytes) -> Any:
        yield plan("bps")
        for holder in HOLDERS:
            for event in federation.honest(holder, 1)(digest):
                yield event

    federation.wire.script = script

    answer = await ask(client, holders=["bps"])

    assert answer.table["source"].to_pylist() == ["bps"]
    assert list(answer.sources) == ["bps"]


async def test_explain_releases_no_row(federation: ScriptedFederation, client: AsyncClient) -> None:
    """`explain` asks to validate only, and refuses rows that come nevertheless."""
    federation.says(_empty(federation, "bps"), federation.honest("cambridge", 1))

    answer = await client.explain(AGREEMENT, "direct_service", "attendance", ELEMENTS)

    assert federation.wire.queries[0].validate_only
    assert Outcome.ANSWERED is answer.sources["bps"].outcome
    assert Outcome.EVIDENCE_INVALID is answer.sources["cambridge"].outcome
    assert answer.table.num_rows == 0


async def test_a_stream_hands_over_only_checked_batches(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """`stream` gives batches of one schema, none of a source whose receipt is false."""
    federation.says(federation.honest("bps", 5, row_count=6), federation.honest("cambridge", 5))

    async with client.stream(AGREEMENT, "direct_service", "attendance", ELEMENTS) as answer:
        batches = [batch async for batch in answer]

    assert sum(batch.num_rows for batch in batches) == 5
    assert {"cambridge"} == {name for b in batches for name in b.column("source").to_pylist()}
    assert all(batch.schema == answer.schema for batch in batches)
    assert Outcome.EVIDENCE_INVALID is answer.sources["bps"].outcome
    assert not answer.complete


async def test_a_stream_can_be_left_early(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """Leaving the block after one batch ends the call and leaves nothing open."""
    federation.says(federation.honest("bps", 5), federation.honest("cambridge", 5))

    async with client.stream(AGREEMENT, "direct_service", "attendance", ELEMENTS) as answer:
        async for batch in answer:
            assert batch.num_rows == 2
            break


async def test_the_blocking_client_has_the_same_answers(federation: ScriptedFederation) -> None:
    """`Client` works where a loop is running already, as in a notebook."""
    federation.says(federation.honest("bps"), federation.honest("cambridge"))

    def in_a_cell() -> tuple[int, int, list[str]]:
        with Client(federation.profile) as client:
            answer = client.query(AGREEMENT, "direct_service", "attendance", ELEMENTS)
            with client.stream(AGREEMENT, "direct_service", "attendance", ELEMENTS) as stream:
                rows = sum(batch.num_rows for batch in stream)
            return answer.table.num_rows, rows, sorted(stream.sources)

    assert (6, 6, sorted(HOLDERS)) == await asyncio.to_thread(in_a_cell)


FORM: dict[str, Any] = {
    "holder": "bps",
    "link_code": "K7-secret-code",
    "agreement_id": AGREEMENT,
    "elements": ["daily_attendance"],
    "purposes": ["direct_service"],
    "signer_relation": "parent",
    "form": "written",
    "sign_date": dt.date(2026, 1, 5),
    "start_date": dt.date(2026, 1, 5),
    "end_date": dt.date(2026, 6, 30),
}


async def test_a_recorded_consent_is_sealed_and_listed_by_its_recorder(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """The service sees neither code nor name; the recorder lists what its own body says."""
    recorded = await client.consents.record(**FORM)

    stored = federation.wire.consents[recorded.consent_id].SerializeToString()
    assert b"secret" not in stored
    assert recorded.subject_ref.encode() not in stored
    listed = [consent async for consent in client.consents.list()]
    assert [recorded.consent_id] == [consent.consent_id for consent in listed]
    assert listed[0].opened is not None
    assert {"dsni": recorded.subject_ref} == listed[0].opened.subject_refs
    assert listed[0].opened.link_code == b""
    assert listed[0].active


async def test_what_was_just_written_is_asked_for(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """After recording and revoking, a query asks for at least that consent state."""
    federation.says(federation.honest("bps"), federation.honest("cambridge"))
    recorded = await client.consents.record(**FORM)
    revoked_at = await client.consents.revoke(recorded.consent_id)

    await ask(client)

    assert revoked_at == federation.wire.queries[0].min_consent_sequence
    assert revoked_at > recorded.sequence
    assert [consent.active async for consent in client.consents.list()] == [False]


async def test_many_consents_are_recorded_by_the_thousand(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """1,003 consents make two batches, each announced, and every page is listed."""
    told: list[int] = []

    recorded = await client.consents.record_many(
        [cast("SignedForm", FORM | {"link_code": f"code-{i}"}) for i in range(1003)], told.append
    )

    assert [1000, 3] == federation.wire.batches == told
    assert len({consent.subject_ref for consent in recorded}) == 1003


async def test_a_consent_is_sealed_only_to_parties_with_pinned_keys(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A holder whose key is not the agreement's, or who is no party, gets no consent."""
    federation.publish(2, bps=SigningKey.generate())

    with pytest.raises(EvidenceInvalidError):
        await client.consents.record(**FORM)
    with pytest.raises(EvidenceInvalidError):
        await client.consents.record(**{**FORM, "holder": "worcester"})

    assert federation.wire.consents == {}


async def test_revoking_what_is_not_there_is_not_permitted(
    federation: ScriptedFederation, client: AsyncClient
) -> None:
    """A consent that does not exist and one of others look the same."""
    assert federation.wire.consents == {}

    with pytest.raises(NotPermittedError):
        await client.consents.revoke("0" * 32)
