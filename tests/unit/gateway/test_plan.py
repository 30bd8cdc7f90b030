"""The plan: exactly the parties that disclose, hold the dataset, take part and can be reached."""

from dataclasses import replace

import pytest

from homeroom.errors import RequestInvalidError
from homeroom.federation import Organization, Standing
from homeroom.question import Question
from homeroom.vocabulary import Element
from services.gateway.domain.plan import plan_holders
from tests.unit.gateway.federation import agreement, document, organization

ROLES = {"north": "discloser", "south": "both", "cbo": "recipient", "asker": "both"}


def plan(
    *organizations: Organization, holders: tuple[str, ...] = (), ended_by: tuple[str, ...] = ()
) -> list[str]:
    agreed = replace(agreement(document(ROLES)), ended_by=frozenset(ended_by))
    question = Question(
        agreement_version=1,
        agreement_id="A-1",
        purpose="direct_service",
        dataset="attendance",
        elements=(Element.DAILY_ATTENDANCE,),
        everyone=True,
        holders=holders,
    )
    known = {o.organization_id: o for o in organizations}
    return [h.organization_id for h in plan_holders(question, "asker", agreed, known)]


EVERYONE = tuple(organization(name) for name in (*ROLES, "stranger"))


def test_every_discloser_but_the_requester_is_asked_in_a_fixed_order() -> None:
    assert plan(*EVERYONE) == ["north", "south"]
    assert plan(*reversed(EVERYONE)) == ["north", "south"]


def test_a_party_that_has_ended_its_part_is_not_asked() -> None:
    assert plan(*EVERYONE, ended_by=("north",)) == ["south"]


@pytest.mark.parametrize("standing", [s for s in Standing if s is not Standing.ACTIVE])
def test_a_holder_that_may_not_take_part_is_not_asked(standing: Standing) -> None:
    assert plan(organization("north", standing=standing), organization("south")) == ["south"]


def test_a_holder_without_the_dataset_or_a_node_or_a_record_is_not_asked() -> None:
    assert plan(organization("north", datasets=("programs",)), organization("south")) == ["south"]
    assert plan(organization("north", node_address=""), organization("south")) == ["south"]
    assert plan(organization("south")) == ["south"]


def test_nobody_that_holds_it_is_an_empty_plan() -> None:
    assert plan() == []


def test_a_question_may_name_whom_it_asks() -> None:
    assert plan(*EVERYONE, holders=("south",)) == ["south"]


@pytest.mark.parametrize("named", ["cbo", "asker"])
def test_a_named_party_that_is_not_in_the_plan_is_left_out_in_silence(named: str) -> None:
    assert plan(*EVERYONE, holders=(named,)) == []
    assert plan(*EVERYONE, holders=(named, "north")) == ["north"]


def test_without_an_agreement_those_who_are_named_are_asked() -> None:
    """On a ground that needs no agreement the question says itself whom it asks."""
    known = {o.organization_id: o for o in EVERYONE}
    named = Question(
        purpose="transfer",
        dataset="attendance",
        elements=(Element.DAILY_ATTENDANCE,),
        everyone=True,
        holders=("stranger", "asker", "nobody"),
    )

    planned = plan_holders(named, "asker", None, known)

    assert [holder.organization_id for holder in planned] == ["stranger"]
    with pytest.raises(RequestInvalidError):
        plan_holders(replace(named, holders=()), "asker", None, known)


def test_naming_someone_who_is_no_party_is_an_invalid_request() -> None:
    with pytest.raises(RequestInvalidError) as refused:
        plan(*EVERYONE, holders=("north", "stranger"))

    assert refused.value.metadata == {"field": "holders"}
