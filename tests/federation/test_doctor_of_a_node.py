"""The doctor of a node that runs in a federation: by its own settings, as its operator asks."""

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy.local.layout import PROJECT
from homeroom.clock import utc_now
from services.node.commands.doctor import examine
from services.node.commands.doctor.finding import State
from tests.federation.records import CHILDREN, HARBOR, MILL_RIVER
from tests.federation.running import Federation

pytestmark = pytest.mark.federation


def examined(settings: Mapping[str, str], *options: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and what was found by what it is about."""
    command = [sys.executable, "-m", "homeroom", "doctor", "--json", *options]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMEROOM_")}
    ran = subprocess.run(
        command, cwd=PROJECT, env={**kept, **settings}, capture_output=True, check=False
    )
    assert not [child for child in CHILDREN if child.student_id.encode() in ran.stdout + ran.stderr]
    return ran.returncode, {one["what"]: one for one in json.loads(ran.stdout)}


def test_nothing_is_wrong_with_a_node_that_runs(federation: Federation, tmp_path: Path) -> None:
    """Also by a file of its settings: hub and partner are reached, and its time is right."""
    plan = federation.layout.processes[HARBOR]
    code, found = examined(plan.environment)
    assert [one for one in found.values() if one["state"] == "wrong"] == []
    assert code == 0
    assert found["port of the node"]["said"].startswith("the node listens")
    for what in ("clock", "standing", "registered signing key", f"node of {MILL_RIVER}"):
        assert found[what]["state"] == "fine", found[what]
    file = tmp_path / "node.env"
    file.write_text("".join(f'{name}="{value}"\n' for name, value in plan.environment.items()))
    assert examined({}, "--env-file", str(file))[0] == 0


def test_a_key_that_is_not_the_registered_one_is_found(federation: Federation) -> None:
    """Such a node starts, and everything it signs is refused."""
    theirs = federation.layout.organization(MILL_RIVER) / "signing_key.pem"
    plan = federation.layout.processes[HARBOR]
    changed = {**plan.environment, "HOMEROOM_NODE_SIGNING_KEY": str(theirs)}
    code, found = examined(changed)
    assert code == 1
    assert found["registered signing key"]["state"] == "wrong"
    assert found["registered sealing key"]["state"] == "fine"


def test_a_registry_of_another_key_is_not_believed(federation: Federation) -> None:
    """Neither its time nor whom it lists."""
    plan = federation.layout.processes[HARBOR]
    changed = {**plan.environment, "HOMEROOM_NODE_REGISTRY_KEY": "00" * 32}
    code, found = examined(changed)
    assert code == 1
    assert found["registry's word"]["state"] == "wrong"
    assert "not compared" in found["clock"]["said"]


@pytest.mark.parametrize(
    ("minutes", "state"), [(-5, State.WRONG), (0, State.FINE), (5, State.WRONG)]
)
async def test_a_clock_that_is_far_off_is_found_by_the_registrys_signed_time(
    federation: Federation, minutes: int, state: State
) -> None:
    """Every question would be refused; nothing else is wrong with such a node."""
    settings = federation.layout.processes[HARBOR].environment
    off = dt.timedelta(minutes=minutes)
    found = {one.what: one for one in await examine(settings, lambda: utc_now() + off)}
    assert found["clock"].state is state
    assert {what for what, one in found.items() if one.state is State.WRONG} <= {"clock"}
