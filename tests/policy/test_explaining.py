"""Each refusal and condition is explained by the rule that says so, with its law."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import PolicyUnavailableError
from services.node.policy.explaining import Explanation
from services.runtime.policy import PolicyFolder
from tests.policy.conformance import GROUPS, POLICY, read_group
from tests.policy_bundles import local_folder

FEDERATION = PolicyFolder.read(POLICY / "federation")


def vectors(*groups: str) -> Iterator[dict[str, Any]]:
    for group in groups:
        yield from read_group(group)["vectors"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> PolicyFolder:
    """The template, with a minimum age and an element that is never shared."""
    folder = local_folder(
        tmp_path_factory.mktemp("own") / "policy",
        min_ages={"daily_attendance": 12},
        never_share=["sped_status"],
    )
    return PolicyFolder.read(folder)


async def told(facts: dict[str, Any], local: PolicyFolder) -> dict[str, Any]:
    return (await Explanation.of(FEDERATION, local, facts)).document()


def permitted(*elements: str) -> dict[str, Any]:
    facts: dict[str, Any] = copy.deepcopy(read_group("permitted")["vectors"][0]["input"])
    facts["query"]["elements"] = sorted(elements)
    facts["holder"]["dataset_elements"] = sorted(elements)
    return facts


async def test_a_withheld_element_names_the_rule_of_either_policy(ours: PolicyFolder) -> None:
    content = await told(permitted("daily_attendance", "sped_status", "ssn"), ours)
    withheld = {entry["element"]: entry for entry in content["withheld"]}

    (own,) = withheld["sped_status"]["rules"]
    assert (own["policy"], own["title"]) == ("local", "Local facts")
    assert withheld["sped_status"]["code"] == "local_rule_withheld"
    (ssn,) = withheld["ssn"]["rules"]
    assert (ssn["policy"], ssn["file"]) == ("federation", "withheld.rego")
    assert ssn["citation"] == "34 CFR 99.3, 99.8"


async def test_each_condition_is_told_in_words(ours: PolicyFolder) -> None:
    content = await told(permitted("daily_attendance"), ours)
    ((entry),) = content["released"]
    texts = {condition["word"]: condition["text"] for condition in entry["conditions"]}

    assert "34 CFR 99.30" in texts["consented"]
    assert texts["min_age"] == "the student is at least 12 years old"
    assert all(condition["rules"] for condition in entry["conditions"])


@pytest.mark.parametrize("number", range(0, 60, 6))
async def test_every_refusal_cites_a_law(number: int, ours: PolicyFolder) -> None:
    """No refusal of the conformance cases is left without a rule, its place and its law."""
    vector = list(vectors("refused"))[number % len(list(vectors("refused")))]
    content = await told(vector["input"], ours)

    assert content["allow"] is False
    for reason in content["reasons"]:
        assert reason["rules"], reason["code"]
        assert all(rule["citation"] for rule in reason["rules"]), reason["code"]


async def test_an_explanation_reads_as_lines(ours: PolicyFolder) -> None:
    explanation = await Explanation.of(FEDERATION, ours, permitted("daily_attendance", "ssn"))
    lines = list(explanation.lines())

    assert lines[0].startswith("neighborhood_initiative asks for daily_attendance, ssn")
    assert "the question is answered" in lines
    assert any(line.startswith("ssn is withheld: ") for line in lines)
    assert "  - the student is at least 12 years old" in lines


async def test_what_no_policy_decides_is_not_explained(ours: PolicyFolder, tmp_path: Path) -> None:
    facts = permitted("daily_attendance") | {"schema": 2}
    with pytest.raises(PolicyUnavailableError):
        await told(facts, ours)


def test_the_groups_are_those_of_the_vectors() -> None:
    """A replay on the conformance questions leaves none out."""
    from services.node.policy.recorded import conformance  # noqa: PLC0415 - beside its only use

    assert len(list(conformance())) == len(list(vectors(*GROUPS)))
