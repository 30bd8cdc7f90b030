"""The policies and the meaning of their row conditions give what the law's cases expect."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from homeroom.checks import ORDER_OF_CHECKS
from services.node.domain.decision import Decision
from services.runtime.policy import PolicyEngine, open_engine
from tests.policy.conformance import POLICY, Engines, decide
from tests.policy.law_cases import Students, question_facts
from tools.law.holding import local_settings
from tools.policy_vectors import AMPLE_SECONDS, local_folder

CASES = Path(__file__).resolve().parents[2] / "law" / "scenarios.yaml"

ORDER = [code.value for code in ORDER_OF_CHECKS]


class Outcome(NamedTuple):
    """What may go of what a case asks for, and why not the rest."""

    elements: set[str]
    students: set[str]
    codes: set[str]
    obligations: set[str]


def outcome(case: Mapping[str, Any], decision: Decision) -> Outcome:
    """What is left of a decision after its row conditions are applied to the case's students."""
    if decision.grant is None:
        return Outcome(set(), set(), {code.value for code in decision.reasons}, set())
    codes = {entry.reason.value for entry in decision.withheld}
    grant = decision.grant
    if case["facts"]["request"]["level"] != "student":
        found = (case["facts"]["special"] or {}).get("deidentification") or {}
        if found.get("smallest_group", grant.min_cell_size) < grant.min_cell_size:
            return Outcome(set(), set(), {"deidentification_insufficient"}, set())
        return Outcome({*grant.elements}, set(), codes, {*grant.obligations})
    students = Students(case, grant.schools.document())
    permitted: dict[str, set[str]] = {}
    called_for: set[str] = set()
    for student in students.asked:
        failed = {e: students.failures(student, e, words) for e, words in grant.conditions.items()}
        codes |= {code for each in failed.values() for code in each}
        if left := {element.value for element, why in failed.items() if not why}:
            permitted[student["id"]] = left
            called_for |= students.calls_for(student, left)
    obligations = (
        {*grant.obligations, *(called_for & grant.row_obligations)} if permitted else set()
    )
    elements = {element for left in permitted.values() for element in left}
    return Outcome(elements, {*permitted}, codes, {str(code) for code in obligations})


def faults(case: Mapping[str, Any], decision: Decision) -> list[str]:
    """In what a decision differs from what the case expects."""
    got, asked = outcome(case, decision), set(case["facts"]["request"]["elements"])
    wrong = []
    if got.elements != set(case["permitted_elements"]):
        wrong.append(f"permitted {sorted(got.elements)}")
    if "permitted_students" in case and got.students != set(case["permitted_students"]):
        wrong.append(f"students {sorted(got.students)}")
    whole = got.elements == asked and not got.codes
    expect = "allow" if whole else "partial" if got.elements else "deny"
    if expect != case["expect"]:
        wrong.append(f"{expect} instead of {case['expect']}")
    code = next(iter(decision.reasons)) if whole else min(got.codes, key=ORDER.index)
    if code not in {case["reason_code"], *case["also_acceptable"]}:
        wrong.append(f"{code} instead of {case['reason_code']}: {sorted(got.codes)}")
    if got.obligations != set(case["obligations"]):
        wrong.append(f"obligations {sorted(got.obligations)}")
    return wrong


def _cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load(CASES.read_text())["cases"]
    return cases


@pytest.fixture
async def federation() -> AsyncIterator[PolicyEngine]:
    engine = await open_engine("embedded", POLICY / "federation", decision_seconds=AMPLE_SECONDS)
    yield engine
    await engine.close()


async def test_cases_are_decided_as_the_law_expects(federation: PolicyEngine) -> None:
    """Students, elements, code and obligations of every case; of an aggregate, whether to ask."""
    wrong: dict[str, list[str]] = {}
    engines: dict[str, PolicyEngine] = {}
    async with AsyncExitStack() as stack:
        for case in _cases():
            settings = local_settings(case["facts"]["holder"]["local_rules"])
            if str(settings) not in engines:
                folder = await stack.enter_async_context(local_folder(settings))
                engines[str(settings)] = await open_engine(
                    "embedded", folder, decision_seconds=AMPLE_SECONDS
                )
                stack.push_async_callback(engines[str(settings)].close)
            local = engines[str(settings)]
            decision = await decide(Engines(federation, local), question_facts(case))
            if decision is None:
                wrong[case["id"]] = ["no decision"]
            elif case["facts"]["request"]["level"] == "aggregate":
                # Which cells may go is for disclosure control; the policy lets the question be put.
                asked = set(case["facts"]["request"]["elements"])
                if decision.grant is None or decision.grant.elements != asked:
                    wrong[case["id"]] = [f"not asked: {sorted(decision.reasons)}"]
            elif differing := faults(case, decision):
                wrong[case["id"]] = differing
    assert wrong == {}
