"""What a holder's policies are told beside the agreement: its notices, its file, and who asks."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from homeroom.errors import RequestInvalidError
from homeroom.facts import Facts
from homeroom.federation import Standing
from homeroom.matters import FACTS_OF_KIND, MATTER_OF_BASIS, MatterKind
from homeroom.question import Level
from homeroom.users import Delegation, Reach, User
from homeroom.vocabulary import Basis, Element, Obligation
from services.node.domain.decision import Decision
from services.node.domain.holder_facts import HolderFacts
from services.node.domain.on_file import (
    NOTHING_ON_FILE,
    Approval,
    ApprovalState,
    OnFile,
    keys_digest,
    looked_for,
)
from services.node.domain.ruling import Asked, Judge, Ruling
from services.node.domain.selection import Relation, RightsClaim, Selection, still_permits
from tests.fakes import FakeFiles, FakePolicies
from tests.organizations import NOW
from tests.unit.node import federation as small

STEWARD = User("rosa.lima", small.HOLDER.organization_id, "registrar", None)

SCHEMA = Draft202012Validator(json.loads(Path("policy/schema/input.json").read_text()))
WITHOUT: dict[str, Any] = {"agreement_id": "", "agreement_version": 0}
FILE: dict[str, Any] = {
    "ferpa_covered": True,
    "jurisdiction": "MA",
    "notices": {
        "school_official_criteria": ["employees"],
        "forwards_records_on_transfer": False,
        "directory_types": ["name", "grade_level"],
        "directory_limited_to_parties": "all",
        "directory_limited_to_purposes": ["yearbook"],
    },
}


async def ruled(
    asked: Asked, on_file: OnFile = NOTHING_ON_FILE, decision: Decision | None = None, **own: Any
) -> tuple[Facts, Ruling]:
    """The facts that the policies were given, and the ruling."""
    policies = FakePolicies(lambda _: decision or small.permission())
    holder = replace(small.holder(), own=HolderFacts.read(own))
    ruling = await Judge(holder, policies, FakeFiles(on_file)).rule(asked, small.evidence(), NOW)
    (facts,) = policies.asked
    SCHEMA.validate(facts)
    return facts, ruling


# The holder's own file.


async def test_policies_are_told_what_the_holders_file_says() -> None:
    facts, _ = await ruled(small.asked(), **FILE)

    holder = facts["holder"]
    assert (holder["ferpa_covered"], holder["jurisdiction"]) == (True, "MA")
    assert holder["notices"] == {
        "school_official_criteria": ["employees"],
        "forwards_records_on_transfer": False,
        "directory_types": ["grade_level", "name"],
        "directory_limited_to_parties": {"all": True},
        "directory_limited_to_purposes": {"only": ["yearbook"]},
    }


async def test_without_a_file_nothing_of_it_is_known() -> None:
    facts, _ = await ruled(small.asked())

    assert not {"ferpa_covered", "jurisdiction", "notices"} & facts["holder"].keys()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ferpa_covered": "yes"}, "ferpa_covered"),
        ({"ferpa_covered": 1}, "ferpa_covered"),
        ({"jurisdiction": "Massachusetts"}, "jurisdiction"),
        ({"notice": {}}, "notice"),
        ({"notices": {"directory_types": ["shoe_size"]}}, "notices.directory_types.0"),
        ({"notices": {"directory_types": "name"}}, "notices.directory_types"),
        ({"notices": {"forwards_records_on_transfer": "true"}}, "notices.forwards_records"),
        ({"notices": {"directory_limited_to_parties": "none"}}, "notices.directory_limited"),
        ({"derived_from": {"gpa": "course_grades"}}, "derived_from.gpa"),
    ],
)
def test_a_file_that_is_not_exactly_as_it_has_to_be_is_refused(
    wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestInvalidError) as refused:
        HolderFacts.read(wrong)

    assert refused.value.metadata["field"].startswith(field)


async def test_a_holder_may_say_what_its_own_computed_elements_come_from() -> None:
    gpa = Element.SCHOOL_OF_ENROLLMENT
    facts, ruling = await ruled(small.asked(), derived_from={str(gpa): ["daily_attendance"]})

    assert facts["holder"]["derived_from"] == {str(gpa): ["daily_attendance"]}
    assert ruling.selection is not None
    assert ruling.selection.sources == {gpa: {Element.DAILY_ATTENDANCE}}


# What is on file.


@pytest.mark.parametrize("kind", MatterKind)
async def test_a_matter_is_told_without_what_the_holder_keeps_for_itself(kind: MatterKind) -> None:
    kept = {"threat": "she said so", "declared_by": "principal", "person": "Ana Silva"}
    fields = FACTS_OF_KIND[kind].model_fields
    said = small.matter(kind, **{name: word for name, word in kept.items() if name in fields})
    facts, _ = await ruled(small.asked(), OnFile({kind: said}))

    told = facts["matters"][str(kind)]
    assert told["requester"] == "helpers"
    assert not set(kept.values()) & {str(value) for value in told.values()}


async def test_an_emergency_tells_that_a_threat_was_written_down_and_not_which() -> None:
    said = small.matter(MatterKind.EMERGENCY, threat="tonight", articulable_and_significant=True)
    facts, _ = await ruled(small.asked(), OnFile({MatterKind.EMERGENCY: said}))

    told = facts["matters"]["emergency"]
    assert (told["declared"], told["threat_recorded"]) == (False, True)


async def test_approvals_are_told_with_their_last_instant() -> None:
    until = NOW + dt.timedelta(hours=1)
    approved = Approval(Element.TEST_SCORES, ApprovalState.GRANTED, NOW, until)
    waits = Approval(Element.COURSE_GRADES, ApprovalState.PENDING)
    facts, _ = await ruled(small.asked(), OnFile(approvals=(waits, approved)))

    assert facts["approvals"] == [
        {"element": "course_grades", "state": "pending"},
        {
            "element": "test_scores",
            "state": "granted",
            "valid_to": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
    ]


@given(st.sampled_from([None, *Basis]))
def test_what_is_looked_for_follows_from_the_ground(basis: Basis | None) -> None:
    asked = small.asked(basis=basis)
    looked = looked_for(asked.question, asked.requester, NOW, outside=False)

    ground = MATTER_OF_BASIS.get(basis) if basis else None
    without_matters = (Basis.CONSENT, Basis.PARTNER_RECORD, Basis.AGGREGATE)
    assert looked.kinds == (
        {MatterKind.IDEA, ground} - {None} if basis not in without_matters else set()
    )
    assert looked.requester_keys == keys_digest(asked.requester)


def test_a_steward_may_ask_by_a_matter_of_someone_without_keys() -> None:
    asked = small.asked(basis=Basis.EMERGENCY)

    looked = looked_for(asked.question, asked.requester, NOW, outside=True)

    assert looked.requester_keys is None


# Who asks.


async def test_a_person_who_works_with_some_students_is_told_as_one() -> None:
    user = replace(small.USER, reach=Reach.CASELOAD, caseload=("r1", "r2"))
    facts, ruling = await ruled(replace(small.asked(), user=user))

    assert facts["user"]["reach"] == "caseload"
    assert "caseload" not in facts["user"]
    assert ruling.selection is not None
    assert ruling.selection.caseload == ("r1", "r2")


async def test_a_person_who_acts_for_another_is_told_as_one() -> None:
    delegation = Delegation("dean", dt.date(2026, 12, 31), False, frozenset({"name"}))
    user = replace(small.USER, delegation=delegation)
    facts, _ = await ruled(replace(small.asked(), user=user))

    assert facts["user"]["capacity"] == "delegated"
    assert facts["user"]["delegation"] == {
        "by": "dean",
        "valid_to": "2026-12-31",
        "withdrawn": False,
        "covers": {"only": ["name"]},
    }


async def test_whose_employee_asks_is_the_holders_to_say() -> None:
    audit = small.matter(MatterKind.AUDIT, by_own_employees=True)
    facts, _ = await ruled(small.asked(), OnFile({MatterKind.AUDIT: audit}))
    own, _ = await ruled(replace(small.asked(small.organization(small.HOLDER)), entered_by=STEWARD))

    assert (facts["user"]["employee_of_holder"], facts["user"]["employee_of_authority"]) == (
        False,
        True,
    )
    assert own["user"]["employee_of_holder"]


async def test_only_a_party_for_whom_a_steward_asks_is_unknown() -> None:
    """Emergencies and orders are open to the unknown: whoever signs as one is not known so."""
    stranger = small.organization(
        replace(small.REQUESTER, organization_id="hospital"), standing=Standing.UNKNOWN
    )
    asked = small.asked(stranger, basis=Basis.EMERGENCY, **WITHOUT)
    signed, _ = await ruled(asked)
    entered, _ = await ruled(replace(asked, entered_by=STEWARD))

    assert signed["requester"]["standing"] == "pending"
    assert entered["requester"]["standing"] == "unknown"


# What may leave.


async def test_a_ground_without_an_agreement_selects_by_its_matter() -> None:
    on_file = OnFile({MatterKind.TRANSFER: small.matter(MatterKind.TRANSFER)})
    asked = small.asked(basis=Basis.TRANSFER, everyone=False, subject_refs=("r1",), **WITHOUT)
    _, ruling = await ruled(asked, on_file)

    selection = ruling.selection
    assert selection is not None
    assert (selection.matter_key, selection.agreement_id) == (1, "")
    assert selection.subject_refs == ("r1",)


async def test_an_agreement_that_the_requester_is_no_party_of_selects_nothing() -> None:
    """On whatever ground: it must not learn whether there is such an agreement."""
    asked = small.asked(basis=Basis.TRANSFER, agreement_id="A-2")
    _, ruling = await ruled(asked)

    assert (ruling.agreement, ruling.selection) == (None, None)


@pytest.mark.parametrize(
    ("said", "relation"),
    [
        ("parent", Relation.PARENT),
        ("eligible_student", Relation.STUDENT),
        ("minor_student", Relation.STUDENT),
    ],
)
async def test_a_family_claims_its_right_as_the_steward_noted_it(
    said: str, relation: Relation
) -> None:
    noted = small.matter(
        MatterKind.ACCESS, relation=said, dependent_for_tax=True, person="Ana Silva"
    )
    asked = small.asked(basis=Basis.PARENT_OR_STUDENT_ACCESS, **WITHOUT)
    _, ruling = await ruled(asked, OnFile({MatterKind.ACCESS: noted}))

    assert ruling.selection is not None
    assert ruling.selection.rights == RightsClaim(relation, True, "Ana Silva")


async def test_a_selection_has_every_limit_of_the_grant() -> None:
    permitted = small.permission()
    assert permitted.grant is not None
    grant = replace(
        permitted.grant,
        conditions={**permitted.grant.conditions, Element.SCHOOL_OF_ENROLLMENT: frozenset()},
        min_ages={Element.DAILY_ATTENDANCE: 12},
        row_obligations=frozenset({Obligation.ATTACH_CONTESTED_STATEMENT}),
    )
    _, ruling = await ruled(
        small.asked(onward_to=("lab",)), decision=replace(permitted, grant=grant)
    )

    selection = ruling.selection
    assert selection is not None
    assert selection.conditions == grant.conditions
    assert selection.min_ages == grant.min_ages
    assert selection.row_obligations == grant.row_obligations
    assert selection.onward_to == {"lab"}


@pytest.mark.parametrize("level", [Level.AGGREGATE, Level.DEIDENTIFIED_STUDENT])
async def test_rows_leave_only_where_rows_were_asked_for(level: Level) -> None:
    table = "absence" if level is Level.AGGREGATE else ""
    _, ruling = await ruled(small.asked(level=level, table=table))

    assert ruling.selection is None


# What still may, in the middle of an answer.


async def begun() -> Selection:
    _, ruling = await ruled(small.asked())
    assert ruling.selection is not None
    return ruling.selection


async def test_an_answer_goes_on_while_nothing_has_changed() -> None:
    assert still_permits(await begun(), await begun())


@pytest.mark.parametrize(
    "changed",
    [
        {"matter_key": 2},
        {"agreement_id": ""},
        {"caseload": ("r1",)},
        {"min_ages": {Element.DAILY_ATTENDANCE: 12}},
        {"row_obligations": frozenset({Obligation.ATTACH_CONTESTED_STATEMENT})},
        {"rights": RightsClaim(Relation.PARENT)},
        {"sources": {Element.DAILY_ATTENDANCE: frozenset({Element.NAME})}},
    ],
)
async def test_an_answer_does_not_go_on_by_another_right(changed: dict[str, Any]) -> None:
    selection = await begun()

    assert not still_permits(replace(selection, **changed), selection)


async def test_an_answer_does_not_go_on_when_an_element_waits_for_more() -> None:
    selection = await begun()
    words = {element: frozenset[Any]() for element in selection.conditions}

    assert still_permits(replace(selection, conditions=words), selection)
    assert not still_permits(selection, replace(selection, conditions=words))
