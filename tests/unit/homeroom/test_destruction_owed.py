"""What a recipient has to destroy, from its own receipts: each answer about students, once."""

import datetime as dt
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.destruction import DueRule
from homeroom.destruction.certificate import Certificate, CertifiedAnswer, KeptBecause, Method
from homeroom.destruction.certificate_wire import sign_certificate
from homeroom.destruction.owed import Owed, OwedList, RevokedConsent, owed_of
from homeroom.federation import FederationState
from homeroom.histories import Histories
from homeroom.receipts import (
    AskedQuery,
    DamagedLine,
    Kept,
    KeptReceipt,
    ReceiptFiles,
    SentCertificate,
)
from tests.histories import signed_by_all
from tests.organizations import Member, document_of, organization_of

HARBOR, HELPERS = Member.new("harbor"), Member.new("helpers")
KNOWN = {member.organization_id: organization_of(member) for member in (HARBOR, HELPERS)}
AT = dt.datetime(2026, 11, 2, 23, 30, tzinfo=dt.UTC)
END = dt.date(2027, 7, 31)
CONSENT_ID = "c" * 32
REVOKED = RevokedConsent(
    CONSENT_ID, "harbor", AT + dt.timedelta(days=3), "A-1", ("direct_service",)
)


def state(*documents: Any) -> FederationState:
    histories = [signed_by_all(one, [HARBOR.signer, HELPERS.signer]) for one in documents]
    known = Histories().read(histories, KNOWN)
    return FederationState("test", 1, AT, AT, KNOWN, {}, known)


STATE = state(document_of([HARBOR, HELPERS]))


