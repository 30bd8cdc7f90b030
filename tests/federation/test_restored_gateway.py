"""A gateway whose log was restored from an older copy: nothing passes until that is accepted."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.layout import HUB
from homeroom.cli.app import app
from homeroom.errors import LogUnavailableError
from tests.federation.records import HARBOR
from tests.federation.running import Federation, eventually

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]


def run(federation: Federation, *verb: str) -> str:
    """A verb of the gateway's administrator, where the gateway runs; what it says."""
    environment = federation.layout.processes["gateway"].environment
    done = subprocess.run(
        [sys.executable, "-m", "services.gateway", *verb],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def at_hub(federation: Federation, name: str) -> Path:
    return federation.layout.organization(HUB) / name


def entries(federation: Federation) -> int:
    """How many entries the gateway's log has."""
    with closing(sqlite3.connect(at_hub(federation, "gateway.db"))) as log:
        return int(log.execute("SELECT count(*) FROM log_entry").fetchone()[0])


def witnessed(federation: Federation) -> int:
    """How many the registry has witnessed."""
    with closing(sqlite3.connect(at_hub(federation, "registry.db"))) as registry:
        of = "FROM witnessed_checkpoint WHERE organization_id = 'gateway-log'"
        return int(registry.execute(f"SELECT coalesce(max(size), 0) {of}").fetchone()[0])


def copied(federation: Federation, folder: Path) -> Path:
    """A copy of the stopped gateway's database."""
    folder.mkdir()
    for file in at_hub(federation, ".").glob("gateway.db*"):
        shutil.copy(file, folder)
    return folder


def put_back(federation: Federation, copy: Path) -> None:
    for file in at_hub(federation, ".").glob("gateway.db*"):
        file.unlink()
    for file in copy.iterdir():
        shutil.copy(file, at_hub(federation, file.name))


def shown(federation: Federation) -> dict[str, list[dict[str, object]]]:
    """What anyone is shown of the gateway's log."""
    profile = {"HOMEROOM_PROFILE": str(federation.layout.profile(HARBOR))}
    told = CliRunner().invoke(app, ["audit", "checkpoints", "gateway-log", "--json"], env=profile)
    assert told.exit_code == 0, told.output
    found: dict[str, list[dict[str, object]]] = json.loads(told.stdout)
    return found


def test_an_older_copy_passes_nothing_on_until_the_registrys_owner_says_so(
    federation: Federation, tmp_path: Path
) -> None:
    """What was witnessed and is lost stays told, to everyone."""
    federation.processes.stop("gateway")
    older = copied(federation, tmp_path / "older")
    federation.restart("gateway", checkpoint_seconds="0.2")
    assert federation.attendance().complete
    size = entries(federation)
    eventually(lambda: witnessed(federation), lambda seen: seen >= size)
    federation.processes.stop("gateway")
    put_back(federation, older)
    federation.restart("gateway")
    with pytest.raises(LogUnavailableError):
        federation.attendance()

    federation.processes.stop("gateway")
    key = str(at_hub(federation, "signing_key.pem"))
    run(federation, "accept-log", "--reason", "The disk died.", "--registry-signing-key", key)
    federation.restart("gateway")

    assert federation.attendance().complete
    assert "the log is whole" in run(federation, "verify-log")
    assert "The disk died." in {one["began_anew"] for one in shown(federation)["checkpoints"]}
