"""A remembered permission is never wider than what the policies would say at that moment."""

import copy
import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeroom.errors import PolicyUnavailableError
from homeroom.facts import moment
from services.node.domain.decision import Decision
from services.node.policy import NodePolicies, decided
from services.node.policy.remembering import LONGEST, DecisionMemory
from services.runtime.policy import PolicyEngine
from tests.policy.conformance import Engines, at_most, read_group

Facts = dict[str, Any]

START = dt.datetime(2026, 3, 10, 23, 59, 30, tzinfo=dt.UTC)
"""Half a minute before midnight: days end within the time that is looked at."""

PERMITTED = {
    group: [v["input"] for v in read_group(group)["vectors"] if v["met"]["allow"]]
    for group in ("permitted", "grounds", "local")
}

SECONDS = st.integers(0, 45)
LATER = st.integers(20, 45)
DAYS = st.sampled_from(["2026-03-10", "2026-03-10", "2026-03-11"])


def after(seconds: int) -> str:
    return moment(START + dt.timedelta(seconds=seconds))


def put(facts: Facts, path: tuple[str, ...], value: Any) -> None:
    """Writes a member that is there already."""
    for name in path[:-1]:
        facts = facts.get(name, {})
    if path[-1] in facts:
        facts[path[-1]] = value


@st.composite
def ending(draw: st.DrawFn, group: str) -> Facts:
    """What was permitted once, with everything that ends ending about now."""
    facts: Facts = copy.deepcopy(draw(st.sampled_from(PERMITTED[group])))
    put(facts, ("agreement", "effective_to"), draw(DAYS))
    put(facts, ("user", "training_valid_to"), draw(DAYS))
    put(facts, ("user", "delegation", "valid_to"), draw(DAYS))
    put(facts, ("requester", "debarred_until"), draw(DAYS))
    for matter in facts.get("matters", {}).values():
        matter.update(valid_from=after(-draw(SECONDS)), valid_to=after(draw(LATER)))
    for approval in facts.get("approvals", []):
        approval["valid_to"] = after(draw(SECONDS))
    if "matters" in facts:
        # Special education records go without consent for as long as the situation is this one.
        facts["matters"]["idea"] = {
            "requester": facts["query"]["requester"],
            "situation": "none",
            "valid_from": after(-1),
            "valid_to": after(draw(SECONDS)),
        }
        facts["query"]["elements"] = sorted({*facts["query"]["elements"], "iep"})
        facts["holder"]["dataset_elements"] = sorted({*facts["holder"]["dataset_elements"], "iep"})
    return facts


moments = st.lists(
    st.tuples(SECONDS, st.integers(-2, 35), st.integers(-2, 35)), min_size=2, max_size=4
)
soon_after_another = st.lists(
    st.tuples(SECONDS, st.just(0), st.just(0)), min_size=3, max_size=4
).map(sorted)


def asked_at(facts: Facts, now: int, registry: int, consents: int) -> Facts:
    """The same question at another moment, by state confirmed so many seconds before."""
    at = copy.deepcopy(facts)
    at["now"] = after(now)
    put(at, ("state", "registry_confirmed_at"), after(now - registry))
    put(at, ("state", "consent_confirmed_at"), after(now - consents))
    return at


async def fresh(engines: Engines, facts: Facts) -> Decision | None:
    try:
        return await decided(*engines, facts)
    except PolicyUnavailableError:
        return None


