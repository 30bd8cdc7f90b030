"""Less evidence never releases more: tests that catch a rule which opens when a fact is gone."""

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from homeroom.vocabulary import ReasonCode
from tests.policy.conformance import (
    GROUPS,
    POLICY,
    READ_BY_THE_TEMPLATE,
    Engines,
    LocalTemplate,
    Path,
    at_most,
    decide,
    paths,
    read_group,
    without,
)
from tests.policy.facts_to_take import facts_to_take

Facts = dict[str, Any]

GROUNDS = json.loads((POLICY / "federation" / "data.json").read_text())["federation"]["grounds"]


def _is_a_limit(facts: Facts, path: Path) -> bool:
    """Whether taking this away lifts a limit that the input states by its presence.

    These are part of the input's meaning. The node copies them whole from the bytes that the
    parties and the requester signed.
    """
    match path:
        case ("agreement", "authorized_roles" | "named_users" | "min_cell_size"):
            return True
        case ("query", "schools", 0):
            return len(facts["query"]["schools"]) == 1
        case ("query", "onward_to", _):
            return True
        case ("query", "elements", int(place)):
            return bool(facts["query"]["elements"][place] == "*")
    return False


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "pairs"])
async def test_any_missing_fact_only_tightens(group: str, engines: Engines) -> None:
    """Without any one member or entry of its input, a decision releases at most the same."""
    engines = Engines(engines.federation, LocalTemplate(engines.local))
    widened = []
    for vector, places in facts_to_take(group):
        facts = vector["input"]
        whole = await decide(engines, facts)
        for path in places:
            if _is_a_limit(facts, path):
                continue
            if not at_most(await decide(engines, without(facts, path)), whole):
                widened.append((vector["name"], path))
    assert widened == []


@pytest.mark.parametrize("group", [group for group in GROUPS if group != "pairs"])
def test_every_fact_of_a_group_is_taken_from_one_of_its_vectors(group: str) -> None:
    """What is tried of most vectors is a part; of each group together it is everything."""
    tried = {path for _, places in facts_to_take(group) for path in places}

    assert tried == {path for one in read_group(group)["vectors"] for path in paths(one["input"])}


def test_the_template_reads_nothing_else_of_an_input() -> None:
    """What the engine of the template is not asked again about cannot change what it says."""
    for file in (POLICY / "local").glob("*.rego"):
        if not file.name.endswith("_test.rego"):
            code = re.sub(r"#.*", "", file.read_text())
            assert set(re.findall(r"\binput\b\.?(\w*)", code)) <= {*READ_BY_THE_TEMPLATE}, file


@pytest.mark.parametrize("group", ["permitted"])
async def test_null_is_not_a_fact(group: str, engines: Engines) -> None:
    """A null where a fact belongs gives at most what its absence does."""
    engines = Engines(engines.federation, LocalTemplate(engines.local))
    for vector, places in facts_to_take(group):
        facts = vector["input"]
        whole = await decide(engines, facts)
        for path in places:
            nulled = copy.deepcopy(facts)
            place: Any = nulled
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = None
            assert at_most(await decide(engines, nulled), whole), (vector["name"], path)


def _ended(facts: Facts) -> None:
    facts["agreement"]["state"] = "ended"


def _expired(facts: Facts) -> None:
    facts["agreement"]["effective_to"] = "2026-03-09"


def _unsigned(facts: Facts) -> None:
    facts["agreement"]["signed_by"].pop()


def _suspended(facts: Facts) -> None:
    facts["requester"]["standing"] = "suspended"


def _untrained(facts: Facts) -> None:
    facts["user"]["training_valid_to"] = "2026-03-09"


def _stale(facts: Facts) -> None:
    facts["state"]["registry_confirmed_at"] = "2026-03-10T13:00:00Z"


def _withdrawn(facts: Facts) -> None:
    facts["user"]["delegation"]["withdrawn"] = True


def _closed(facts: Facts) -> None:
    kind = GROUNDS[facts["query"]["basis"]]["matter"]
    facts["matters"][kind]["valid_to"] = "2026-03-10T13:59:59Z"


def _relies(facts: Facts, change: Callable[[Facts], None]) -> bool:
    """Whether the ground that is claimed rests on what is taken back."""
    ground = GROUNDS.get(facts["query"]["basis"], {})
    if change in (_ended, _expired, _unsigned):
        own = facts.get("user", {}).get("employee_of_holder", False)
        return bool(ground.get("agreement") != "none") and not own
    if change is _untrained:
        return not ground.get("untrained")
    return not (change is _stale and ground.get("unregistered"))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_ended, ReasonCode.AGREEMENT_NOT_IN_EFFECT),
        (_expired, ReasonCode.AGREEMENT_NOT_IN_EFFECT),
        (_unsigned, ReasonCode.AGREEMENT_NOT_FULLY_SIGNED),
        (_suspended, ReasonCode.ORG_SUSPENDED),
        (_untrained, ReasonCode.USER_UNTRAINED),
        (_stale, ReasonCode.AUTHORIZATION_STATE_STALE),
        (_withdrawn, ReasonCode.USER_DELEGATION_INVALID),
        (_closed, None),
    ],
)
async def test_a_permission_taken_back_refuses(
    group: str, engines: Engines, change: Callable[[Facts], None], code: ReasonCode | None
) -> None:
    """Whatever is ended, unsigned, suspended, withdrawn, closed or stale refuses, and says why."""
    engines = Engines(engines.federation, LocalTemplate(engines.local))
    for vector in read_group(group)["vectors"]:
        facts = copy.deepcopy(vector["input"])
        if not _relies(facts, change):
            continue
        try:
            change(facts)
        except (KeyError, IndexError):
            continue  # the vector lacks that part already
        decision = await decide(engines, facts)
        assert decision is not None
        assert not decision.allow, vector["name"]
        if vector["met"]["allow"] and code is not None:
            assert code in decision.reasons, vector["name"]
