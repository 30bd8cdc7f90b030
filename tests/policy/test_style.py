"""The policies keep the rules they are written by, and the words everyone shares."""

import json
import re
from pathlib import Path

import pytest

from homeroom.checks import ORDER_OF_CHECKS, RowCondition
from homeroom.vocabulary import Basis, Element, Obligation, ReasonCode
from tests.policy.conformance import POLICY

RULES = sorted(
    file
    for folder in ("federation", "local")
    for file in (POLICY / folder).rglob("*.rego")
    if not file.name.endswith("_test.rego")
)
CONSTANTS = json.loads((POLICY / "federation" / "data.json").read_text())["federation"]


@pytest.mark.parametrize("file", RULES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_rule_file_is_in_style(file: Path) -> None:
    """Package is path, METADATA says what it is for, a test is beside it, and it fits a screen."""
    source = file.read_text()
    assert f"\npackage homeroom.{file.parent.name}.{file.stem}\n" in source
    assert source.startswith("# METADATA\n# title: ")
    assert "\n# description:" in source.partition("\npackage ")[0]
    assert file.with_name(f"{file.stem}_test.rego").is_file()
    lines = [line for line in source.splitlines() if not line.startswith("#")]
    assert len(lines) <= 70
    assert len(source.splitlines()) <= 100
    code = "\n".join(lines)
    assert not re.search(r"\b(else|null|sprintf|with)\b", code)
    assert not re.search(r"\bnot input\b|\bnot \w+\(", code), "only a fact is negated"


def test_entrypoints_are_the_five_documents() -> None:
    """Each is a rule called `document`, marked as an entrypoint, with its own METADATA."""
    marked = {file.stem for file in RULES if "# entrypoint: true\n" in file.read_text()}
    assert marked == {"question", "decision", "consent_check", "record_reading"}
    for file in RULES:
        for block in file.read_text().split("# METADATA\n")[1:]:
            if "# entrypoint: true\n" in block:
                assert re.search(r"^# title: .+\n# description: .+\n(#.*\n)*document := ", block)


def test_policies_speak_the_shared_vocabulary() -> None:
    """Every code is a reason code; every element is shareable or never shared, and not both."""
    codes = {
        code
        for file in RULES
        for code in re.findall(
            r'(?:(?:codes|terms) contains|"reason":|refused_as :=|contains \[element,) "([a-z_]+)"',
            file.read_text(),
        )
    }
    constants = {*CONSTANTS["never_shared"].values(), *CONSTANTS["refused_standings"].values()}
    constants |= {ground["reason"] for ground in CONSTANTS["grounds"].values()}
    assert len(codes) > 25
    assert codes | constants <= set(ReasonCode)
    assert CONSTANTS["elements"].keys() | CONSTANTS["never_shared"].keys() == set(Element)
    assert CONSTANTS["elements"].keys().isdisjoint(CONSTANTS["never_shared"])


def test_conditions_and_grounds_speak_the_shared_vocabulary() -> None:
    """Each row condition, ground and obligation of the rules is a word that everyone knows."""
    source = (POLICY / "federation" / "conditions.rego").read_text()
    words = set(re.findall(r'(?:on_every_element contains|on_trait\["\w+"\] :=) "(\w+)"', source))
    for ground in CONSTANTS["grounds"].values():
        words |= set(ground["conditions"])
        assert {*ground["obligations"], *ground["row_obligations"]} <= set(Obligation)
    assert words == set(RowCondition)
    assert CONSTANTS["consent_conditions"].keys() <= words
    assert CONSTANTS["grounds"].keys() == set(Basis)
    assert CONSTANTS["traits"].keys() <= set(Element)


def test_checks_have_one_order() -> None:
    """The policy and everyone who explains its answers put the refusals in the same order."""
    assert CONSTANTS["order_of_checks"] == [code.value for code in ORDER_OF_CHECKS]
    assert set(ORDER_OF_CHECKS) == {c for c in ReasonCode if not c.startswith("permitted_")}


@pytest.mark.parametrize("file", RULES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_rule_that_refuses_cites_its_law(file: Path) -> None:
    """The rule's own METADATA, or that of its package, names where it comes from."""
    source = file.read_text()
    head = source.partition("\npackage ")[0]
    refuses = re.search(r"^(codes|terms|withheld|by_\w+) contains \S*\"", source, re.MULTILINE)
    assert not refuses or "citation:" in head
    for rule in re.findall(r'((?:^#.*\n)*)^(?:codes|terms) contains "', source, re.MULTILINE):
        assert "citation" in rule or "citation:" in head


def test_schemas_speak_the_shared_vocabulary() -> None:
    """The schemas of both documents list the vocabulary's words, all of them."""
    for name in ("federation", "local"):
        permission, denial = json.loads((POLICY / "schema" / f"{name}.json").read_text())["oneOf"]
        refusals = {code for code in ReasonCode if not code.startswith("permitted_")}
        assert set(denial["properties"]["reasons"]["items"]["enum"]) == refusals
        for part in {"obligations", "row_obligations"} & permission["properties"].keys():
            assert set(permission["properties"][part]["items"]["enum"]) == set(Obligation)
        withheld = permission["properties"]["withheld"]["items"]["properties"]
        assert set(withheld["element"]["enum"]) == set(Element)


def test_no_allowed_built_in_reaches_outside() -> None:
    """What rules may call is a short list, without network, clock or chance."""
    capabilities = json.loads((POLICY / "capabilities.json").read_text())
    names = {built_in["name"] for built_in in capabilities["builtins"]}
    assert capabilities["allow_net"] == []
    assert not {n for n in names if re.match(r"http|net|opa|rand|uuid|rego|io|crypto", n)}
    assert "time.now_ns" not in names
