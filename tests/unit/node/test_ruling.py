"""A ruling: the facts a holder gives its policies, and the rows that a decision lets leave."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from homeroom.agreement import Party, Schedule
from homeroom.agreement import Period as AgreedPeriod
from homeroom.catalog import CATALOG
from homeroom.facts import Facts, question_facts
from homeroom.federation import AgreementState, FederationState, Organization, Standing
from homeroom.question import Period, Question
from homeroom.users import User
from homeroom.vocabulary import AgreementKind, Basis, Element, OrganizationKind
from services.node.domain.decision import Decision, Schools
from services.node.domain.holder_facts import HolderFacts
from services.node.domain.on_file import NOTHING_ON_FILE, OnFile
from services.node.domain.replica import Evidence, Freshness
from services.node.domain.ruling import Asked, Judge, Ruling
from tests.fakes import FakeFiles, FakePolicies
from tests.organizations import NOW, Member, schedule_of
from tests.unit.node import federation as small

SCHEMA = Draft202012Validator(json.loads(Path("policy/schema/input.json").read_text()))

codes = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
several = st.lists(codes, min_size=1, max_size=4, unique=True)
elements = st.lists(st.sampled_from(Element), min_size=1, max_size=4, unique=True)
moments = st.one_of(st.none(), st.just(NOW))


async def ruled(
    asked: Asked,
    evidence: Evidence,
    decision: Decision | None = None,
    on_file: OnFile = NOTHING_ON_FILE,
    **own: Any,
) -> tuple[Facts, Ruling]:
    """The facts that the policies were given, and the ruling."""
    policies = FakePolicies(lambda facts: decision or small.by_the_agreement(facts))
    holder = replace(small.holder(), own=HolderFacts.read(own))
    ruling = await Judge(holder, policies, FakeFiles(on_file)).rule(asked, evidence, NOW)
    (facts,) = policies.asked
    return facts, ruling


async def selected(decision: Decision, **changed: Any) -> Ruling:
    return (await ruled(small.asked(**changed), small.evidence(), decision))[1]


# The facts fit the schema of the policies, whatever the facts are.


@st.composite
def questions(draw: st.DrawFn) -> Question:
    dataset = draw(st.sampled_from(CATALOG))
    schools = st.lists(st.sampled_from(["elm", "Řeka 9", "ß"]), unique=True)
    return Question(
        agreement_version=1,
        agreement_id="A-1",
        purpose=draw(codes),
        dataset=dataset.name,
        elements=tuple(draw(st.lists(st.sampled_from(dataset.elements), min_size=1, unique=True))),
        basis=draw(st.sampled_from(Basis)),
        everyone=True,
        school_ids=tuple(draw(schools)),
    )


@st.composite
def schedules(draw: st.DrawFn, purpose: str) -> Schedule:
    return schedule_of(
        purpose,
        *draw(elements),
        level=draw(st.sampled_from(["student", "deidentified_student", "aggregate"])),
        authorized_roles=draw(st.one_of(st.none(), several.map(tuple))),
        schools=draw(st.sampled_from([None, {}, {"anytown": ("elm",)}])),
    )


@st.composite
def federations(draw: st.DrawFn) -> FederationState:
    """Any agreement and organizations, repeated words included; the holder may be unknown."""
    purposes = draw(st.lists(codes, min_size=1, max_size=4, unique=True))
    schools: Any = draw(st.one_of(st.just("all"), st.lists(codes, max_size=3).map(tuple)))
    agreed = small.document(
        version=draw(st.integers(1, 9)),
        kind=draw(st.sampled_from(AgreementKind)),
        legal_basis=tuple(draw(st.lists(st.sampled_from(Basis), min_size=1))),
        schedules=tuple(draw(schedules(purpose)) for purpose in purposes),
        named_users=draw(st.sampled_from([{}, {"helpers": ("u2",)}])),
        min_cell_size=draw(st.sampled_from([None, 12])),
        schools={"anytown": schools} if draw(st.booleans()) else {},
        authorized_roles=draw(st.one_of(st.none(), several.map(tuple))),
        parties=tuple(map(party, (small.HOLDER, small.REQUESTER), draw(roles))),
    )
    kinds, standings = st.sampled_from(OrganizationKind), st.sampled_from(Standing)
    present = [
        small.organization(member, kind=draw(kinds), standing=draw(standings))
        for member in (small.REQUESTER, small.HOLDER)
    ]
    return small.federation(
        *present[: draw(st.integers(1, 2))],
        state=draw(st.sampled_from(AgreementState)),
        agreed=agreed,
    )


roles = st.lists(st.sampled_from(["discloser", "recipient", "both"]), min_size=2, max_size=2)


def party(member: Member, role: str) -> Party:
    return member.party().model_copy(update={"role": role})


@settings(max_examples=60)
@given(questions(), federations(), codes, st.one_of(st.none(), st.dates()), moments, moments)
async def test_what_a_node_asks_its_policies_always_fits_their_schema(
    question: Question,
    state: FederationState,
    role: str,
    trained_to: dt.date | None,
    registry: dt.datetime | None,
    consents: dt.datetime | None,
) -> None:
    user = User("u1", "helpers", role, trained_to)
    asked = Asked(question, state.organizations["helpers"], user, small.DIGEST)
    evidence = Evidence(state, Freshness(4, registry), Freshness(0, consents), (4, 0))
    facts, _ = await ruled(asked, evidence)

    SCHEMA.validate(facts)
    assert ("holder" in facts) == ("anytown" in state.organizations)


@settings(max_examples=40)
@given(questions(), federations(), codes, st.booleans())
def test_what_a_gateway_asks_fits_the_same_schema(
    question: Question, state: FederationState, role: str, has_agreement: bool
) -> None:
    agreement = state.agreements["A-1"] if has_agreement else None
    user = User("u1", "helpers", role, None)

    SCHEMA.validate(question_facts(question, state.organizations["helpers"], user, agreement, NOW))


# Who signed, and who asks.


async def test_all_parties_have_signed_an_agreement_with_their_own_keys() -> None:
    facts, ruling = await ruled(small.asked(), small.evidence())

    assert facts["agreement"]["signed_by"] == ["anytown", "helpers"]
    assert ruling.agreement is not None


@pytest.mark.parametrize("key", ["signing_key", "sealing_key"])
async def test_the_holder_has_signed_only_with_the_keys_it_knows_to_be_its_own(key: str) -> None:
    state = small.federation()
    own = small.organization(small.HOLDER, **{key: Member.new("x").signing.public})
    swapped = replace(state, organizations={**state.organizations, "anytown": own})
    facts, _ = await ruled(small.asked(), small.evidence(swapped))

    assert facts["agreement"]["signed_by"] == ["helpers"]


async def test_a_holder_that_the_registry_does_not_know_has_signed_nothing() -> None:
    state = small.federation(small.organization(small.REQUESTER))
    signed = replace(state.agreements["A-1"], signed_by=frozenset({"anytown", "helpers"}))
    told = replace(state, agreements={"A-1": signed})
    facts, ruling = await ruled(small.asked(), small.evidence(told))

    assert facts["agreement"]["signed_by"] == ["helpers"]
    assert "holder" not in facts
    assert ruling.selection is None


@pytest.mark.parametrize(
    "now",
    [
        None,
        small.organization(small.REQUESTER, standing=Standing.SUSPENDED),
        small.organization(small.REQUESTER, signing_key=Member.new("x").signing.public),
        small.organization(small.REQUESTER, sealing_key=Member.new("x").sealing.public),
    ],
)
async def test_the_requester_is_judged_as_the_evidence_knows_it_now(
    now: Organization | None,
) -> None:
    """It was admitted by an older state."""
    known = [small.organization(small.HOLDER), *([now] if now else [])]
    facts, _ = await ruled(small.asked(), small.evidence(small.federation(*known)))

    assert facts["requester"]["standing"] in ("suspended", "pending")


async def test_the_schools_are_those_of_this_holder() -> None:
    agreed = small.document(schools={"anytown": ("oak", "elm"), "helpers": "all"})
    facts, _ = await ruled(small.asked(), small.evidence(small.federation(agreed=agreed)))

    assert facts["agreement"]["schools"] == {"only": ["elm", "oak"]}


async def test_a_holder_without_schools_in_the_agreement_covers_none() -> None:
    agreed = small.document(schools={})
    facts, _ = await ruled(small.asked(), small.evidence(small.federation(agreed=agreed)))

    assert facts["agreement"]["schools"] == {"only": []}


async def test_a_purpose_may_cover_fewer_schools_and_admit_fewer_roles() -> None:
    narrow = schedule_of(
        "direct_service",
        Element.DAILY_ATTENDANCE,
        schools={"anytown": ("elm",)},
        authorized_roles=("case_worker",),
    )
    agreed = small.document(schools={"anytown": ("oak", "elm")}, schedules=(narrow,))
    facts, _ = await ruled(small.asked(), small.evidence(small.federation(agreed=agreed)))

    assert facts["agreement"]["schools"] == {"only": ["elm"]}
    assert facts["agreement"]["authorized_roles"] == ["case_worker"]


async def test_of_a_purpose_it_does_not_have_an_agreement_says_nothing() -> None:
    facts, _ = await ruled(small.asked(purpose="research"), small.evidence())

    assert facts["agreement"]["elements"] == facts["agreement"]["legal_basis"] == []
    assert facts["agreement"]["schools"] == {"only": []}
    assert "level" not in facts["agreement"]


# Which rows.


@pytest.mark.parametrize(
    ("asked_for", "selected_days"),
    [
        (None, (dt.date(2026, 9, 1), dt.date(2026, 9, 30))),
        ((1, 15), (dt.date(2026, 9, 1), dt.date(2026, 9, 15))),
        ((10, 15), (dt.date(2026, 9, 10), dt.date(2026, 9, 15))),
    ],
)
async def test_records_outside_the_agreed_period_are_not_selected(
    asked_for: tuple[int, int] | None, selected_days: tuple[dt.date, dt.date]
) -> None:
    days = asked_for and Period(
        dt.date(2026, 9 if asked_for[0] > 1 else 8, asked_for[0]), dt.date(2026, 9, asked_for[1])
    )
    ruling = await _selected_within_september(days)

    assert ruling.selection is not None
    assert ruling.selection.period == Period(*selected_days)


async def test_a_question_about_other_days_than_agreed_selects_nothing() -> None:
    later = Period(dt.date(2026, 10, 1), dt.date(2026, 10, 2))

    assert (await _selected_within_september(later)).selection is None


async def _selected_within_september(days: Period | None) -> Ruling:
    agreed = AgreedPeriod(first_day=dt.date(2026, 9, 1), last_day=dt.date(2026, 9, 30))
    schedule = schedule_of("direct_service", *small.ATTENDANCE, record_period=agreed)
    state = small.federation(agreed=small.document(schedules=(schedule,)))
    _, ruling = await ruled(small.asked(period=days), small.evidence(state), small.permission())
    return ruling


async def test_a_selection_has_what_was_granted_and_asked_for() -> None:
    granted = small.permission(schools=Schools(frozenset({"elm", "oak"})))
    ruling = await selected(granted, school_ids=("oak", "fir"))

    assert ruling.selection is not None
    assert ruling.selection.schools == Schools(frozenset({"oak"}))
    assert ruling.selection.recipient == "helpers"
    assert ruling.selection.purpose == "direct_service"
    assert ruling.selection.subject_refs is None
    assert ruling.selection.instant == NOW


async def test_named_students_are_the_only_ones_selected() -> None:
    ruling = await selected(small.permission(), everyone=False, subject_refs=("r1", "r2"))

    assert ruling.selection is not None
    assert ruling.selection.subject_refs == ("r1", "r2")


async def test_a_denial_selects_nothing() -> None:
    assert (await selected(small.denial())).selection is None
