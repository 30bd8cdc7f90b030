"""A service as a process: its exit code and one sentence say how it ended."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from homeroom.identity import Identity, Role
from services.runtime.process import EXIT_FAILED, EXIT_SETTINGS
from tests.certificates import Authority

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the example service, with settings that are right in all that is not changed."""
    files = Authority.new().write(Identity("test.example", "anytown", Role.NODE), tmp_path)
    right = {"federation": "test.example", "organization_id": "anytown", "address": "127.0.0.1:0"}
    right |= {name: str(file) for name, file in files.items()}

    def run_it(
        how: str = "stopped", of_systemd: Mapping[str, str] | None = None, **changed: str
    ) -> "subprocess.CompletedProcess[str]":
        variables = {f"HOMEROOM_EXAMPLE_{k.upper()}": v for k, v in (right | changed).items()}
        return subprocess.run(
            [sys.executable, "-m", "tests.unit.runtime.example_service", how],
            env={"PATH": os.environ["PATH"], **variables, **(of_systemd or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_it


def test_a_service_that_is_stopped_ends_with_0(run: Run) -> None:
    done = run()

    assert done.returncode == 0
    assert done.stdout.startswith("listening 127.0.0.1:")


def test_wrong_settings_end_it_with_2_and_all_their_problems(run: Run) -> None:
    done = run(unheard="1", unknown="2")

    assert done.returncode == EXIT_SETTINGS == 2
    assert "HOMEROOM_EXAMPLE_UNHEARD" in done.stderr
    assert "HOMEROOM_EXAMPLE_UNKNOWN" in done.stderr
    assert done.stdout == ""


def test_a_service_that_cannot_be_built_ends_with_1_and_says_why(run: Run) -> None:
    done = run("no policy")

    assert done.returncode == EXIT_FAILED == 1
    assert done.stderr.splitlines()[-1] == "there is no usable policy"


def test_a_service_without_its_certificate_ends_with_1_and_names_the_file(run: Run) -> None:
    done = run(certificate="/nowhere/certificate.pem")

    assert done.returncode == EXIT_FAILED
    assert done.stderr.splitlines()[-1].endswith("/nowhere/certificate.pem")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_service_whose_address_is_taken_ends_with_1(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(address=f"127.0.0.1:{taken.getsockname()[1]}")

    assert done.returncode == EXIT_FAILED
    assert done.stderr.splitlines()[-1] == "cannot listen there"
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_service_whose_background_work_fails_ends_with_1_so_that_it_is_started_again(
    run: Run,
) -> None:
    done = run("half working")

    assert done.returncode == EXIT_FAILED
    assert done.stderr.splitlines()[-1] == "background work failed"
    assert "LookupError" in done.stderr
    assert "Zebulonia" not in done.stderr


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
        there.bind(str(tmp_path / "notify"))
        there.setblocking(False)
        yield there


def heard(there: socket.socket) -> list[str]:
    """All that was said by now."""
    said = []
    with suppress(BlockingIOError):
        while True:
            said.append(there.recv(4096).decode())
    return said


def told(tmp_path: Path, **more: str) -> Mapping[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "50000", **more}


def test_systemd_is_told_of_the_start_of_each_moment_that_the_loop_turns_and_of_the_end(
    run: Run, systemd: socket.socket, tmp_path: Path
) -> None:
    """A unit with a watchdog starts a service again that says nothing any more."""
    done = run(of_systemd=told(tmp_path))
    said = heard(systemd)

    assert done.returncode == 0
    assert [one for one in said if one != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]
    assert said.count("WATCHDOG=1") > 2  # in 0.2 seconds, twice as often as it must


def test_a_service_whose_loop_hangs_says_nothing_to_systemd(
    run: Run, systemd: socket.socket, tmp_path: Path
) -> None:
    done = run("hanging", of_systemd=told(tmp_path))
    said = heard(systemd)

    assert done.returncode == 0
    assert "READY=1" in said
    assert said.count("WATCHDOG=1") < 20  # of the 40 and more that it would say in that second


def test_a_child_of_the_watched_process_does_not_speak_for_it(
    run: Run, systemd: socket.socket, tmp_path: Path
) -> None:
    run(of_systemd=told(tmp_path, WATCHDOG_PID="1"))

    assert "WATCHDOG=1" not in heard(systemd)


def test_nobody_is_told_where_systemd_did_not_start_it_and_nobody_there_is_no_matter(
    run: Run, tmp_path: Path
) -> None:
    assert run().returncode == 0
    assert run(of_systemd=told(tmp_path)).returncode == 0
