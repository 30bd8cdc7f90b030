"""An engine in the process reads the facts that its rules name; no rule misses one by that."""

from pathlib import Path
from typing import Any

import pytest

from services.runtime.policy import PolicyFolder, open_engine
from tools.policy_vectors import AMPLE_SECONDS, POLICY

FACTS: dict[str, Any] = {"now": "noon", "query": {"elements": ["gpa"]}, "state": {"sequence": 7}}

READING = [
    ("input.now", {"now"}, "noon"),
    ("input.query.elements", {"query"}, ["gpa"]),
    ("[input.now, input.state]", {"now", "state"}, ["noon", {"sequence": 7}]),
    ('input["now"]', None, "noon"),
    ("input", None, FACTS),
    ('object.get(input, "now", 0)', None, "noon"),
    ("[fact | some fact in input][0]", None, "noon"),
    ('[input[name] | some name in ["state"]][0].sequence', None, 7),
    ("input.absent", {"absent"}, None),
    ("1 # of no input", None, 1),
    ("my_input.now", set(), "another"),
]


def _folder(tmp_path: Path, rules: str) -> Path:
    (tmp_path / ".manifest").write_text('{"roots": ["homeroom/local", "local"], "rego_version": 1}')
    (tmp_path / "data.json").write_text('{"local": {}}')
    (tmp_path / "trial.rego").write_text(f"package homeroom.local.trial\n\n{rules}\n")
    return tmp_path


@pytest.mark.parametrize(("term", "names", "value"), READING)
async def test_rule_finds_every_fact_that_it_reads(
    tmp_path: Path, term: str, names: set[str] | None, value: Any
) -> None:
    """However it is written: by name, by a name that is worked out, or all of them."""
    rules = f'my_input := {{"now": "another"}}\n\ndefault read := null\n\nread := {term}\n'
    folder = _folder(tmp_path, f'{rules}\ndocument := {{"read": read}}')
    engine = await open_engine("embedded", folder, decision_seconds=AMPLE_SECONDS)
    assert await engine.decide("homeroom/local/trial/document", FACTS) == {"read": value}
    await engine.close()
    assert PolicyFolder.read(folder).facts_read == names


@pytest.mark.parametrize(
    "rules",
    [
        "import input.query as asked\n\ndocument := asked",
        "import input as facts\n\ndocument := facts.query",
        "asked(facts) := facts.query\n\ndocument := asked(input)",
        'document := found if walk(input, [["query"], found])',
    ],
)
async def test_rule_finds_what_it_reads_by_another_name(tmp_path: Path, rules: str) -> None:
    engine = await open_engine("embedded", _folder(tmp_path, rules), decision_seconds=AMPLE_SECONDS)
    assert await engine.decide("homeroom/local/trial/document", FACTS) == FACTS["query"]
    await engine.close()


def test_template_of_local_rules_reads_a_part_of_the_facts() -> None:
    """And so decides sooner: the evaluator takes as long to read all as to decide by them."""
    read = PolicyFolder.read(POLICY / "local").facts_read
    assert read == frozenset({"approvals", "now", "query", "schema"})
