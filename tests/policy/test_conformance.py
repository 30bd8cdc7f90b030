"""Every engine answers the conformance vectors with the same bytes."""

import asyncio
import json
import os
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from services.runtime.policy import find_opa, open_engine, start_opa_server
from tests.policy.conformance import (
    FEDERATION,
    GROUPS,
    LOCAL,
    POLICY,
    QUESTION,
    Engines,
    canonical,
    decide,
    read_group,
)
from tools.policy_vectors import AMPLE_SECONDS, answer, local_folder, question_of, read_groups

OPA = find_opa(os.environ)


def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((POLICY / "schema" / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


async def _differences(engines: Engines, vectors: list[dict[str, Any]]) -> list[str]:
    return [
        f"{vector['name']}: {part}"
        for vector in vectors
        for part, document in (await answer(*engines, vector["input"])).items()
        if canonical(document) != canonical(vector[part])
    ]


@pytest.mark.parametrize("group", GROUPS)
async def test_embedded_evaluator_answers_the_vectors(group: str, engines: Engines) -> None:
    """The evaluator in this process gives every document of every vector, byte for byte."""
    assert await _differences(engines, read_group(group)["vectors"]) == []


async def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    await asyncio.to_thread(process.wait, 15)


@pytest.mark.federation
@pytest.mark.skipif(OPA is None, reason="there is no opa binary on this machine")
@pytest.mark.parametrize("group", GROUPS)
async def test_server_answers_the_vectors(group: str, tmp_path: Path) -> None:
    """Two real OPA servers, one for each policy, give the same bytes over their sockets."""
    assert OPA is not None
    content = read_group(group)
    async with AsyncExitStack() as stack:
        local_rules = await stack.enter_async_context(local_folder(content["settings"]))
        opened = []
        for name, folder in (("federation", POLICY / "federation"), ("local", local_rules)):
            socket = tmp_path / f"{name}.sock"
            stack.push_async_callback(_stop, start_opa_server(folder, socket, OPA))
            engine = await open_engine("server", folder, f"unix:{socket}", AMPLE_SECONDS)
            stack.push_async_callback(engine.close)
            opened.append(engine)
        assert await _differences(Engines(*opened), content["vectors"]) == []


def test_vectors_are_those_of_the_cases() -> None:
    """No case was changed without writing its vector again."""
    for group, settings, cases in read_groups():
        content = read_group(group)
        assert content["settings"] == settings
        written = {vector["name"]: vector["input"] for vector in content["vectors"]}
        assert written == {case.name: case.facts for case in cases}


@pytest.mark.parametrize("group", GROUPS)
def test_vectors_fit_the_schemas(group: str) -> None:
    """Inputs of node and gateway, and both policies' documents, are as their schemas say."""
    inputs, federation, local = (_validator(n) for n in ("input", "federation", "local"))
    for vector in read_group(group)["vectors"]:
        inputs.validate(vector["input"])
        inputs.validate(question_of(vector["input"]))
        federation.validate(vector["federation"])
        federation.validate(vector["met"])
        local.validate(vector["local"])


def test_schema_refuses_null_and_unknown_members() -> None:
    """A fact that is missing is an absent key, and no other key is known."""
    facts = read_group("permitted")["vectors"][0]["input"]
    assert not _validator("input").is_valid({**facts, "user": None})
    assert not _validator("input").is_valid({**facts, "student": {}})
    denial = {"allow": False, "reasons": ["org_suspended"], "withheld": []}
    assert _validator("federation").is_valid(denial)
    assert not _validator("federation").is_valid({**denial, "grant": {}})


@pytest.mark.parametrize("group", GROUPS)
async def test_gateway_never_refuses_what_a_node_permits(group: str, engines: Engines) -> None:
    """The question's reasons are among the decision's, so an early check loses no answer."""
    for vector in read_group(group)["vectors"]:
        question = await engines.federation.decide(QUESTION, question_of(vector["input"]))
        if not question["allow"]:
            assert set(question["reasons"]) <= set(vector["federation"]["reasons"])
        if vector["federation"]["allow"]:
            assert question == {"allow": True, "reasons": vector["federation"]["reasons"]}


@pytest.mark.parametrize("group", ["permitted"])
async def test_neither_policy_knows_the_other(group: str, engines: Engines) -> None:
    """The federation's rules have no local entrypoint, and the reverse."""
    facts = read_group(group)["vectors"][0]["input"]
    federation, local = engines
    assert await decide(Engines(federation, federation), facts) is None
    assert await decide(Engines(local, local), facts) is None
    assert (await federation.decide(FEDERATION, facts))["allow"] is True
    assert (await local.decide(LOCAL, facts))["allow"] is True
