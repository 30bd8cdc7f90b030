"""A node that was restored from a backup: its log goes on, or it says why it does not."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from homeroom import Client, Outcome
from homeroom.api.node.v1.node_service_pb2 import GetNodeStatusResponse
from services.node.__main__ import app
from tests.federation.records import HARBOR
from tests.federation.running import Federation, eventually

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


def run(federation: Federation, *verb: str) -> str:
    """A verb of the node's administrator, with the node's settings; what it says.

    In this process: to begin another costs more than any of the verbs.
    """
    environment = federation.layout.processes[HARBOR].environment
    done = CliRunner().invoke(app, verb, env=dict(environment))
    assert done.exit_code == 0, done.output
    return done.stderr


def status(federation: Federation) -> GetNodeStatusResponse:
    with Client(federation.layout.profile(HARBOR)) as client:
        return client.node_status()


def entries(federation: Federation) -> int:
    """How many entries the node's log has, whatever they tell."""
    with closing(sqlite3.connect(federation.state_of(HARBOR))) as state:
        return int(state.execute("SELECT count(*) FROM log_entry").fetchone()[0])


def put_back(federation: Federation, copy: Path, *, and_start: bool = True) -> None:
    """Puts the databases of a backup in the place of the node's own."""
    federation.processes.stop(HARBOR)
    for file in federation.layout.organization(HARBOR).glob("*.db*"):
        file.unlink()
    run(federation, "restore", str(copy))
    if and_start:
        federation.restart(HARBOR, checkpoint_seconds="0.2")


def test_an_older_copy_answers_nothing_until_its_organization_says_so(
    federation: Federation, tmp_path: Path
) -> None:
    """What was witnessed and is lost stays told; a copy that lacks nothing simply goes on."""
    federation.restart(HARBOR, checkpoint_seconds="0.2")
    assert federation.attendance().complete
    run(federation, "backup", str(tmp_path / "older"))
    kept = federation.log_size(HARBOR)
    assert federation.attendance().complete
    size = entries(federation)
    eventually(lambda: status(federation).witnessed_size, lambda witnessed: witnessed >= size)
    run(federation, "backup", str(tmp_path / "newer"))

    put_back(federation, tmp_path / "older")
    answer, told = federation.attendance(), status(federation)

    assert answer.sources[HARBOR].outcome is not Outcome.ANSWERED
    assert federation.log_size(HARBOR) == kept
    assert told.log_contradiction == "shortened"
    assert told.witnessed_size >= size

    put_back(federation, tmp_path / "newer")
    assert federation.attendance().complete

    put_back(federation, tmp_path / "older", and_start=False)
    said = run(federation, "accept-log", "--reason", "The disk died; restored from the night.")
    assert f"{entries(federation):,} entries" in said
    federation.restart(HARBOR)

    assert federation.attendance().complete
    assert status(federation).log_contradiction == ""
    assert federation.log_is_whole(HARBOR)
