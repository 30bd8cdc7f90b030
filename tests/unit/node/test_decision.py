"""The meet never releases more than either policy, and a malformed document releases nothing."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.checks import RowCondition
from homeroom.errors import PolicyUnavailableError
from homeroom.vocabulary import Element, Obligation, ReasonCode
from services.node.domain.decision import (
    Schools,
    meet,
    parse_federation,
    parse_local,
    require_enforced,
)

PERMITS = sorted(code for code in ReasonCode if code.startswith("permitted_"))
REFUSES = sorted(code for code in ReasonCode if not code.startswith("permitted_"))
ELEMENTS = list(Element)[:8]
INSTANT = "%Y-%m-%dT%H:%M:%SZ"


def permission() -> dict[str, Any]:
    return {
        "allow": True,
        "reasons": ["permitted_by_consent"],
        "withheld": [{"element": "gpa", "reason": "agreement_element_out_of_scope"}],
        "grant": {
            "elements": {"daily_attendance": ["consented"], "suspensions": ["consented"]},
            "schools": {"only": ["elm_k8", "river_high"]},
        },
        "min_cell_size": 10,
        "obligations": ["inform_redisclosure_limits"],
        "row_obligations": ["attach_contested_statement"],
        "not_after": "2026-03-10T14:00:25Z",
    }


def limits() -> dict[str, Any]:
    return {
        "allow": True,
        "reasons": [],
        "withheld": [],
        "schools": {"all": True},
        "min_cell_size": 10,
        "obligations": [],
    }


def denial(*codes: str) -> dict[str, Any]:
    return {"allow": False, "reasons": list(codes), "withheld": []}


ASKED = ["daily_attendance", "gpa", "suspensions"]

instants = st.integers(1_767_225_600, 1_798_761_600).map(
    lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC).strftime(INSTANT)
)
schools = st.one_of(
    st.just({"all": True}),
    st.builds(lambda s: {"only": sorted(s)}, st.sets(st.sampled_from(["a", "b", "c", "d"]))),
)
obligations = st.lists(st.sampled_from([o.value for o in Obligation]), unique=True)
ages = st.integers(1, 21)
conditions = st.lists(st.sampled_from([c.value for c in RowCondition]), unique=True)
denials = st.lists(st.sampled_from(REFUSES), min_size=1, unique=True).map(lambda c: denial(*c))


@st.composite
def permissions(draw: st.DrawFn) -> dict[str, Any]:
    granted = draw(st.lists(st.sampled_from(ELEMENTS), min_size=1, unique=True))
    some = draw(schools.filter(lambda s: s != {"only": []}))
    return {
        "allow": True,
        "reasons": [draw(st.sampled_from(PERMITS))],
        "withheld": [],
        "grant": {
            "elements": {element.value: draw(conditions) for element in granted},
            "schools": some,
        },
        "min_cell_size": draw(st.integers(1, 50)),
        "obligations": draw(obligations),
        "row_obligations": draw(obligations),
        "not_after": draw(instants),
    }


@st.composite
def limitings(draw: st.DrawFn) -> dict[str, Any]:
    withheld = draw(st.lists(st.sampled_from(ELEMENTS), unique=True))
    document = {
        "allow": True,
        "reasons": [],
        "withheld": [{"element": e, "reason": "local_rule_withheld"} for e in withheld],
        "schools": draw(schools),
        "min_cell_size": draw(st.integers(1, 50)),
        "obligations": draw(obligations),
    }
    if draw(st.booleans()):
        document["not_after"] = draw(instants)
    if draw(st.booleans()):
        document["conditions"] = draw(st.dictionaries(st.sampled_from(ELEMENTS), conditions))
        document["min_ages"] = draw(st.dictionaries(st.sampled_from(ELEMENTS), ages))
    return document


@given(st.one_of(permissions(), denials), st.one_of(limitings(), denials))
def test_meet_never_releases_more_than_either(fed: dict[str, Any], loc: dict[str, Any]) -> None:
    """Whatever both policies answer, each part of the grant is within both."""
    federation, local = parse_federation(fed, ELEMENTS), parse_local(loc)
    met = meet(federation, local)
    if met.grant is None:
        assert met.reasons
        assert not any(code.startswith("permitted_") for code in met.reasons)
        assert met.withheld == frozenset()
        return
    assert federation.grant is not None
    assert local.limits is not None
    taken = {entry.element for entry in local.withheld}
    for theirs in (federation.grant, local.limits):
        assert met.grant.schools & theirs.schools == met.grant.schools
        assert met.grant.min_cell_size >= theirs.min_cell_size
        assert met.grant.obligations >= theirs.obligations
        assert theirs.not_after is None or met.grant.not_after <= theirs.not_after
    assert met.grant.elements == federation.grant.elements - taken != frozenset()
    assert met.grant.row_obligations >= federation.grant.row_obligations
    for element, words in met.grant.conditions.items():
        assert words >= federation.grant.conditions[element]
        assert words >= local.limits.conditions.get(element, frozenset())
        assert met.grant.min_ages.get(element, 0) == local.limits.min_ages.get(element, 0)
    assert met.grant.elements.isdisjoint(entry.element for entry in met.withheld)


@given(permissions(), limitings())
def test_meet_denies_only_when_nothing_is_left(fed: dict[str, Any], loc: dict[str, Any]) -> None:
    """Two policies that allow give an answer unless no element or no school is left."""
    federation, local = parse_federation(fed, ELEMENTS), parse_local(loc)
    assert federation.grant is not None
    assert local.limits is not None
    left = federation.grant.elements - {entry.element for entry in local.withheld}
    some_school = not (federation.grant.schools & local.limits.schools).none
    assert meet(federation, local).allow == (bool(left) and some_school)


@given(permissions(), limitings())
def test_document_reads_back(fed: dict[str, Any], loc: dict[str, Any]) -> None:
    """A decision's own document is a decision of the same schema, written in one way."""
    met = meet(parse_federation(fed, ELEMENTS), parse_local(loc))
    again = parse_federation(met.document(), ELEMENTS)
    assert (again.reasons, again.withheld, again.grant) == (met.reasons, met.withheld, met.grant)
    assert met.encode() == meet(again, parse_local({**limits(), "min_cell_size": 1})).encode()


