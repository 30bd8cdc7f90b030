"""Writes the conformance vectors from the hand-written cases: `python -m tools.policy_vectors`.

What the cases say is the promise. A case that the policies answer otherwise stops the writing; only
then are the whole documents recorded, so that every engine can be held to the same bytes.
"""

import asyncio
import copy
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from services.node.domain.decision import meet, parse_federation, parse_local
from services.runtime.policy import PolicyEngine, open_engine

POLICY = Path(__file__).resolve().parent.parent / "policy"
QUESTION = "homeroom/federation/question/document"
FEDERATION = "homeroom/federation/decision/document"
OF_THE_HOLDER = ("holder", "matters", "approvals", "state")
LOCAL = "homeroom/local/decision/document"
CONSENT_CHECK = "homeroom/federation/consent_check/document"
AMPLE_SECONDS = 5.0
"""How long a decision may take where what is decided matters and not how fast."""


@dataclass(frozen=True)
class Case:
    """One input, and what is promised of it.

    Attributes:
        codes: why it is refused; None when it is permitted.
    """

    name: str
    facts: dict[str, Any]
    codes: set[str] | None
    expected: dict[str, Any]


def changed(base: dict[str, Any], *cases: dict[str, Any]) -> dict[str, Any]:
    """A copy of an input with members written over and removed, each named by its dotted path."""
    facts = copy.deepcopy(base)
    for case in cases:
        for path, value in case.get("set", {}).items():
            *parents, name = path.split(".")
            _member(facts, parents)[name] = copy.deepcopy(value)
        for path in case.get("remove", []):
            *parents, name = path.split(".")
            del _member(facts, parents)[name]
    return facts


def question_of(facts: dict[str, Any]) -> dict[str, Any]:
    """The input as the gateway knows it: without a holder and its state."""
    known = {k: copy.deepcopy(v) for k, v in facts.items() if k not in OF_THE_HOLDER}
    known.get("agreement", {}).pop("schools", None)
    for employer in ("employee_of_holder", "employee_of_authority"):
        known.get("user", {}).pop(employer, None)
    return known


def read_groups() -> Iterator[tuple[str, dict[str, Any] | None, list[Case]]]:
    """Each group of cases: its name, the local settings it is decided with, and the cases."""
    cases = yaml.safe_load((POLICY / "conformance" / "cases.yaml").read_text())
    base, local = cases["base"], cases["local"]
    refused = {case["name"]: case for case in cases["refused"]}
    yield "permitted", None, [_permitted(base, case) for case in cases["permitted"]]
    yield "refused", None, [_refused(base, case) for case in refused.values()]
    pairs = itertools.combinations((refused[name] for name in cases["pairs"]), 2)
    yield "pairs", None, [_refused(base, *pair) for pair in pairs]
    yield "grounds", None, list(_of_grounds(base))
    narrowed = [_permitted(base, case) for case in local["permitted"]]
    yield "local", local["settings"], narrowed + [_refused(base, c) for c in local["refused"]]


def read_consent_cases() -> list[Case]:
    """The cases of the check of consents, each with what is wrong with it."""
    cases = yaml.safe_load((POLICY / "conformance" / "consents.yaml").read_text())
    return [
        Case(case["name"], changed(cases["base"], case), set(case.get("codes", ())), case)
        for case in cases["cases"]
    ]


async def consent_vectors(federation: PolicyEngine, wrong: list[str]) -> list[dict[str, Any]]:
    """What the policy finds of each case; what is not as promised is added to `wrong`."""
    vectors = []
    for case in read_consent_cases():
        found = await federation.decide(CONSENT_CHECK, case.facts)
        paper, scope = found["papers"]["0"], found["scopes"]["0"]
        codes = {*paper["codes"], *scope["codes"]}
        expected = case.expected.get("paper", {})
        if codes != case.codes or any(paper.get(key) != day for key, day in expected.items()):
            wrong.append(f"consents: {case.name}: found {paper} {scope}")
        vectors.append({"name": case.name, "input": case.facts, "found": found})
    return vectors


