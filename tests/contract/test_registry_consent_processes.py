"""The registry and the consent service as processes: how they start, and how they refuse to."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.runtime.settings import Settings
from tests.serving import Premises

pytestmark = pytest.mark.federation


def environment(service: str, settings: Settings) -> dict[str, str]:
    """The variables that say these settings."""
    return {
        f"HOMEROOM_{service.upper()}_{name.upper()}": str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
    }


def started(service: str, variables: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", f"services.{service}"],
        env={"PATH": os.environ["PATH"], **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("service", ["registry", "consent"])
def test_a_service_says_where_it_listens_and_stops_when_told(service: str, tmp_path: Path) -> None:
    at = Premises(tmp_path)
    settings = at.registry_settings() if service == "registry" else at.consent_settings(1)
    process = started(service, environment(service, settings))
    assert process.stdout is not None
    line = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)

    assert line.startswith("listening 127.0.0.1:")
    assert int(line.rpartition(":")[2]) > 0
    assert rest == ""
    assert process.returncode == 0


@pytest.mark.parametrize("service", ["registry", "consent"])
def test_a_service_tells_every_wrong_setting_and_does_not_start(service: str) -> None:
    prefix = f"HOMEROOM_{service.upper()}_"
    process = started(service, {f"{prefix}HEARTBEAT_SECONDS": "0", f"{prefix}UNHEARD": "1"})
    said, problems = process.communicate(timeout=60)

    assert process.returncode == 2
    assert said == ""
    for name in ("HEARTBEAT_SECONDS", "UNHEARD", "SIGNING_KEY", "FEDERATION", "AUTHORITIES"):
        assert prefix + name in problems


@pytest.mark.parametrize("service", ["registry", "consent"])
def test_a_service_does_not_start_without_its_database(service: str, tmp_path: Path) -> None:
    at = Premises(tmp_path)
    settings = at.registry_settings() if service == "registry" else at.consent_settings(1)
    away = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/nowhere/x.db"})
    process = started(service, environment(service, away))
    said, problems = process.communicate(timeout=60)

    assert process.returncode == 1
    assert said == ""
    assert "database" in problems
    assert "Traceback" not in problems
