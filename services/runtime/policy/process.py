"""Starts an OPA server of our own, and finds the binary to start."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from homeroom.errors import PolicyUnavailableError
from services.runtime.policy.embedded import OPA_VERSION, ROOM_FOR_GARBAGE


def find_opa(environment: Mapping[str, str]) -> Path | None:
    """The `opa` binary on the PATH, or the one in the cache folder of Homeroom."""
    on_path = shutil.which("opa", path=environment.get("PATH", ""))
    if on_path:
        return Path(on_path)
    cache = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '')}/.cache"
    cached = Path(cache) / "homeroom" / f"opa-v{OPA_VERSION}" / "opa"
    return cached if cached.is_file() else None


def start_opa_server(
    policy_folder: Path, socket_path: Path, binary: Path, output: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Starts a server with this folder alone; the caller ends it.

    The folder is loaded as a bundle, so that OPA refuses a module outside its manifest's roots.
    Whoever may open the socket may change the rules: only this user may.

    Args:
        policy_folder: the rules.
        socket_path: where it listens.
        binary: the `opa` to start.
        output: where what it says goes; by default where this process's own words go.

    Raises:
        PolicyUnavailableError: if the binary cannot be started.
    """
    command = [
        str(binary),
        "run",
        "--server",
        f"--addr=unix://{socket_path}",
        "--unix-socket-perm=600",
        "--log-level=error",
        "--skip-version-check",
        "--ignore=*_test.rego",
        "--bundle",
        str(policy_folder),
    ]
    try:
        return subprocess.Popen(
            command,
            env=ROOM_FOR_GARBAGE,  # and nothing of ours
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    except OSError as missing:
        raise PolicyUnavailableError("the OPA binary cannot be started") from missing
