"""A change of policy is told by its kind, and whatever releases more is told as such."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.checks import CONDITION_TEXT, RowCondition
from homeroom.vocabulary import Element, Obligation, ReasonCode
from services.node.domain.decision import Decision, Grant, Schools
from services.node.domain.decision_diff import ChangeKind, ReplayReport, compare
from tests.policy.conformance import at_most

UNTIL = dt.datetime(2026, 3, 10, 14, tzinfo=dt.UTC)
CONSENTED, CASELOAD = RowCondition.CONSENTED, RowCondition.ON_CASELOAD
GRANT = Grant(
    conditions={
        Element.GPA: frozenset({CONSENTED}),
        Element.SUSPENSIONS: frozenset({CONSENTED, CASELOAD}),
    },
    schools=Schools(frozenset({"elm", "oak"})),
    min_cell_size=10,
    obligations=frozenset({Obligation.OFFER_HEARING}),
    row_obligations=frozenset({Obligation.ATTACH_CONTESTED_STATEMENT}),
    not_after=UNTIL,
    min_ages={Element.GPA: 12},
)


def permitted(**changed: Any) -> Decision:
    reasons = frozenset({ReasonCode.PERMITTED_BY_CONSENT})
    return Decision(reasons, frozenset(), replace(GRANT, **changed))


def denied(*codes: ReasonCode) -> Decision:
    return Decision(frozenset(codes or {ReasonCode.AGREEMENT_MISSING}), frozenset(), None)


NARROWER: dict[str, dict[str, Any]] = {
    "elements": {"conditions": {Element.GPA: frozenset({CONSENTED})}},
    "conditions": {
        "conditions": {**GRANT.conditions, Element.GPA: frozenset({CONSENTED, CASELOAD})}
    },
    "schools": {"schools": Schools(frozenset({"elm"}))},
    "min_ages": {"min_ages": {Element.GPA: 12, Element.SUSPENSIONS: 12}},
    "min_cell_size": {"min_cell_size": 20},
    "obligations": {
        "obligations": frozenset({Obligation.OFFER_HEARING, Obligation.DESTROY_BY_DEADLINE})
    },
    "row_obligations": {
        "row_obligations": GRANT.row_obligations | {Obligation.RECORD_ONWARD_PARTIES}
    },
    "not_after": {"not_after": UNTIL - dt.timedelta(minutes=1)},
}


@pytest.mark.parametrize("part", NARROWER)
def test_each_part_is_narrowed_and_widened(part: str) -> None:
    """The same difference is less in one direction and more in the other."""
    less = compare(permitted(), permitted(**NARROWER[part]))
    more = compare(permitted(**NARROWER[part]), permitted())

    assert less.kind is ChangeKind.NARROWED
    assert {(d.part, d.wider) for d in less.differences} == {(part, False)}
    assert more.kind is ChangeKind.WIDENED
    assert {(d.part, d.wider) for d in more.differences} == {(part, True)}


def test_what_narrows_and_widens_is_widened() -> None:
    """Fewer schools do not make up for an element more."""
    change = compare(
        permitted(**NARROWER["elements"]), permitted(schools=Schools(frozenset({"elm"})))
    )

    assert change.kind is ChangeKind.WIDENED
    assert {(d.part, d.wider) for d in change.differences} == {
        ("elements", True),
        ("schools", False),
    }


def test_other_schools_are_more_and_less() -> None:
    change = compare(permitted(), permitted(schools=Schools(frozenset({"elm", "new"}))))

    assert {(d.part, d.wider) for d in change.differences} == {
        ("schools", True),
        ("schools", False),
    }


@pytest.mark.parametrize(
    ("current", "candidate", "kind"),
    [
        (permitted(), permitted(), ChangeKind.SAME),
        (denied(), denied(), ChangeKind.SAME),
        (denied(), denied(ReasonCode.LOCAL_RULE_WITHHELD), ChangeKind.SAME),
        (None, None, ChangeKind.SAME),
        (None, denied(), ChangeKind.SAME),
        (denied(), None, ChangeKind.SAME),
        (denied(), permitted(), ChangeKind.NEWLY_ALLOWED),
        (None, permitted(), ChangeKind.NEWLY_ALLOWED),
        (permitted(), denied(), ChangeKind.NEWLY_DENIED),
        (permitted(), None, ChangeKind.NEWLY_DENIED),
    ],
)
def test_answers_and_refusals(
    current: Decision | None, candidate: Decision | None, kind: ChangeKind
) -> None:
    """No decision releases nothing, as a refusal does."""
    assert compare(current, candidate).kind is kind


GRANTS = st.builds(
    Grant,
    conditions=st.dictionaries(
        st.sampled_from([Element.GPA, Element.SUSPENSIONS, Element.NAME]),
        st.frozensets(st.sampled_from([CONSENTED, CASELOAD]), min_size=1),
        min_size=1,
    ),
    schools=st.builds(
        Schools, st.none() | st.frozensets(st.sampled_from(["elm", "oak"]), min_size=1)
    ),
    min_cell_size=st.sampled_from([10, 20]),
    obligations=st.frozensets(st.sampled_from(list(Obligation)[:2])),
    row_obligations=st.frozensets(st.sampled_from(list(Obligation)[:2])),
    not_after=st.sampled_from([UNTIL, UNTIL + dt.timedelta(hours=1)]),
    min_ages=st.dictionaries(st.sampled_from([Element.GPA, Element.NAME]), st.just(12)),
)
DECISIONS = st.none() | st.builds(
    lambda grant: replace(permitted(), grant=grant) if grant else denied(), st.none() | GRANTS
)


@given(DECISIONS, DECISIONS)
def test_whatever_is_not_at_most_the_current_is_told_as_more(
    current: Decision | None, candidate: Decision | None
) -> None:
    """The order that the policies themselves are held to: nothing wider passes for narrower."""
    released_more = compare(current, candidate).kind.releases_more

    assert released_more is not at_most(candidate, current)


def test_a_report_counts_and_shows_a_few() -> None:
    report = ReplayReport()
    facts = {"now": "2026-03-10T14:00:00Z", "query": {"requester": "helpers", "elements": ["gpa"]}}
    for number in range(9):
        report.add(f"q{number}", facts, compare(permitted(), permitted(**NARROWER["schools"])))
    report.add("q9", facts, compare(denied(), permitted()))
    report.add("q10", facts, compare(permitted(), permitted()))
    content = report.document()

    assert (report.decisions, report.widened) == (11, 1)
    assert content["counts"] == {
        "same": 1,
        "narrowed": 9,
        "widened": 0,
        "newly_allowed": 1,
        "newly_denied": 0,
    }
    assert content["parts"] == {"schools narrower": 9}
    assert [shown["question"] for shown in content["examples"]["narrowed"]] == [
        f"q{number}" for number in range(5)
    ]
    assert content["examples"]["newly_allowed"][0]["asked"]["requester"] == "helpers"
    assert "same" not in content["examples"]


def test_every_row_condition_has_its_words() -> None:
    assert set(CONDITION_TEXT) == set(RowCondition)
    assert all("(" in text or "matter" in text for text in CONDITION_TEXT.values())
