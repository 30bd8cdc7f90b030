"""What a holder keeps of destruction, and what it finds outstanding, on SQLite and PostgreSQL."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from homeroom.audit import AuditKind
from homeroom.destruction import DueRule
from homeroom.destruction.certificate import (
    Certificate,
    CertificateReceipt,
    CertifiedAnswer,
    KeptBecause,
    Method,
)
from homeroom.destruction.certificate_wire import sign_certificate
from homeroom.errors import ClockSkewedError, NotPermittedError, RequestInvalidError
from homeroom.federation import FederationState
from homeroom.histories import Histories
from homeroom.signing import digest_of
from homeroom.vocabulary import Basis, Element
from services.node.domain.certifying import Certifying
from services.node.domain.log import Disclosed, Note
from services.node.domain.outstanding import OpenAnswers, Outstanding, outstanding_of
from services.node.domain.register import (
    Decided,
    Interest,
    Keeping,
    Manifest,
    Releaser,
    Requested,
    record_of,
)
from services.node.domain.ruling import Holder
from services.node.store.acts import ActLog
from services.node.store.consent_tables import CONSENT
from services.node.store.destructions import DestructionStore
from services.node.store.log import LogStore
from services.node.store.register import RegisterStore
from services.node.store.state_tables import LOG_ENTRY
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, urls
from tests.histories import signed_by_all
from tests.organizations import Member, document_of, organization_of

__all__ = ["urls"]

HARBOR, HELPERS, CLUB = (Member.new(name) for name in ("harbor", "helpers", "club"))
PARTIES = [HARBOR, HELPERS, CLUB]
ANA, BEN = 1, 2
MINUTE = dt.timedelta(minutes=1)
TODAY = dt.datetime.now(dt.UTC).date()
END = dt.date(2027, 7, 31)
CONSENT_ID = "c" * 32
ELEMENTS = frozenset({Element.DAILY_ATTENDANCE})


def query(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@dataclass
class House:
    """A holder's log, its record, and the certificates that come."""

    engine: Engine
    log: LogStore
    store: DestructionStore
    ends: dict[int, CertifiedAnswer] = field(default_factory=dict)

    async def give(
        self,
        number: int,
        requester: str = "helpers",
        rows: int = 2,
        notes: tuple[Note, ...] = (),
        **changed: Any,
    ) -> None:
        """One answer about students, under the agreement; kept by what its receipt names."""
        by = changed.pop("released_by", Releaser())
        fields: dict[str, Any] = {
            "requester": requester,
            "user_id": "u1",
            "role": "case_manager",
            "purpose": "direct_service",
            "ground": Basis.CONSENT,
            "elements": tuple(ELEMENTS),
            "agreement_id": "A-1",
            "interest": Interest(agreement_version=1),
        }
        decided = Decided(released=ELEMENTS, whole=True, reasons=(), released_by=by)
        record = record_of(Keeping(), Requested(**(fields | changed)), decided)
        began = await self.log.append(
            AuditKind.DECIDED, query(number), {"requester": requester}, [record, *notes]
        )
        ended = await self.log.append(
            AuditKind.RELEASED,
            query(number),
            {"rows": rows},
            [Manifest(began.log_index, 1, rows, "f" * 64, cut=False)],
        )
        answer = CertifiedAnswer(query(number), ended.log_index, bytes.fromhex(ended.digest))
        self.ends[number] = answer

    async def take(self, certificate: Certificate) -> CertificateReceipt:
        minute = Holder("harbor", b"s" * 32, b"e" * 32, MINUTE, MINUTE)
        acts = ActLog(self.engine)
        certifying = Certifying(minute, self.store, acts, lambda: dt.datetime.now(dt.UTC))
        evidence = sign_certificate(certificate, HELPERS.signing)
        digest = digest_of(evidence.statement)
        return await certifying.take(certificate, digest, evidence.SerializeToString())

    def certificate(self, *answers: CertifiedAnswer, **changed: Any) -> Certificate:
        fields: dict[str, Any] = {
            "certificate_id": secrets.token_hex(16),
            "recipient": "helpers",
            "holder": "harbor",
            "agreement_id": "A-1",
            "method": Method.PURGED,
            "destroyed_on": TODAY,
            "role": "registrar",
            "answers": answers,
            "certified_at": dt.datetime.now(dt.UTC),
        }
        return Certificate(**(fields | changed))

    def outstanding(self) -> list[Outstanding]:
        opened = [*self.store.open_answers(), *self.store.open_parts()]
        return list(outstanding_of("harbor", STATE, opened))

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.log.entries()]


