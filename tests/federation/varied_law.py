"""Cases like the law's with other facts, and what policies and conditions make of them."""

import copy
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from homeroom.vocabulary import Element
from services.runtime.policy import PolicyEngine, open_engine
from tests.policy.conformance import POLICY, Engines, decide
from tests.policy.law_cases import Students, question_facts
from tools.law.holding import local_settings
from tools.policy_vectors import AMPLE_SECONDS, local_folder

Written = dict[str, Any]
Change = Callable[[Written, random.Random], None]

# A case says what a flag was computed from; these do not.
_ASKABLE = [str(element) for element in Element if element is not Element.EARLY_WARNING_FLAG]
_NEAR = ("2026-03-09", "2026-03-10")
"""The day before the cases are decided, and the day itself."""
_RELATIONS = ("guardian", "acting_as_parent", "relative_not_acting_as_parent", "eligible_student")
_CLASS = "after_school_providers"


def varied(case: Mapping[str, Any], chance: random.Random) -> Written:
    """The case with one to three of its facts changed."""
    changed: Written = copy.deepcopy(dict(case))
    for change in chance.sample(_CHANGES, chance.choice((1, 2, 3))):
        change(changed["facts"], chance)
    return changed


async def permitted(case: Written, federation: PolicyEngine) -> set[tuple[str, str]]:
    """What may leave, of whom, by the policies and the plain meaning of their conditions."""
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(
            local_folder(local_settings(case["facts"]["holder"]["local_rules"]))
        )
        local = await open_engine("embedded", folder, decision_seconds=AMPLE_SECONDS)
        stack.push_async_callback(local.close)
        decision = await decide(Engines(federation, local), question_facts(case))
    if decision is None or decision.grant is None:
        return set()
    students = Students(case, decision.grant.schools.document())
    return {
        (student["id"], str(element))
        for student in students.asked
        for element, words in decision.grant.conditions.items()
        if not students.failures(student, element, words)
    }


async def federation_policy() -> PolicyEngine:
    """The federation's rules, to judge by."""
    return await open_engine("embedded", POLICY / "federation", decision_seconds=AMPLE_SECONDS)


def _one(words: list[Any], chance: random.Random) -> Any:
    return chance.choice(words) if words else {}


def _more_elements(facts: Written, chance: random.Random) -> None:
    more = chance.sample(_ASKABLE, 3)
    facts["request"]["elements"] = sorted({*facts["request"]["elements"], *more})


def _more_agreed(facts: Written, chance: random.Random) -> None:
    if facts["agreement"]:
        more = chance.sample([str(element) for element in Element], 5)
        facts["agreement"]["elements"] = sorted({*facts["agreement"]["elements"], *more})


def _training(facts: Written, chance: random.Random) -> None:
    facts["requester"]["user"]["training_valid_to"] = chance.choice((None, *_NEAR))


def _caseload(facts: Written, _chance: random.Random) -> None:
    user = facts["requester"]["user"]
    user["works_with_students"] = not user["works_with_students"]


def _standing(facts: Written, chance: random.Random) -> None:
    standing = chance.choice(("suspended", "debarred", "unknown"))
    bar = chance.choice(_NEAR) if standing == "debarred" else None
    facts["requester"] |= {"standing": standing, "debarred_until": bar}


def _agreement(facts: Written, chance: random.Random) -> None:
    agreement = facts["agreement"]
    if agreement:
        changes: list[Written] = [
            {"signed_by": agreement["signed_by"][:-1]},
            {"effective_to": chance.choice(_NEAR)},
            {"status": chance.choice(("suspended", "terminated", "draft"))},
            {"schools": agreement["schools"][:1]},
            {"terms": agreement["terms"][::2]},
        ]
        agreement |= chance.choice(changes)


def _consent(facts: Written, chance: random.Random) -> None:
    consent = _one(facts["consents"], chance)
    if consent:
        electronic = {"form": "electronic", "electronic": True}
        changes: list[Written] = [
            {"records": ["all_education_records"]},
            {"valid_to": chance.choice(_NEAR)},
            {"revoked_at": chance.choice(("2026-03-10T14:00:00Z", "2026-03-10T14:00:01Z"))},
            {"signer_relation": chance.choice(_RELATIONS)},
            {"signer_rights": "revoked_by_court_order"},
            {"form": "oral"},
            {**electronic, "signer_authenticated": chance.random() < 0.5},
        ]
        consent |= chance.choice(changes)


def _recipient_class(facts: Written, chance: random.Random) -> None:
    consent = _one(facts["consents"], chance)
    consent["recipients"] = [f"class:{_CLASS}"]
    facts["requester"]["classes"] = chance.choice(([], [_CLASS]))


def _student(facts: Written, chance: random.Random) -> None:
    changes: list[Written] = [
        {"has_disability_record": True},
        {"experiencing_homelessness": True},
        {"postsecondary": True},
        {"directory_opt_out": [chance.choice(("all", "name", "address"))]},
        {"birth_date": chance.choice(("2008-03-10", "2008-03-11"))},
    ]
    _one(facts["students"], chance).update(chance.choice(changes))


def _holder(facts: Written, chance: random.Random) -> None:
    element = chance.choice(facts["request"]["elements"])
    state = chance.choice(("pending", "granted", "denied"))
    changes: list[Written] = [
        {"never_share": [element]},
        {"approval_required_for": [element], "approval_state": state},
    ]
    facts["holder"]["local_rules"] |= chance.choice(changes)


_CHANGES: tuple[Change, ...] = (
    _more_elements,
    _more_agreed,
    _training,
    _caseload,
    _standing,
    _agreement,
    _consent,
    _recipient_class,
    _student,
    _holder,
)
