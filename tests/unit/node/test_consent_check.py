"""What the policy finds of consents is read strictly, and asked for once."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from homeroom.errors import PolicyUnavailableError
from homeroom.vocabulary import ConsentForm, Element, SignerRelation
from services.node.domain.consent_check import ConsentCheck
from services.node.domain.consent_forms import Paper, Scope
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.signers import SignerRights
from tests.organizations import NOW
from tests.unit.node.rules import Rules

PAPER = Paper(
    form=ConsentForm.WRITTEN,
    authenticated=False,
    signed_on=dt.date(2026, 9, 1),
    valid_from=dt.date(2026, 8, 1),
    valid_to=dt.date(2027, 6, 30),
    relation=SignerRelation.PARENT,
    rights=SignerRights.FULL,
    postsecondary_from=None,
)
SCOPE = Scope(("A-1",), False, ("daily_attendance",), ("direct_service",), ("helpers",))
AGREEMENTS: dict[str, Any] = {"A-1": {"elements": [], "purposes": [], "recipients": []}}


async def test_the_policy_is_told_all_that_the_form_says_and_no_student() -> None:
    rules = Rules()
    await ConsentCheck(rules).of([PAPER], [SCOPE], AGREEMENTS, NOW)
    (facts,) = rules.asked

    assert facts == {
        "schema": 1,
        "now": "2026-10-01T12:00:00Z",
        "agreements": AGREEMENTS,
        "papers": {
            "0": {
                "form": "written",
                "authenticated": False,
                "signed_on": "2026-09-01",
                "valid_from": "2026-08-01",
                "valid_to": "2027-06-30",
                "signer_relation": "parent",
                "signer_rights": "full",
                "postsecondary": False,
            }
        },
        "scopes": {
            "1": {
                "agreements": ["A-1"],
                "all_education_records": False,
                "elements": ["daily_attendance"],
                "purposes": ["direct_service"],
                "recipients": ["helpers"],
            }
        },
    }


async def test_the_findings_say_when_and_for_which_births_a_form_counts() -> None:
    checked = await ConsentCheck(Rules(born_after="2008-09-01")).of(
        [PAPER], [SCOPE], AGREEMENTS, NOW
    )
    paper = checked.papers[PAPER]

    assert (paper.first_day, paper.last_day) == (dt.date(2026, 9, 1), dt.date(2027, 6, 30))
    assert not paper.counts_for(dt.date(2008, 9, 1))
    assert paper.counts_for(dt.date(2008, 9, 2))
    assert checked.scopes[SCOPE] == ()
    assert checked.general == {Element.GPA, Element.DAILY_ATTENDANCE}
    assert Element.SSN not in checked.shareable


async def test_a_form_with_a_code_counts_for_nobody() -> None:
    rules = Rules(paper_codes=["consent_form_invalid"], scope_codes=["consent_purpose_mismatch"])
    checked = await ConsentCheck(rules).of([PAPER], [SCOPE], AGREEMENTS, NOW)

    assert checked.papers[PAPER].codes == (ConsentProblem.CONSENT_FORM_INVALID,)
    assert not checked.papers[PAPER].counts_for(dt.date(2015, 1, 1))
    assert checked.scopes[SCOPE] == (ConsentProblem.CONSENT_PURPOSE_MISMATCH,)


async def test_what_was_asked_is_not_asked_again_the_same_day() -> None:
    rules = Rules()
    check = ConsentCheck(rules)
    first = await check.of([PAPER], [SCOPE], AGREEMENTS, NOW)
    again = await check.of([PAPER], [SCOPE], AGREEMENTS, NOW + dt.timedelta(hours=2))

    assert first == again
    assert len(rules.asked) == 1


@pytest.mark.parametrize("change", ["day", "rules", "agreement"])
async def test_another_day_or_rules_or_agreement_is_asked_about_anew(change: str) -> None:
    rules = Rules()
    check = ConsentCheck(rules)
    await check.of([PAPER], [SCOPE], AGREEMENTS, NOW)
    rules.revision = "r2" if change == "rules" else "r1"
    later = NOW + dt.timedelta(days=1) if change == "day" else NOW
    agreed = {"A-1": {**AGREEMENTS["A-1"], "purposes": ["x"]}} if change == "agreement" else {}
    await check.of([PAPER], [SCOPE], agreed or AGREEMENTS, later)

    assert len(rules.asked) == 2


async def test_many_different_forms_are_asked_about_some_at_a_time() -> None:
    """So that no evaluation comes near the time that a decision has."""
    rules = Rules()
    papers = [replace(PAPER, signed_on=PAPER.signed_on + dt.timedelta(days=n)) for n in range(120)]
    checked = await ConsentCheck(rules).of(papers, [SCOPE], AGREEMENTS, NOW)

    assert set(checked.papers) == set(papers)
    assert max(len(facts["papers"]) + len(facts["scopes"]) for facts in rules.asked) <= 10


def broken(**changed: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "papers": {
            "0": {
                "codes": [],
                "from": "2026-09-01",
                "to": "2027-06-30",
                "born_after": "",
                "born_by": "2026-09-01",
            }
        },
        "scopes": {"1": {"codes": []}},
        "all_education_records": [],
        "shareable": [],
    }
    paper = {**document["papers"]["0"], **changed.pop("paper", {})}
    for name in changed.pop("without", ()):
        del paper[name]
    return {**document, "papers": {"0": paper}, **changed}


@pytest.mark.parametrize(
    "answer",
    [
        {"papers": {}},
        broken(papers={}),
        broken(scopes={"1": {}}),
        broken(scopes={"1": {"codes": ["unheard_of"]}}),
        broken(scopes={"1": {"codes": ["link_code_unknown"]}}),
        broken(scopes={"1": {"codes": "consent_form_invalid"}}),
        broken(shareable=["unheard_of"]),
        broken(shareable=None),
        broken(more={}),
        broken(paper={"to": 20270630}),
        broken(paper={"from": "soon"}),
        broken(paper={"born_by": None}),
        broken(paper={"codes": ["consent_form_invalid"]}),
        broken(without=["codes"]),
        broken(without=["born_by"]),
    ],
    ids=str,
)
async def test_an_answer_that_is_not_exactly_a_finding_is_none(answer: dict[str, Any]) -> None:
    check = ConsentCheck(Rules(answer=answer))

    with pytest.raises(PolicyUnavailableError):
        await check.of([PAPER], [SCOPE], AGREEMENTS, NOW)
