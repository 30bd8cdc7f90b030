"""For each named student the register learns the first check that failed, on every database."""

import datetime as dt
from typing import Any

import pytest

from homeroom.checks import RowCondition
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.consent_book import Narrowed, Revoked
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import AgeRule, Student, Withdrawn
from services.node.domain.selection import Selection
from tests.conditions import consented, waiting
from tests.contract.holding import MONDAY, Holding, holding, only, selection, student
from tests.contract.node_stores import DAY, settled, urls
from tests.organizations import NOW

__all__ = ["holding", "urls"]

NAME, LUNCH = Element.NAME, Element.FREE_REDUCED_LUNCH_STATUS
WORD = RowCondition
BORN = dt.date(2014, 3, 1)


def asked(*words: RowCondition, element: Element = NAME, **changed: Any) -> Selection:
    """One element of Ana's, which waits for some words."""
    conditions = waiting([element], *words)
    return selection("students", conditions=conditions, **{"subject_refs": ("ref-ana",), **changed})


async def why(holding: Holding, chosen: Selection) -> set[ReasonCode]:
    """The codes of Ana's failures; nobody else may have one."""
    failures = (await holding.store.covered(chosen)).failures
    assert {key for key, _, _ in failures} <= {holding.keys["ana"]}
    return {code for _, _, code in failures}


@pytest.fixture
def ana(holding: Holding) -> Holding:
    """Ana, whom the requester knows by name; and Ben, of whom it does not ask."""
    holding.add("student", {**student("ana"), "birth_date": BORN, "special_education": True})
    holding.add("student", student("ben"))
    holding.name("ana")
    return holding


async def test_a_named_student_without_a_failure_has_none(ana: Holding) -> None:
    ana.grant("ana", NAME)

    assert await why(ana, asked(WORD.CONSENTED)) == set()
    assert await why(ana, asked()) == set()


async def test_of_everyone_nothing_is_told(ana: Holding) -> None:
    assert (await ana.store.covered(asked(WORD.CONSENTED, subject_refs=None))).failures == ()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"age_rule": AgeRule.OF_AGE}, ReasonCode.CONSENT_SIGNER_NOT_ENTITLED),
        ({"valid_to": NOW}, ReasonCode.CONSENT_NOT_IN_EFFECT),
        ({"valid_from": NOW + DAY}, ReasonCode.CONSENT_NOT_IN_EFFECT),
        ({"recipient": "shelter"}, ReasonCode.CONSENT_RECIPIENT_MISMATCH),
        ({"purpose": "research"}, ReasonCode.CONSENT_PURPOSE_MISMATCH),
        ({"agreement_id": "A-2"}, ReasonCode.CONSENT_PURPOSE_MISMATCH),
    ],
    ids=["signer", "over", "not yet", "recipient", "purpose", "agreement"],
)
async def test_the_best_consent_says_what_is_lacking(
    ana: Holding, changed: dict[str, Any], code: ReasonCode
) -> None:
    ana.grant("ana", NAME, **changed)

    assert await why(ana, asked(WORD.CONSENTED)) == {code}


async def test_a_consent_for_another_element_came_furthest(ana: Holding) -> None:
    ana.grant("ana", Element.GENDER, valid_to=NOW + DAY)

    assert await why(ana, asked(WORD.CONSENTED)) == {ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE}


async def test_what_was_taken_back_is_said(ana: Holding) -> None:
    whole = ana.grant("ana", NAME)
    ana.apply(Revoked(whole, NOW))
    assert await why(ana, asked(WORD.CONSENTED)) == {ReasonCode.CONSENT_REVOKED}

    part = ana.grant("ana", NAME, Element.GENDER)
    ana.apply(Narrowed(part, Withdrawn(frozenset({NAME}), frozenset()), NOW))
    assert await why(ana, asked(WORD.CONSENTED)) == {ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE}


async def test_a_form_that_counts_for_nothing_says_why(ana: Holding) -> None:
    known = Student(ana.keys["ana"], BORN)
    invalid = ConsentProblem.CONSENT_FORM_INVALID
    ana.apply(settled("bad", student=known, problem=invalid))
    assert await why(ana, asked(WORD.CONSENTED)) == {ReasonCode.CONSENT_FORM_INVALID}

    ana.apply(settled("waits", student=known, problem=ConsentProblem.AWAITS_REVIEW))
    ana.grant("ana", Element.GENDER, purpose="research")
    assert await why(ana, asked(WORD.CONSENTED)) == {ReasonCode.CONSENT_PURPOSE_MISMATCH}


async def test_without_a_consent_it_is_missing(ana: Holding) -> None:
    ana.grant("ben", NAME)

    assert await why(ana, asked(WORD.CONSENTED)) == {ReasonCode.CONSENT_MISSING}


@pytest.mark.parametrize(
    ("words", "changed", "code"),
    [
        ([WORD.SPECIFICALLY_CONSENTED], {}, ReasonCode.PROTECTED_MEAL_ELIGIBILITY),
        (
            [WORD.CONSENTED, WORD.ONWARD_CONSENTED],
            {"onward_to": frozenset({"x"})},
            ReasonCode.REDISCLOSURE_NOT_PERMITTED,
        ),
        ([WORD.PART_B_CONSENTED], {}, ReasonCode.IDEA_CONSENT_REQUIRED),
        ([WORD.ON_CASELOAD], {}, ReasonCode.USER_NO_LEGITIMATE_INTEREST),
        ([WORD.LIVING_SITUATION_HIDDEN], {}, ReasonCode.PROTECTED_LIVING_SITUATION),
        ([WORD.RIGHTS_HELD], {}, ReasonCode.RIGHTS_NOT_HELD_BY_REQUESTER),
        ([], {"min_ages": {NAME: 13}}, ReasonCode.LOCAL_RULE_WITHHELD),
        ([], {"schools": only("oak")}, ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE),
    ],
)
async def test_each_condition_has_its_code(
    ana: Holding, words: list[RowCondition], changed: dict[str, Any], code: ReasonCode
) -> None:
    assert await why(ana, asked(*words, **changed)) == {code}


async def test_a_row_that_concerns_others_is_a_failure_of_its_student(ana: Holding) -> None:
    told = {"incident_id": "i1", "school_id": "elm", "incident_date": MONDAY, "behavior": "x"}
    ana.add("discipline_incident", {"student": "ana", **told}, {"student": "ben", **told})
    detail = Element.DISCIPLINE_INCIDENT_DETAIL
    chosen = selection(
        "discipline_incidents",
        conditions=waiting([detail], WORD.SINGLE_SUBJECT),
        subject_refs=("ref-ana",),
    )

    assert await why(ana, chosen) == {ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD}


async def test_each_element_fails_for_itself(ana: Holding) -> None:
    ana.add("directory_opt_out", {"student": "ana", "element": "name"})
    conditions = {**consented([LUNCH]), **waiting([NAME], WORD.DIRECTORY_NOT_OPTED_OUT)}
    chosen = selection("students", conditions=conditions, subject_refs=("ref-ana",))
    failures = (await ana.store.covered(chosen)).failures

    assert {(element, code) for _, element, code in failures} == {
        (NAME, ReasonCode.DIRECTORY_OPT_OUT),
        (LUNCH, ReasonCode.CONSENT_MISSING),
    }