def test_meet_of_two_refusals_has_both_reasons() -> None:
    """No ground to permit is left among the reasons of a refusal."""
    local = parse_local(denial("local_rule_withheld"))
    refused = meet(parse_federation(denial("org_suspended"), ASKED), local)
    assert refused.reasons == {ReasonCode.ORG_SUSPENDED, ReasonCode.LOCAL_RULE_WITHHELD}
    closed = meet(parse_federation(permission(), ASKED), local)
    assert closed.document() == denial("local_rule_withheld")


def test_permission_is_read_whole() -> None:
    """Nothing of the federation's document is lost when the local policy takes nothing."""
    met = meet(parse_federation(permission(), ASKED), parse_local(limits()))
    assert met.document() == permission()


@pytest.mark.parametrize("words", [[], *([word.value] for word in RowCondition)])
def test_every_condition_of_the_vocabulary_is_enforced(words: list[str]) -> None:
    """A condition that rests on no student's facts, as in a study, is none at all."""
    document = permission()
    document["grant"]["elements"]["suspensions"] = words
    decision = meet(parse_federation(document, ASKED), parse_local(limits()))

    assert require_enforced(decision) is decision


def test_the_higher_age_of_both_policies_is_left() -> None:
    local = parse_local({**limits(), "min_ages": {"suspensions": 12, "gpa": 18}})
    decision = meet(parse_federation(permission(), ASKED), local)

    assert decision.document()["grant"]["min_ages"] == {"suspensions": 12}
    assert require_enforced(decision) is decision


def test_what_is_enforced_is_answered() -> None:
    """Consent alone, and any denial, pass unchanged."""
    allowed = meet(parse_federation(permission(), ASKED), parse_local(limits()))
    denied = meet(parse_federation(denial("org_suspended"), ASKED), parse_local(limits()))
    assert require_enforced(allowed) is allowed
    assert require_enforced(denied) is denied


