"""The worked examples of local policies can be copied: whole, well formed, and never looser."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import jsonschema
import pytest

from services.node.domain.decision import meet, parse_federation, parse_local
from services.runtime.policy import PolicyEngine, open_engine
from tests.policy.conformance import LOCAL, POLICY, at_most, read_group
from tools.policy_tests import EXAMPLES
from tools.policy_vectors import AMPLE_SECONDS

TEMPLATE = POLICY / "local"
OWN = {"data.json", "rules.rego", "rules_test.rego", "decision_test.rego"}


@pytest.fixture(params=EXAMPLES, ids=lambda folder: folder.name)
async def example(request: pytest.FixtureRequest) -> AsyncIterator[PolicyEngine]:
    engine = await open_engine("embedded", request.param, decision_seconds=AMPLE_SECONDS)
    yield engine
    await engine.close()


def test_there_are_three_of_them() -> None:
    assert [folder.name for folder in EXAMPLES] == ["charter_school", "shelter", "strict_district"]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_the_template_with_its_own_rules(folder: Path) -> None:
    """Only the settings, the rules and their tests differ from what an organization copies."""
    template = {file.name for file in TEMPLATE.iterdir()}
    assert {file.name for file in folder.iterdir()} == template
    for name in template - OWN:
        assert (folder / name).read_text() == (TEMPLATE / name).read_text(), name
    settings = json.loads((folder / "data.json").read_text())["local"]
    assert settings.keys() == json.loads((TEMPLATE / "data.json").read_text())["local"].keys()


@pytest.mark.parametrize("group", ["permitted", "grounds"])
async def test_an_example_only_takes_away(example: PolicyEngine, group: str) -> None:
    """Its document fits the schema; what is met with it is at most the federation's own."""
    schema = jsonschema.Draft202012Validator(
        json.loads((POLICY / "schema" / "local.json").read_text())
    )
    nothing_taken = parse_local(read_group("permitted")["vectors"][0]["local"])
    narrowed = 0
    for vector in read_group(group)["vectors"]:
        document = await example.decide(LOCAL, vector["input"])
        schema.validate(document)
        federation = parse_federation(vector["federation"], vector["input"]["query"]["elements"])
        met = meet(federation, parse_local(document))
        whole = meet(federation, nothing_taken)
        assert at_most(met, whole), vector["name"]
        narrowed += met.document() != whole.document()
    assert narrowed > 0