def _state() -> FederationState:
    document = document_of(PARTIES).model_copy(update={"effective_to": END})
    organizations = {member.organization_id: organization_of(member) for member in PARTIES}
    history = signed_by_all(document, [member.signer for member in PARTIES])
    known = Histories().read([history], organizations)
    now = dt.datetime.now(dt.UTC)
    return FederationState("test", 1, now, now, organizations, {}, known)


STATE = _state()


@pytest.fixture
def house(urls: Urls) -> Iterator[House]:
    engine = open_database(urls.state)
    yield House(engine, LogStore(engine), DestructionStore(engine))
    engine.dispose()


async def test_what_recipients_owe_is_told_by_recipient_and_day(house: House) -> None:
    """An answer without rows, one that a steward gave someone outside, and counts owe nothing."""
    await house.give(1)
    await house.give(2)
    await house.give(3, "club")
    await house.give(4, rows=0)
    await house.give(5, "court", released_by=Releaser("rosa", "registrar"))
    await house.give(6, about_students=False)
    await house.give(7, ground=Basis.TRANSFER, agreement_id="", interest=Interest())

    found = [(one.recipient, one.count, one.due.day, one.due.rule) for one in house.outstanding()]

    assert found == [
        ("club", 1, END, DueRule.AGREEMENT_END),
        ("helpers", 2, END, DueRule.AGREEMENT_END),
    ]


async def test_a_certificate_settles_the_answers_it_names_and_no_other(house: House) -> None:
    """It is kept as it was signed, told in the log without a student, and stands in the record."""
    await house.give(1)
    await house.give(2)
    certificate = house.certificate(house.ends[1])
    receipt = await house.take(certificate)

    assert [one.count for one in house.outstanding()] == [1]
    entry = list(house.log.entries())[receipt.log_index]
    assert (entry.kind, entry.leaf()) == ("destruction_certified", receipt.entry_digest)
    assert entry.said == {
        "requester": "helpers",
        "agreement": "A-1",
        "method": "purged",
        "destroyed_on": TODAY.isoformat(),
        "role": "registrar",
        "answers": 1,
        "kept": 0,
    }
    first, second = RegisterStore(house.engine).entries()
    assert [(c.method, c.destroyed_on, c.kept_because) for c in first.certified] == [
        ("purged", TODAY, "")
    ]
    assert second.certified == ()


async def test_the_same_certificate_again_is_the_same(house: House) -> None:
    """A retry gives the same receipt, and no second entry."""
    await house.give(1)
    certificate = house.certificate(house.ends[1])

    first, again = await house.take(certificate), await house.take(certificate)

    assert first == again
    assert house.kinds().count("destruction_certified") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"query_digest": query(99)},
        {"query_digest": query(2)},
        {"log_index": 0},
        {"entry_digest": b"x" * 32},
    ],
)
async def test_what_is_no_receipt_of_its_own_is_refused_alike(
    house: House, changed: dict[str, Any]
) -> None:
    """An unknown question, another's, and another entry: nothing tells which it was."""
    await house.give(1)
    await house.give(2, "club")
    wrong = replace(house.ends[1], **changed)

    with pytest.raises(NotPermittedError) as refused:
        await house.take(
            house.certificate(house.ends[1], wrong)
            if changed.get("query_digest")
            else house.certificate(wrong)
        )

    assert (refused.value.message, dict(refused.value.metadata)) == (
        "the certificate is not accepted",
        {},
    )
    assert "destruction_certified" not in house.kinds()