BAD_PARTS: list[tuple[str, Any]] = [
    ("allow", 1),
    ("allow", "true"),
    ("allow", None),
    ("reasons", []),
    ("reasons", "permitted_by_consent"),
    ("reasons", ["permitted_by_consent", "org_suspended"]),
    ("reasons", ["permitted_by_friendship"]),
    ("reasons", [None]),
    ("withheld", {}),
    ("withheld", [{"element": "gpa"}]),
    ("withheld", [{"element": "gpa", "reason": "permitted_by_consent"}]),
    ("withheld", [{"element": "shoe_size", "reason": "local_rule_withheld"}]),
    ("withheld", [{"element": "suspensions", "reason": "local_rule_withheld"}]),
    ("withheld", [{"element": ["gpa"], "reason": "local_rule_withheld"}]),
    ("grant", None),
    ("grant", []),
    ("grant", {}),
    ("min_cell_size", "zzz"),
    ("min_cell_size", True),
    ("min_cell_size", 10.0),
    ("min_cell_size", 0),
    ("obligations", ["dance"]),
    ("obligations", ["offer_hearing", "offer_hearing"]),
    ("row_obligations", ["dance"]),
    ("row_obligations", None),
    ("not_after", "2026-03-10"),
    ("not_after", "2026-3-10T14:00:25Z"),
    ("not_after", "2026-13-10T14:00:25Z"),
    ("not_after", 1773151225),
]


@pytest.mark.parametrize(("part", "value"), BAD_PARTS)
def test_malformed_part_is_no_permission(part: str, value: Any) -> None:
    with pytest.raises(PolicyUnavailableError):
        parse_federation({**permission(), part: value}, ASKED)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("elements", {}),
        ("elements", []),
        ("elements", ["daily_attendance"]),
        ("elements", {"daily_attendance": ["consented"], "name": ["consented"]}),
        ("elements", {"shoe_size": ["consented"]}),
        ("elements", {"daily_attendance": ["wished_for"]}),
        ("elements", {"daily_attendance": ["consented", "consented"]}),
        ("elements", {"daily_attendance": "consented"}),
        ("elements", {"daily_attendance": None}),
        ("elements", "daily_attendance"),
        ("schools", {"only": []}),
        ("schools", {"all": False}),
        ("schools", {"all": 1}),
        ("schools", {"all": True, "only": ["elm_k8"]}),
        ("schools", {"only": "elm_k8"}),
        ("schools", {"only": ["elm_k8", "elm_k8"]}),
        ("schools", {"only": [""]}),
        ("schools", ["elm_k8"]),
        ("schools", None),
        ("students", ["s-101"]),
    ],
)
def test_malformed_grant_is_no_permission(part: str, value: Any) -> None:
    document = permission()
    document["grant"] = {**document["grant"], part: value}
    with pytest.raises(PolicyUnavailableError):
        parse_federation(document, ASKED)


@pytest.mark.parametrize("part", sorted(permission()))
def test_missing_part_is_no_permission(part: str) -> None:
    document = permission()
    del document[part]
    with pytest.raises(PolicyUnavailableError):
        parse_federation(document, ASKED)


@pytest.mark.parametrize("part", sorted(limits()))
def test_missing_part_is_no_local_decision(part: str) -> None:
    document = limits()
    del document[part]
    with pytest.raises(PolicyUnavailableError):
        parse_local(document)


@pytest.mark.parametrize(
    "extra",
    [
        {"grant": {"elements": ["name"]}},
        {"reasons": ["permitted_by_consent"]},
        {"schools": {"only": None}},
        {"min_cell_size": "zzz"},
        {"not_after": None},
        {"conditions": {"gpa": ["wished_for"]}},
        {"conditions": ["gpa"]},
        {"min_ages": {"gpa": 0}},
        {"min_ages": {"gpa": "twelve"}},
        {"min_ages": {"shoe_size": 12}},
        {"withheld": [{"element": "gpa", "reason": "local_rule_withheld", "why": ""}]},
    ],
)
def test_local_policy_can_only_take_away(extra: dict[str, Any]) -> None:
    """A local document that tries anything else is no decision."""
    with pytest.raises(PolicyUnavailableError):
        parse_local({**limits(), **extra})


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"allow": False},
        denial(),
        denial("permitted_by_consent"),
        denial("org_suspended", "org_suspended"),
        {**denial("org_suspended"), "grant": permission()["grant"]},
        {**denial("org_suspended"), "withheld": permission()["withheld"]},
    ],
)
def test_malformed_denial_is_no_decision(document: dict[str, Any]) -> None:
    """A denial that carries a grant, or no reason, is not read as either answer."""
    with pytest.raises(PolicyUnavailableError):
        parse_federation(document, ASKED)
    with pytest.raises(PolicyUnavailableError):
        parse_local(document)


def test_schools_meet() -> None:
    """All schools leave the other side as it is; two lists leave what both have."""
    every, some = Schools(), Schools(frozenset({"a", "b"}))
    assert every & every == every
    assert every & some == some & every == some
    assert (some & Schools(frozenset({"c"}))).none
    assert not every.none
