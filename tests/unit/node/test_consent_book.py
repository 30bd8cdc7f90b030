"""The consent book: each consent is settled as it arrives, and what is taken back stays so."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import PolicyUnavailableError
from homeroom.federation import FederationState
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.claim_links import Nearby
from services.node.domain.consent_book import (
    Arrived,
    Change,
    ConsentBook,
    Progress,
    Revoked,
    Settled,
    Step,
    Verdict,
)
from services.node.domain.consent_check import ConsentCheck
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Student
from tests.organizations import NOW
from tests.unit.node import federation as small
from tests.unit.node.rules import Rules

ANA = Student(7, dt.date(2012, 2, 29))
END = dt.date(2027, 6, 30)


@dataclass
class Shelf:
    """Notes what is applied; implements `ConsentShelf`."""

    applied: list[tuple[Sequence[Step], Progress | None]] = field(default_factory=list)

    def progress(self) -> Progress:
        return Progress(0, 0, None)

    def confirm(self, progress: Progress) -> None:
        self.applied.append(((), progress))

    def apply(self, steps: Sequence[Step], progress: Progress | None) -> None:
        self.applied.append((steps, progress))

    def due(self, most: int) -> Sequence[Arrived]:
        return ()


@dataclass
class Roster:
    """Students by link code; implements `Matcher`."""

    students: Mapping[bytes, Student] = field(default_factory=lambda: {b"ana": ANA})

    def find(
        self, consents: Sequence[OpenedConsent], _nearby: Mapping[str, Nearby]
    ) -> Sequence[Student | ConsentProblem]:
        unknown = ConsentProblem.LINK_CODE_UNKNOWN
        return [self.students.get(one.link_code, unknown) for one in consents]


def arrived(code: bytes = b"ana", consent_id: str = "c1", **changed: Any) -> Arrived:
    terms: dict[str, Any] = {
        "holder": "anytown",
        "agreement_id": small.QUESTION.agreement_id,
        "elements": (Element.DAILY_ATTENDANCE,),
        "purposes": ("direct_service",),
        "signer_relation": SignerRelation.PARENT,
        "form": ConsentForm.WRITTEN,
        "sign_date": dt.date(2026, 9, 1),
        "start_date": dt.date(2026, 9, 1),
        "end_date": END,
    }
    opened = OpenedConsent(
        consent_id=consent_id,
        recorder="helpers",
        terms=ConsentTerms(**(terms | changed)),
        link_code=code,
        subject_refs={"helpers": "ref"},
    )
    return Arrived(consent_id, "helpers", b"signed", opened)


async def taken(
    *changes: Change,
    rules: Rules | None = None,
    roster: Roster | None = None,
    federation: FederationState | None = None,
) -> Sequence[Step]:
    """What is kept of changes."""
    shelf = Shelf()
    book = ConsentBook("anytown", shelf, roster or Roster(), ConsentCheck(rules or Rules()))
    await book.take(changes, Progress(3, 2, NOW), federation or small.federation(), NOW)
    ((steps, progress),) = shelf.applied
    assert progress == Progress(3, 2, NOW)
    return steps


async def settled(change: Arrived, **given: Any) -> Settled:
    (step,) = await taken(change, **given)
    assert isinstance(step, Settled)
    return step


async def test_a_consent_becomes_grants_for_the_student_whom_it_names() -> None:
    step = await settled(arrived())

    assert step.problem is None
    assert step.student == ANA
    assert [(g.student_key, g.recipient, g.elements) for g in step.grants] == [
        (7, "helpers", frozenset({Element.DAILY_ATTENDANCE}))
    ]
    assert step.evidence == b"signed"
    assert step.subject_refs == {"helpers": "ref"}
    assert step.verdict == Verdict((), END)


async def test_a_batch_is_applied_at_once_and_in_its_order() -> None:
    """A revocation that came after its consent is applied after it, and the other way round."""
    steps = await taken(
        Revoked("c2", NOW), arrived(consent_id="c1"), Revoked("c1", NOW), arrived(consent_id="c2")
    )

    assert [(type(step), getattr(step, "consent_id", "")) for step in steps] == [
        (Revoked, "c2"),
        (Settled, "c1"),
        (Revoked, "c1"),
        (Settled, "c2"),
    ]


@pytest.mark.parametrize("student", [None, replace(ANA, birth_date=None)])
async def test_whether_the_student_was_found_is_not_told(student: Student | None) -> None:
    """An unknown code, an unknown birth date: the recorder hears the same as of a found student."""
    roster = Roster({b"ana": student} if student else {})
    step = await settled(arrived(), roster=roster)

    assert step.verdict == Verdict((), END)
    assert step.grants == ()
    assert step.problem is (
        ConsentProblem.BIRTH_DATE_UNKNOWN if student else ConsentProblem.LINK_CODE_UNKNOWN
    )


async def test_what_is_wrong_with_the_form_is_told_whether_or_not_the_student_was_found() -> None:
    rules = Rules(paper_codes=["consent_form_invalid"], scope_codes=["consent_purpose_mismatch"])
    codes = (ConsentProblem.CONSENT_FORM_INVALID, ConsentProblem.CONSENT_PURPOSE_MISMATCH)
    for roster in (Roster(), Roster({})):
        step = await settled(arrived(), rules=rules, roster=roster)

        assert step.verdict == Verdict(codes)
        assert step.problem is codes[0]
        assert step.grants == ()


async def test_a_signature_that_does_not_count_for_this_birth_is_refused() -> None:
    step = await settled(arrived(), rules=Rules(born_after="2012-02-29"))

    assert step.problem is ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED
    assert step.verdict == Verdict((ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED,))
    assert step.grants == ()


async def test_a_courts_order_reaches_the_policy() -> None:
    rules = Rules()
    await settled(arrived(), rules=rules, roster=Roster({b"ana": replace(ANA, limited=("R S",))}))

    assert rules.asked[0]["papers"]["0"]["signer_rights"] == "unclear"


async def test_a_recorder_without_an_agreement_with_the_holder_is_told_nothing() -> None:
    step = await settled(arrived(agreement_id="A-9"))

    assert step.problem is ConsentProblem.RECORDER_NOT_A_PARTY
    assert step.verdict is None
    assert step.grants == ()


async def test_a_consent_that_names_no_agreement_counts_under_each_of_the_two() -> None:
    rules = Rules()
    step = await settled(arrived(agreement_id=""), rules=rules)

    (scope,) = rules.asked[0]["scopes"].values()
    assert scope["agreements"] == [small.QUESTION.agreement_id]
    assert step.problem is None
    assert {grant.agreement_id for grant in step.grants} == {""}


async def test_what_does_not_check_allows_nothing_and_is_not_answered() -> None:
    step = await settled(Arrived("c1", "helpers", b"", None))

    assert step.problem is ConsentProblem.EVIDENCE_INVALID
    assert step.verdict is None
    assert step.grants == ()


async def test_without_the_policy_a_consent_waits_and_a_revocation_does_not() -> None:
    steps = await taken(arrived(), Revoked("c0", NOW), rules=Rules(silent=True))

    assert isinstance(steps[0], Settled)
    assert steps[0].problem is ConsentProblem.NOT_CHECKED
    assert steps[0].verdict is None
    assert steps[1] == Revoked("c0", NOW)


async def test_settling_again_without_the_policy_leaves_all_as_it_was() -> None:
    shelf = Shelf()
    book = ConsentBook("anytown", shelf, Roster(), ConsentCheck(Rules(silent=True)))

    with pytest.raises(PolicyUnavailableError):
        await book.settle_again([arrived()], small.federation(), NOW)
    assert shelf.applied == []


async def test_settling_again_moves_no_progress() -> None:
    shelf = Shelf()
    book = ConsentBook("anytown", shelf, Roster(), ConsentCheck(Rules()))
    await book.settle_again([arrived(), Arrived("c2", "x", b"", None)], small.federation(), NOW)

    ((steps, progress),) = shelf.applied
    assert progress is None
    assert [getattr(step, "problem", "") for step in steps] == [
        None,
        ConsentProblem.EVIDENCE_INVALID,
    ]