async def test_a_certificate_under_another_agreement_is_refused(house: House) -> None:
    await house.give(1)

    with pytest.raises(NotPermittedError):
        await house.take(house.certificate(house.ends[1], agreement_id="A-2"))


async def test_nothing_is_destroyed_before_it_was_given_nor_in_the_future(house: House) -> None:
    await house.give(1)
    yesterday = house.certificate(house.ends[1], destroyed_on=TODAY - dt.timedelta(days=1))
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)

    with pytest.raises(RequestInvalidError):
        await house.take(yesterday)
    with pytest.raises(ClockSkewedError):
        await house.take(house.certificate(house.ends[1], certified_at=ahead))


async def test_what_is_kept_for_now_stays_outstanding_with_its_reason(house: House) -> None:
    """A family's open request (34 CFR 99.10(e)); what is kept for good is settled."""
    await house.give(1)
    await house.give(2)
    waits = replace(house.ends[1], kept_because=KeptBecause.OPEN_REQUEST)
    core = replace(house.ends[2], kept_because=KeptBecause.CORE_RECORD)
    await house.take(house.certificate(waits, core))

    (one,) = house.outstanding()
    assert (one.kept_because, one.count) == ("open_request", 1)
    assert not one.overdue(END + dt.timedelta(days=400))

    await house.take(house.certificate(house.ends[1]))
    assert house.outstanding() == []


async def test_a_revoked_consent_makes_its_part_outstanding(house: House) -> None:
    """By the day of the revocation; the certificate of that part settles it, or of the whole."""
    for key, student in ((5, ANA), (6, BEN)):
        await house.give(
            key,
            notes=(Disclosed([(ANA, 1), (BEN, 1)], [(student, key)]),),
        )
    tomorrow = dt.datetime.combine(TODAY + dt.timedelta(days=1), dt.time(9), dt.UTC)
    await _consent(house, 5, ANA, CONSENT_ID, tomorrow)
    await _consent(house, 6, BEN, "d" * 32, None)

    (part,) = house.store.open_parts()
    assert part == OpenAnswers(
        "helpers", "A-1", 1, "consent", TODAY, 1, "", TODAY + dt.timedelta(days=1)
    )
    told = [(one.due.rule, one.count) for one in house.outstanding()]
    assert told == [(DueRule.CONSENT_REVOKED, 1), (DueRule.AGREEMENT_END, 2)]

    other = replace(house.ends[5], consent_id="e" * 32)
    await house.take(house.certificate(other))
    assert len(house.store.open_parts()) == 1
    await house.take(house.certificate(replace(house.ends[5], consent_id=CONSENT_ID)))
    assert house.store.open_parts() == []
    assert [one.count for one in house.store.open_answers()] == [2]
    of_ana, of_ben = (RegisterStore(house.engine).of_student(key)[0] for key in (ANA, BEN))
    assert [one.consent_id for one in of_ana.certified] == [CONSENT_ID]
    assert of_ben.certified == ()


async def _consent(
    house: House, key: int, student: int, consent_id: str, revoked: dt.datetime | None
) -> None:
    row = {
        "consent_key": key,
        "consent_id": consent_id,
        "recorder": "helpers",
        "evidence": b"e",
        "taken_at": 0,
        "student_key": student,
        "due": False,
        "report_due": False,
        "revoked_at": int(revoked.timestamp()) if revoked else None,
    }
    with writing(house.engine) as connection:
        connection.execute(insert(CONSENT).values(**row))


async def test_a_log_entry_that_was_changed_fits_no_receipt(house: House) -> None:
    """What the receipt names is compared with the entry's hash."""
    await house.give(1)
    with writing(house.engine) as connection:
        ended = LOG_ENTRY.c.log_index == house.ends[1].log_index
        connection.execute(update(LOG_ENTRY).where(ended).values(leaf=b"z" * 32))

    with pytest.raises(NotPermittedError):
        await house.take(house.certificate(house.ends[1]))
