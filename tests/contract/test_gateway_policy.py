"""A gateway takes the federation's policy as the nodes do: signed, and while it serves."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.audit import AuditKind
from homeroom.errors import EvidenceInvalidError
from homeroom.signing import SigningKey
from services.runtime.policy import PolicyEngine, Release, watching
from tests.contract.gateway_federation import (
    entries,
    frame,
    gateway_federation,
    until_noted,
)
from tests.contract.gateway_peers import FEDERATION
from tests.policy_bundles import TEMPLATE, bundle_of

KEY = SigningKey.generate()


def publish(folder: Path, sequence: int, key: SigningKey = KEY) -> Path:
    """The federation's policy as a bundle, of other rules for each sequence."""
    rules = folder / f"rules-{sequence}"
    shutil.copytree(TEMPLATE.parent / "federation", rules)
    with (rules / "clock.rego").open("a") as more:
        more.write(f"\nsequence := {sequence}\n")
    bundle = bundle_of(
        rules, key, scope="federation", federation=FEDERATION, sequence=sequence, replayed=None
    )
    bundle.write(folder / "policy.tar.gz")
    return folder / "policy.tar.gz"


async def answers(request: node_pb.AnswerRequest) -> AsyncIterator[answer_pb2.AnswerFrame]:
    """A node that answers with one frame."""
    yield frame(0, last=True)


async def test_questions_pass_by_a_signed_policy_and_by_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No second signature is asked: every holder decides again."""
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.05)
    taken: list[str] = []
    swap = watching.WatchedPolicy._swap

    async def noted(self: watching.WatchedPolicy, engine: PolicyEngine, release: Release) -> None:
        await swap(self, engine, release)
        taken.append(release.revision)

    monkeypatch.setattr(watching.WatchedPolicy, "_swap", noted)
    bundle = publish(tmp_path, 1)
    async with gateway_federation(
        tmp_path, {"north": answers}, registry_key=KEY, federation_policy=bundle
    ) as federation:
        outcomes = [(await federation.ask()).outcomes]
        publish(tmp_path, 2)
        async with asyncio.timeout(60):
            while len(taken) < 2:  # noqa: ASYNC110 - the gateway tells nobody which policy it has
                await asyncio.sleep(0.05)
        outcomes.append((await federation.ask()).outcomes)
        (tmp_path / "policy.tar.gz").write_bytes(b"no bundle")
        told = [await until_noted(federation, AuditKind.POLICY_REFUSED)]
        told += entries(federation, AuditKind.POLICY_TAKEN)

    assert [entry.said.get("sequence") for entry in told] == [None, 1, 2]
    assert outcomes == [{"north": ("ANSWERED", "")}] * 2
    assert len(set(taken)) == 2


async def test_a_policy_that_another_key_signed_starts_no_gateway(tmp_path: Path) -> None:
    bundle = publish(tmp_path, 1, SigningKey.generate())
    with pytest.raises(EvidenceInvalidError, match="owner"):
        async with gateway_federation(
            tmp_path, {"north": answers}, registry_key=KEY, federation_policy=bundle
        ):
            pass