@pytest.mark.parametrize("group", PERMITTED)
@given(data=st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_is_remembered_is_never_wider(
    group: str, engines: Engines, data: st.DataObject
) -> None:
    """At any moment: equal to what the policies say then, or narrower, however long it is kept."""
    facts = data.draw(ending(group))
    memory = DecisionMemory(longest=dt.timedelta(hours=1))
    for now, registry, consents in data.draw(moments | soon_after_another):
        at = asked_at(facts, now, registry, consents)
        said = await fresh(engines, at)
        if said is None:
            continue
        known = memory.recall(said.revisions, at)
        if known is not None:
            assert at_most(known, said), (known, said)
        memory.keep(at, said)


class Asked:
    """An engine that counts what it is asked."""

    def __init__(self, engine: PolicyEngine, revision: str = "") -> None:
        self.engine, self.name, self.count = engine, engine.name, 0
        self.revision = revision or engine.revision

    async def decide(self, entrypoint: str, facts: Any) -> dict[str, Any]:
        self.count += 1
        return await self.engine.decide(entrypoint, facts)

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("group", ["permitted"])
async def test_a_node_asks_its_policies_once_for_a_while(group: str, engines: Engines) -> None:
    """The same question soon after has the same decision; a changed one and a later one are new."""
    facts = PERMITTED[group][0]
    federation, local = Asked(engines.federation), Asked(engines.local)
    policies = NodePolicies(federation, local)
    first = await policies.decide(facts)
    again = await policies.decide(facts | {"now": "2026-03-10T14:00:04Z"})
    assert (again, again.revisions) == (first, first.revisions)
    assert (federation.count, local.count) == (1, 1)
    other = facts | {"state": {**facts["state"], "registry_sequence": 42}}
    for changed in (
        other,
        facts | {"now": moment(dt.datetime.fromisoformat(facts["now"]) + LONGEST)},
    ):
        before = federation.count
        await policies.decide(changed)
        assert federation.count == local.count == before + 1


@pytest.mark.parametrize("group", ["permitted"])
@pytest.mark.parametrize("which", ["federation", "local"])
async def test_another_policy_forgets_what_the_last_one_permitted(
    group: str, which: str, engines: Engines
) -> None:
    """From the moment that either policy is replaced, the new one is asked."""
    facts = PERMITTED[group][0]
    policies = NodePolicies(Asked(engines.federation), Asked(engines.local))
    await policies.decide(facts)
    new = Asked(getattr(engines, which), "another revision")
    drained = getattr(policies, which).swap(new, None)
    decision = await policies.decide(facts)
    await drained
    assert new.count == 1
    assert getattr(decision.revisions, which) == "another revision"


@pytest.mark.parametrize("group", ["permitted"])
async def test_a_refusal_is_not_remembered(group: str, engines: Engines) -> None:
    """What was refused is decided again each time."""
    facts = PERMITTED[group][0] | {"requester": {"standing": "suspended"}}
    federation = Asked(engines.federation)
    policies = NodePolicies(federation, Asked(engines.local))
    assert not (await policies.decide(facts)).allow
    assert not (await policies.decide(facts)).allow
    assert federation.count == 2


@pytest.mark.parametrize("group", ["permitted"])
async def test_as_many_are_remembered_as_there_is_place_for(group: str, engines: Engines) -> None:
    """The one that was asked for longest ago is forgotten first."""
    decision = await decided(*engines, PERMITTED[group][0])
    memory = DecisionMemory(most=2)
    first, second, third = (
        PERMITTED[group][0] | {"trial": number} for number in ("first", "second", "third")
    )
    assert memory.recall(decision.revisions, first) is None
    memory.keep(first, decision)
    memory.keep(second, decision)
    assert memory.recall(decision.revisions, first) is decision
    memory.keep(third, decision)
    assert len(memory) == 2
    assert memory.recall(decision.revisions, first) is decision
    assert memory.recall(decision.revisions, second) is None


@pytest.mark.parametrize("group", ["permitted"])
@pytest.mark.parametrize(
    "odd",
    [
        {"now": "2026-03-10T14:00:00+00:00"},
        {"now": "2026-03-10T25:00:00Z"},
        {"now": None},
        {"state": None},
        {"state": {"registry_confirmed_at": 5}},
        {"trial": float("nan")},
    ],
)
async def test_facts_of_another_form_are_never_remembered(
    group: str, odd: Facts, engines: Engines
) -> None:
    decision = await decided(*engines, PERMITTED[group][0])
    memory = DecisionMemory()
    memory.recall(decision.revisions, {})
    memory.keep(PERMITTED[group][0] | odd, decision)
    assert len(memory) == 0
    memory.keep(PERMITTED[group][0], decision)
    assert len(memory) == 1
    assert memory.recall(decision.revisions, PERMITTED[group][0] | odd) is None
