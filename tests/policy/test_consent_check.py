"""The check of consents: the same on every engine, by the law of the day, and closed by default."""

import copy
import datetime as dt
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homeroom.vocabulary import SignerRelation
from services.node.domain.consents import eighteenth_birthday
from services.runtime.policy import PolicyEngine, find_opa, open_engine, start_opa_server
from tests.policy.conformance import POLICY, canonical, paths, without
from tools.policy_vectors import AMPLE_SECONDS, CONSENT_CHECK, read_consent_cases

OPA = find_opa(os.environ)
Facts = dict[str, Any]
VECTORS = json.loads((POLICY / "conformance" / "vectors" / "consents.json").read_text())["vectors"]
PARENTS = ("parent", "guardian", "acting_as_parent")


@pytest.fixture
async def engine() -> AsyncIterator[PolicyEngine]:
    opened = await open_engine("embedded", POLICY / "federation", decision_seconds=AMPLE_SECONDS)
    yield opened
    await opened.close()


async def _differences(engine: PolicyEngine) -> list[str]:
    return [
        vector["name"]
        for vector in VECTORS
        if canonical(await engine.decide(CONSENT_CHECK, vector["input"]))
        != canonical(vector["found"])
    ]


async def test_embedded_evaluator_answers_the_vectors(engine: PolicyEngine) -> None:
    """The evaluator in this process gives every document, byte for byte."""
    assert await _differences(engine) == []


@pytest.mark.federation
@pytest.mark.skipif(OPA is None, reason="there is no opa binary on this machine")
async def test_server_answers_the_vectors(tmp_path: Path) -> None:
    """A real OPA server gives the same bytes."""
    assert OPA is not None
    process: subprocess.Popen[bytes] = start_opa_server(
        POLICY / "federation", tmp_path / "opa.sock", OPA
    )
    try:
        opened = await open_engine(
            "server", POLICY / "federation", f"unix:{tmp_path}/opa.sock", AMPLE_SECONDS
        )
        assert await _differences(opened) == []
        await opened.close()
    finally:
        process.terminate()
        process.wait(15)


def test_vectors_are_those_of_the_cases() -> None:
    """No case was changed without writing its vector again."""
    written = {vector["name"]: vector["input"] for vector in VECTORS}
    assert written == {case.name: case.facts for case in read_consent_cases()}


def test_vectors_fit_the_schema() -> None:
    """An input has no null and no student."""
    schema = json.loads((POLICY / "schema" / "consents.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    # Some cases are about facts that are wrong or gone: the schema refuses those, as the rules do.
    fitting = [v["name"] for v in VECTORS if validator.is_valid(v["input"])]
    assert len(fitting) > len(VECTORS) / 2
    assert not validator.is_valid({**VECTORS[0]["input"], "students": {}})


def _at_most(new: Facts, old: Facts) -> bool:
    """Whether a finding accepts nothing that the other does not."""
    return (
        all(_paper_at_most(found, old["papers"][name]) for name, found in new["papers"].items())
        and all(
            set(found["codes"]) >= set(old["scopes"][name]["codes"])
            for name, found in new["scopes"].items()
        )
        and new["shareable"] == old["shareable"]
        and new["all_education_records"] == old["all_education_records"]
    )


def _paper_at_most(new: Facts, old: Facts) -> bool:
    if new["codes"]:
        return set(new["codes"]) >= set(old["codes"])
    return (
        not old["codes"]
        and new["from"] >= old["from"]
        and new["to"] <= old["to"]
        and new["born_after"] >= old["born_after"]
        and new["born_by"] <= old["born_by"]
    )


async def test_any_missing_fact_only_tightens(engine: PolicyEngine) -> None:
    """Without any one member of its input, a check accepts at most the same; null is not a fact."""
    widened = []
    for vector in VECTORS:
        facts, whole = vector["input"], vector["found"]
        for path in paths(facts):
            nulled = copy.deepcopy(facts)
            place: Any = nulled
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = None
            for changed in (without(facts, path), nulled):
                if changed.get("schema") != 1 or not isinstance(changed.get("papers"), dict):
                    continue
                found = await engine.decide(CONSENT_CHECK, changed)
                if not _at_most(found, whole):
                    widened.append((vector["name"], path))
    assert widened == []


# The same law, written once more.


def _may_sign(paper: Facts, born: dt.date) -> bool:
    """Whether a signature counts for a student, in the words of 34 CFR 99.3 to 99.5."""
    signed, start = (dt.date.fromisoformat(paper[f]) for f in ("signed_on", "valid_from"))
    of_age = eighteenth_birthday(born)
    college = dt.date.fromisoformat(paper["postsecondary_from"]) if paper["postsecondary"] else None
    rights_move = min(of_age, college) if college else of_age
    if paper["signer_rights"] != "full" or born > signed:
        return False
    if paper["signer_relation"] in PARENTS:
        return max(signed, start) < rights_move
    return paper["signer_relation"] == "eligible_student" and rights_move <= signed


_days = st.dates(dt.date(2024, 2, 20), dt.date(2028, 3, 10))


@st.composite
def _papers(draw: st.DrawFn) -> Facts:
    paper = {
        "form": draw(st.sampled_from(("written", "electronic"))),
        "authenticated": True,
        "signed_on": draw(_days).isoformat(),
        "valid_from": draw(_days).isoformat(),
        "valid_to": "2030-01-01",
        "signer_relation": str(draw(st.sampled_from(SignerRelation))),
        "signer_rights": draw(st.sampled_from(("full", "full", "full", "unclear"))),
        "postsecondary": draw(st.booleans()),
    }
    if paper["postsecondary"]:
        paper["postsecondary_from"] = draw(_days).isoformat()
    return paper


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(_papers(), min_size=1, max_size=6), st.data())
async def test_who_may_sign_is_as_the_law_says(
    engine: PolicyEngine, papers: list[Facts], data: st.DataObject
) -> None:
    """Parents until 18 or college, then the student; on leap days too."""
    facts = {**VECTORS[0]["input"], "papers": {str(n): paper for n, paper in enumerate(papers)}}
    found = (await engine.decide(CONSENT_CHECK, facts))["papers"]
    for number, paper in enumerate(papers):
        signed = dt.date.fromisoformat(paper["signed_on"])
        births = [
            data.draw(st.dates(dt.date(2004, 1, 1), dt.date(2028, 6, 1))),
            _years_before(signed, data.draw(st.integers(-2, 2))),
        ]
        for born in births:
            entitled = not found[str(number)]["codes"] and (
                found[str(number)]["born_after"] < born.isoformat() <= found[str(number)]["born_by"]
            )
            assert entitled == _may_sign(paper, born), (paper, born)


def _years_before(day: dt.date, days: int) -> dt.date:
    """About 18 years before a day, where it matters."""
    return day.replace(year=day.year - 18, day=min(day.day, 28)) + dt.timedelta(days=days)
