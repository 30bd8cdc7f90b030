"""What is overdue is told in the log once, and nobody is accused of what cannot be counted."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homeroom.audit import AuditKind
from homeroom.destruction import DueRule, Received, due_of_answer, terms_of_answer
from homeroom.errors import NotPermittedError, StateStaleError
from homeroom.federation import FederationState
from homeroom.histories import Histories
from homeroom.users import User
from services.node.domain.disclosing import Disclosing, Reader, Shelves
from services.node.domain.outstanding import (
    OpenAnswers,
    OverdueTally,
    Overseeing,
    outstanding_of,
)
from tests.fakes import FakeLog, FakeReplica
from tests.histories import signed_by_all
from tests.organizations import NOW, Member, document_of, organization_of
from tests.unit.node import federation as small

MEMBERS = [Member.new(name) for name in ("anytown", "helpers")]
KNOWN = {member.organization_id: organization_of(member) for member in MEMBERS}
END = dt.date(2027, 7, 31)
LATER = dt.datetime.combine(END + dt.timedelta(days=31), dt.time(1), dt.UTC)
GIVEN = dt.date(2026, 10, 1)
OPEN = OpenAnswers("helpers", "A-1", 1, "consent", GIVEN, 3)
ROSA = User("rosa.lima", "anytown", "registrar", None)


def state() -> FederationState:
    said = document_of(MEMBERS).model_dump(mode="json")
    clause = {"within_days_of_end": 10, "certificate_within_days": 20}
    document = type(document_of(MEMBERS)).model_validate(
        {**said, "clauses": {"destruction": clause}}
    )
    known = Histories().read([signed_by_all(document, [m.signer for m in MEMBERS])], KNOWN)
    return FederationState("test", 1, NOW, NOW, KNOWN, {}, known)


STATE = state()


@dataclass
class House:
    """A holder with open answers, in memory; implements the ports of `Overseeing`."""

    opened: Sequence[OpenAnswers] = (OPEN,)
    parts: Sequence[OpenAnswers] = ()
    now: dt.datetime = LATER
    granted: Sequence[str] = ("record",)
    noted: dict[bytes, tuple[AuditKind, Mapping[str, Any]]] = field(default_factory=dict)
    log: FakeLog = field(default_factory=FakeLog)
    tally: OverdueTally = field(default_factory=OverdueTally)
    seen: FederationState = STATE

    def open_answers(self) -> Sequence[OpenAnswers]:
        return self.opened

    def open_parts(self) -> Sequence[OpenAnswers]:
        return self.parts

    def note(self, kind: AuditKind, content: Mapping[str, Any], digest: bytes = b"") -> bool:
        known = digest in self.noted
        self.noted.setdefault(digest, (kind, content))
        return not known

    @property
    def overseeing(self) -> Overseeing:
        replica = FakeReplica(small.evidence())
        replica.learn(self.seen)
        replica.confirm(self.now)
        nobody: Any = None
        shelves = Shelves(nobody, nobody, nobody, nobody, nobody)
        disclosing = Disclosing(
            small.holder(), _Rules(self.granted), shelves, self.log, lambda: self.now
        )
        return Overseeing(disclosing, replica, self, self, self.tally)


@dataclass
class _Rules:
    words: Sequence[str]

    async def granted(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        assert facts["asked"] == {"about": "everyone"}
        return {"granted": list(self.words)}


def told(house: House) -> list[Mapping[str, Any]]:
    return [content for _, content in house.noted.values()]


def test_holder_and_recipient_come_to_the_same_day() -> None:
    """By the same function, each from what it knows."""
    (one,) = outstanding_of("anytown", STATE, [OPEN])
    received = Received("anytown", "helpers", "A-1", 1, "consent", GIVEN)

    assert one.due == due_of_answer(received, terms_of_answer(received, STATE.known["A-1"]))
    assert (one.due.day, one.due.certificate_by) == (
        END + dt.timedelta(days=10),
        END + dt.timedelta(days=30),
    )


def test_an_overdue_certificate_is_noted_once() -> None:
    house = House()
    for _ in range(3):
        house.overseeing.look()
    house.opened = (replace(OPEN, count=2),)
    house.overseeing.look()

    assert told(house) == [
        {
            "requester": "helpers",
            "agreement": "A-1",
            "rule": "days_after_end",
            "due": "2027-08-10",
            "certificate_by": "2027-08-30",
            "answers": 3,
        }
    ]
    assert house.tally.count == 2


def test_nothing_is_overdue_on_its_day_nor_while_it_is_kept() -> None:
    """Until the clause's days for the certificate have passed; a family's open request waits."""
    house = House(now=LATER - dt.timedelta(days=1))
    house.overseeing.look()
    kept = House((replace(OPEN, kept_because="open_request"),))
    kept.overseeing.look()

    assert (told(house), told(kept)) == ([], [])


def test_an_agreement_that_is_hidden_accuses_nobody() -> None:
    """The registry may hide it: the list shows it as due at once, the log says nothing."""
    house = House((replace(OPEN, agreement_id="A-9"),))
    house.overseeing.look()

    assert told(house) == []
    (one,) = outstanding_of("anytown", STATE, house.opened)
    assert (one.due.rule, one.due.day) == (DueRule.TERMS_UNKNOWN, GIVEN)


def test_a_revoked_part_is_due_before_the_whole_and_not_twice() -> None:
    part = replace(OPEN, count=1, revoked_on=GIVEN + dt.timedelta(days=4))
    after = replace(part, revoked_on=END + dt.timedelta(days=20))

    found = outstanding_of("anytown", STATE, [OPEN, part, after])

    assert [(one.due.rule, one.count) for one in found] == [
        (DueRule.CONSENT_REVOKED, 1),
        (DueRule.DAYS_AFTER_END, 3),
    ]


async def test_who_may_read_the_record_is_told_and_the_log_tells_of_it() -> None:
    house = House()
    found, today = await house.overseeing.listed(ROSA, Reader("custodian"))

    assert [one.overdue(today) for one in found] == [True]
    said = house.log.content_of(AuditKind.RECORD_SHOWN)
    assert (said["about"], said["allowed"], said["user"]) == ("destruction", True, "rosa.lima")


async def test_nobody_else_is_told() -> None:
    house = House(granted=())
    with pytest.raises(NotPermittedError):
        await house.overseeing.listed(ROSA, Reader("family", "parent", "Ana"))

    assert house.log.content_of(AuditKind.RECORD_SHOWN)["allowed"] is False


def test_nothing_is_counted_by_agreements_that_may_be_old() -> None:
    house = House()
    overseeing = house.overseeing
    house.now = LATER + dt.timedelta(hours=2)

    with pytest.raises(StateStaleError):
        overseeing.look()
    assert told(house) == []