@asynccontextmanager
async def local_folder(settings: dict[str, Any] | None) -> AsyncIterator[Path]:
    """The local template's folder, or a copy of it with other settings."""
    if settings is None:
        yield POLICY / "local"
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "local"
        shutil.copytree(POLICY / "local", folder)
        (folder / "data.json").write_text(json.dumps({"local": settings}))
        yield folder


async def answer(
    federation: PolicyEngine, local: PolicyEngine, facts: dict[str, Any]
) -> dict[str, Any]:
    """What the policies answer: at the gateway, each of the two at the node, and their meet."""
    permitted = await federation.decide(FEDERATION, facts)
    left = await local.decide(LOCAL, facts)
    met = meet(parse_federation(permitted, facts["query"]["elements"]), parse_local(left))
    return {
        "question": await federation.decide(QUESTION, question_of(facts)),
        "federation": permitted,
        "local": left,
        "met": met.document(),
    }


async def write_vectors() -> list[str]:
    """Writes every group and returns what is not as the cases promise; then nothing is written."""
    wrong: list[str] = []
    files: dict[str, Any] = {}
    federation = await open_engine(
        "embedded", POLICY / "federation", decision_seconds=AMPLE_SECONDS
    )
    for group, settings, cases in read_groups():
        async with local_folder(settings) as folder:
            local = await open_engine("embedded", folder, decision_seconds=AMPLE_SECONDS)
            vectors = []
            for case in cases:
                answers = await answer(federation, local, case.facts)
                wrong += [f"{group}: {case.name}: {why}" for why in _broken(case, answers["met"])]
                vectors.append({"name": case.name, "input": case.facts, **answers})
            await local.close()
        files[group] = {"settings": settings} if settings else {}
        files[group]["vectors"] = vectors
    files["consents"] = {"vectors": await consent_vectors(federation, wrong)}
    await federation.close()
    for group, content in files.items() if not wrong else ():
        path = POLICY / "conformance" / "vectors" / f"{group}.json"
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    return wrong


def _member(facts: dict[str, Any], parents: list[str]) -> dict[str, Any]:
    for name in parents:
        facts = facts[name]
    return facts


def _of_grounds(base: dict[str, Any]) -> Iterator[Case]:
    """The cases of every ground but consent, each on what that ground needs."""
    written = yaml.safe_load((POLICY / "conformance" / "grounds.yaml").read_text())
    for ground, cases in written["grounds"].items():
        facts = changed(base, {"set": {"query.basis": ground}}, cases["facts"])
        matters = cases["facts"]["matter"].items()
        facts["matters"] = {kind: {**written["held"], **stated} for kind, stated in matters}
        for case in cases["permitted"]:
            yield _permitted(facts, {**case, "name": f"{ground}: {case['name']}"})
        for case in cases["refused"]:
            yield _refused(facts, {**case, "name": f"{ground}: {case['name']}"})


def _permitted(base: dict[str, Any], case: dict[str, Any]) -> Case:
    return Case(case["name"], changed(base, case), None, case)


def _refused(base: dict[str, Any], *cases: dict[str, Any]) -> Case:
    name = "; ".join(case["name"] for case in cases)
    codes = {code for case in cases for code in case["codes"]}
    return Case(name, changed(base, *cases), codes, {})


def _broken(case: Case, met: dict[str, Any]) -> Iterator[str]:
    """What of the case's promises the decision does not keep."""
    if case.codes is not None:
        if met["allow"] or set(met["reasons"]) != case.codes:
            yield f"expected {sorted(case.codes)}, got {met['reasons']}"
        return
    if not met["allow"]:
        yield f"expected an answer, got {met['reasons']}"
        return
    withheld = {entry["element"]: entry["reason"] for entry in met["withheld"]}
    if withheld != case.expected.get("withheld", {}):
        yield f"withheld {withheld}"
    conditions, schools = met["grant"]["elements"], met["grant"]["schools"]
    got = {"elements": sorted(conditions), "conditions": conditions, "schools": schools, **met}
    for part in ("elements", "conditions", "schools", "obligations", "row_obligations"):
        if got[part] != case.expected.get(part, got[part]):
            yield f"{part} {got[part]}"


def main() -> int:
    """Writes the vectors, or says what is not as promised."""
    wrong = asyncio.run(write_vectors())
    for line in wrong:
        sys.stderr.write(f"policy vectors: {line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
