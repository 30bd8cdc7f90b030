"""Statements that are kept between questions never tell of the question before."""

from typing import Any

import pytest

from homeroom.checks import RowCondition
from homeroom.question import Period
from tests.conditions import consented
from tests.contract.holding import (
    ATTENDANCE,
    MONDAY,
    Holding,
    holding,
    selection,
    two,
)
from tests.contract.node_stores import DAY, urls
from tests.organizations import NOW

__all__ = ["holding", "two", "urls"]

CONDITIONAL = {
    "caseload": ("ref-ana", "ref-ben"),
    "conditions": dict.fromkeys(
        consented(ATTENDANCE), frozenset({RowCondition.CONSENTED, RowCondition.ON_CASELOAD})
    ),
}


@pytest.mark.parametrize("kind", [{}, CONDITIONAL], ids=["plain", "conditional"])
async def test_a_kept_statement_tells_what_each_question_may_know(
    two: Holding, kind: dict[str, Any]
) -> None:
    """Whoever asks, when, for what purpose, about whom and which days: none of it is kept."""
    two.grant("ana", *ATTENDANCE)
    two.grant("ben", *ATTENDANCE)
    usual = {"subject_refs": ("ref-ana",), "period": Period(MONDAY, MONDAY), **kind}
    others: list[tuple[dict[str, Any], list[str]]] = [
        ({"instant": NOW + 2 * DAY}, []),
        ({"recipient": "shelter"}, []),
        ({"purpose": "program_evaluation"}, []),
        ({"subject_refs": ("ref-ben",)}, ["ref-ben"]),
        ({"period": Period(MONDAY + DAY, MONDAY + DAY)}, []),
        *([({"caseload": ("ref-ben",)}, [])] if kind else []),
    ]
    for changed, told in others:
        assert await two.refs(selection(**usual)) == ["ref-ana"]
        assert await two.refs(selection(**{**usual, **changed})) == told
        covered = await two.covered(selection(**{**usual, **changed}))
        assert set(told) <= set(covered) <= {*told, *(["ref-ana"] if "period" in changed else [])}


async def test_a_question_by_another_agreement_is_not_served_by_a_kept_statement(
    two: Holding,
) -> None:
    two.grant("ana", *ATTENDANCE, agreement_id="A-1")

    assert await two.refs(selection()) == ["ref-ana"]
    assert await two.refs(selection(agreement_id="A-2")) == []
    assert await two.refs(selection()) == ["ref-ana"]


async def test_a_connection_that_is_lent_again_sees_what_was_committed_since(two: Holding) -> None:
    two.grant("ana", *ATTENDANCE)
    before = await two.refs(selection())
    two.grant("ben", *ATTENDANCE)

    assert (before, await two.refs(selection())) == (["ref-ana"], ["ref-ana", "ref-ben"])
