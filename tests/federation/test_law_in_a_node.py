"""The law's cases, each heard by a real node at the case's own instant.

What comes back is opened as the requester opens it and compared student by student and element by
element: nothing outside what the law lets go, all that it does, and a record wherever it asks.
"""

import copy
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.federation.varied_law import Written, federation_policy, permitted, varied
from tests.house.tree import PROJECT
from tools.law.case import Case, read_cases
from tools.law.judging import Tally, judge
from tools.law.seat import Courtroom

SCENARIOS = PROJECT / "law" / "scenarios.yaml"
CASES = read_cases(SCENARIOS)
WRITTEN = yaml.safe_load(SCENARIOS.read_text())["cases"]
SEED = int(os.environ.get("HOMEROOM_LAW_SEED", "1"))
_VARIED = int(os.environ.get("HOMEROOM_LAW_VARIED", "8"))
_BENCHES = 6


@pytest.mark.parametrize("first", range(_BENCHES))
async def test_every_case_is_decided_and_recorded_as_the_law_asks(
    first: int, tmp_path: Path
) -> None:
    """No element, student or cell outside the expected set, and none of the permitted missing."""
    tally = Tally()
    for case, outcome in await Courtroom(tmp_path).hear(CASES[first::_BENCHES]):
        tally.verdicts.append(judge(case, outcome))

    assert [(one.case.case_id, one.decision, one.outcome.failed) for one in tally.wrong] == []
    assert (tally.disclosure_failures, tally.record_failures) == (0, 0)


@pytest.mark.parametrize("expect", ["allow", "partial", "deny"])
async def test_a_case_that_expects_something_else_is_found_wrong(
    expect: str, tmp_path: Path
) -> None:
    """What is allowed to leave and did not, what left and may not, and what was not recorded."""
    case = next(one for one in CASES if one.expect == expect and len(one.permitted) != 1)
    ((_, outcome),) = await Courtroom(tmp_path).hear([case])
    silent, generous = _expecting(case, frozenset()), _expecting(case, _everything(case))

    assert judge(case, outcome).right
    assert bool(judge(silent, outcome).disclosed) == (expect != "deny")
    assert bool(judge(generous, outcome).missing) == (expect != "allow")


async def test_a_node_releases_what_policies_and_conditions_say_of_any_facts_like_these(
    tmp_path: Path,
) -> None:
    """Other facts than the law's own: the same, student by student and element by element."""
    chance = random.Random(SEED)  # noqa: S311 - it chooses cases, no keys
    about_students = [one for one in WRITTEN if _names_elements(one)]
    written = [varied(chance.choice(about_students), chance) for _ in range(_VARIED)]
    federation = await federation_policy()
    expected = [await permitted(one, federation) for one in written]
    await federation.close()
    heard = await Courtroom(tmp_path).hear(map(Case.of, written))

    for number, ((_, outcome), permitted_now) in enumerate(zip(heard, expected, strict=True)):
        assert (number, outcome.failed, set(outcome.released)) == (number, "", permitted_now)


async def test_a_holder_that_keeps_to_a_smaller_minimum_shows_smaller_counts(
    tmp_path: Path,
) -> None:
    """What is small is the holder's to say: six students are shown where its own rules say six."""
    cases = [_keeping_to(6, one) for one in _about_six()]
    outcomes = [outcome for _, outcome in await Courtroom(tmp_path).hear(cases)]

    assert [one.failed for one in outcomes] == [""] * len(cases)
    assert {judge(*one).decision for one in zip(cases, outcomes, strict=True)} == {"allow"}


def _about_six() -> list[Written]:
    """A table with a count of six and a total that all know, and records shared by six students."""
    levels = {one["facts"]["request"]["level"]: one for one in WRITTEN if one["expect"] == "allow"}
    counts, records = (
        copy.deepcopy(levels[level]) for level in ("aggregate", "deidentified_student")
    )
    *parts, total = counts["facts"]["request"]["cells"]
    parts[0]["n"] = 6
    total["n"] = sum(cell["n"] for cell in parts)
    records["facts"]["special"]["deidentification"]["smallest_group"] = 6
    return [counts, records]


def _keeping_to(least: int, written: Written) -> Case:
    changed = copy.deepcopy(written)
    changed["facts"]["holder"]["local_rules"]["min_cell_size"] = least
    return Case.of(changed)


def _names_elements(written: Mapping[str, Any]) -> bool:
    request = written["facts"]["request"]
    return request["level"] == "student" and "*" not in request["elements"]


def _everything(case: Case) -> frozenset[str]:
    return frozenset(case.request["elements"])


def _expecting(case: Case, permitted: frozenset[str]) -> Case:
    fields = {name: getattr(case, name) for name in Case.__dataclass_fields__}
    return Case(**{**fields, "permitted": permitted})