def query(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def asked(number: int, **changed: Any) -> AskedQuery:
    """A question about students, by consent."""
    said = AskedQuery(query(number), AT, "A-1", "direct_service", "consent", "student")
    return replace(said, **changed)


def received(number: int, holder: str = "harbor", rows: int = 2) -> KeptReceipt:
    receipt = answer_pb2.Receipt(
        query_digest=query(number),
        holder=holder,
        requester="helpers",
        row_count=rows,
        agreement_version=1,
        log_index=number,
        log_entry_digest=query(-number),
    )
    receipt.answer_time.FromDatetime(AT)
    statement = evidence_pb2.SignedStatement(statement=receipt.SerializeToString())
    return KeptReceipt(AT, holder, statement.SerializeToString())


def owed(*kept: Kept, revoked: tuple[RevokedConsent, ...] = ()) -> OwedList:
    return owed_of(kept, STATE, "helpers", revoked)


def told(found: OwedList) -> list[tuple[str, int, str]]:
    return [(one.holder, one.log_index, one.consent_id) for one in found.owed]


def test_every_answer_with_rows_about_students_is_owed_once() -> None:
    """Kept twice it is one; a refusal, counts, and one's own node's answer are none."""
    found = owed(
        *(asked(1), received(1), received(1), received(1, "mill")),
        *(asked(2), received(2, rows=0)),
        *(asked(3, level="aggregate"), received(3)),
        *(asked(4, level="deidentified_student"), received(4)),
        *(asked(5), received(5, "helpers")),
    )

    assert told(found) == [("harbor", 1, ""), ("mill", 1, "")]
    assert found.owed[0] == Owed(
        holder="harbor",
        agreement_id="A-1",
        query_digest=query(1),
        log_index=1,
        entry_digest=query(-1),
        received_on=AT.date(),
        rows=2,
        due=found.owed[0].due,
    )
    assert (found.owed[0].due.day, found.owed[0].due.rule) == (END, DueRule.AGREEMENT_END)


def test_an_answer_whose_question_was_lost_is_due_at_once() -> None:
    """Nothing says any more under which agreement it may be kept."""
    found = owed(received(1), DamagedLine("2026-11.jsonl", 4))

    assert [one.due.day for one in found.owed] == [AT.date()]
    assert found.overdue(AT.date()) == []
    assert len(found.overdue(AT.date() + dt.timedelta(days=1))) == 1
    assert found.damaged == (DamagedLine("2026-11.jsonl", 4),)


def test_the_most_pressing_stands_first() -> None:
    found = owed(asked(1), received(1), received(2))

    assert told(found) == [("harbor", 2, ""), ("harbor", 1, "")]


def test_a_revoked_consent_makes_a_part_due_that_day() -> None:
    found = owed(asked(1), received(1), revoked=(REVOKED,))

    assert told(found) == [("harbor", 1, CONSENT_ID), ("harbor", 1, "")]
    part = found.owed[0].due
    assert (part.day, part.rule) == (dt.date(2026, 11, 5), DueRule.CONSENT_REVOKED)


@pytest.mark.parametrize(
    ("changed", "question"),
    [
        ({"holder": "mill"}, {}),
        ({"agreement_id": "A-2"}, {}),
        ({"purposes": ("research",)}, {}),
        ({"revoked_at": AT - dt.timedelta(seconds=1)}, {}),
        ({"from_day": AT.date() + dt.timedelta(days=1)}, {}),
        ({}, {"basis": "studies"}),
    ],
)
def test_a_consent_that_cannot_be_behind_an_answer_makes_nothing_due(
    changed: dict[str, Any], question: dict[str, Any]
) -> None:
    found = owed(asked(1, **question), received(1), revoked=(replace(REVOKED, **changed),))

    assert told(found) == [("harbor", 1, "")]


def test_a_consent_that_cannot_be_read_may_be_behind_every_answer_of_its_holder() -> None:
    unread = RevokedConsent(CONSENT_ID, "harbor", REVOKED.revoked_at)
    found = owed(asked(1), received(1), asked(2, purpose="x"), received(2), revoked=(unread,))

    assert [one[2] for one in told(found)] == [CONSENT_ID, CONSENT_ID, "", ""]


def certified(*answers: CertifiedAnswer, holder: str = "harbor") -> SentCertificate:
    made = Certificate(
        certificate_id="a" * 32,
        recipient="helpers",
        holder=holder,
        agreement_id="A-1",
        method=Method.DESTROYED,
        destroyed_on=AT.date(),
        role="data_steward",
        answers=answers,
        certified_at=AT,
    )
    evidence = sign_certificate(made, HELPERS.signing)
    return SentCertificate(AT, holder, evidence.SerializeToString(), b"")


def answer(number: int, **changed: Any) -> CertifiedAnswer:
    return replace(CertifiedAnswer(query(number), number, query(-number)), **changed)


def test_what_was_certified_is_owed_no_more() -> None:
    """The whole with its parts, a part alone, and only at the holder that was told."""
    kept = (asked(1), received(1), received(1, "mill"))
    whole = owed(*kept, certified(answer(1)), revoked=(REVOKED,))
    part = owed(*kept, certified(answer(1, consent_id=CONSENT_ID)), revoked=(REVOKED,))

    assert told(whole) == [("mill", 1, "")]
    assert told(part) == [("harbor", 1, ""), ("mill", 1, "")]


@pytest.mark.parametrize(
    ("because", "left"), [(KeptBecause.CORE_RECORD, []), (KeptBecause.LEGAL_HOLD, ["legal_hold"])]
)
def test_what_is_kept_for_now_is_still_owed(because: KeptBecause, left: list[str]) -> None:
    found = owed(received(1), certified(answer(1, kept_because=because)))

    assert [one.kept_because for one in found.owed] == left
    assert found.overdue(AT.date() + dt.timedelta(days=9)) == []


def test_certificates_are_kept_with_the_receipts(tmp_path: Path) -> None:
    """A line whose certificate cannot be read counts for nothing."""
    files = ReceiptFiles(tmp_path, lambda: AT)
    sent = certified(answer(1))
    files.keep_certificate(sent.holder, sent.evidence, b"receipt")
    files.keep_certificate(sent.holder, b"", b"receipt")

    kept = list(files.kept())
    assert kept == [replace(sent, receipt=b"receipt"), DamagedLine("2026-11.jsonl", 2)]
