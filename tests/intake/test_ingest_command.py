"""`python -m services.node ingest` from a service: what it takes from where, and what it tells."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from homeroom.errors import RequestInvalidError
from services.node.__main__ import app as command
from services.node.__main__ import main
from tests.intake import web_server
from tests.intake.ods_server import OdsServer
from tests.intake.pulled_records import PulledRecords
from tests.intake.web_server import KEY, SECRET

OBJECTS: dict[str, dict[str, Any]] = {
    "schools": {"schoolId": 1, "nameOfInstitution": "Grand Bend High"},
    "students": {"studentUniqueId": "001", "firstName": "Zoë", "lastSurname": "Muñoz"},
}


@pytest.fixture
def server() -> Iterator[OdsServer]:
    started = OdsServer()
    yield started
    started.close()


def test_the_command_takes_the_secret_from_settings_alone(
    server: OdsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And what went wrong it tells with its place, never with the secret."""
    for name in ("schools", "students"):
        server.put(name, OBJECTS[name])
    records = PulledRecords(tmp_path, "edfi_api", server.url)
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    words = ["ingest", "edfi-api", server.url, "--records-url", records.url, "--json"]
    told = {"HOMEROOM_INTAKE_CLIENT_ID": KEY}
    unset = CliRunner().invoke(command, words, env=told)
    from_file = {"HOMEROOM_INTAKE_CLIENT_SECRET_FILE": str(tmp_path / "secret")}
    done = CliRunner().invoke(command, words, env=told | from_file)

    server.put("students", OBJECTS["students"] | {"studentUniqueId": "002"})
    server.spoil("/students", web_server.status(400), times=2)
    monkeypatch.setattr(sys, "argv", ["node", *words])
    for name, text in (told | from_file).items():
        monkeypatch.setenv(name, text)
    refused, said = main(), capsys.readouterr().err

    assert refused == 1
    assert "resource: students" in said
    assert SECRET not in said
    assert isinstance(unset.exception, RequestInvalidError)
    assert "CLIENT_SECRET" in unset.exception.message
    assert done.exit_code == 0
    assert SECRET not in done.output
    assert records.count("SELECT count(*) FROM student") == 1
