"""Says whether a podman is fit: from its fifth version on."""

import re
import shutil
import subprocess

LEAST = 5
REASONS = (
    "podman 4 publishes every port of a pod on every address of the machine, health and OPA "
    "included, and breaks off where a secret is mounted as files"
)
# A unit may come to a machine with another podman than the one that it was rendered beside.
GUARD = (
    '/bin/sh -c \'podman --version | grep -Eq " ([5-9]|[1-9][0-9]+)[.]" || '
    f'{{ echo "podman {LEAST} or newer is needed: {REASONS}" >&2; exit 1; }}\''
)

_VERSION = re.compile(r"podman version (\d+)\.")


def refusal(said: str) -> str:
    """Why a podman that says this of its version is not fit; empty if it is."""
    found = _VERSION.search(said)
    if found is None:
        return f"this is no version of podman: {said.strip()[:80]}"
    if int(found[1]) < LEAST:
        return f"{said.strip()} is too old, {LEAST} or newer is needed: {REASONS}"
    return ""


def at_hand() -> str | None:
    """What the podman of this machine says of its version; None if there is none."""
    podman = shutil.which("podman")
    if podman is None:
        return None
    done = subprocess.run(
        [podman, "--version"], check=False, capture_output=True, text=True, timeout=60
    )
    return done.stdout or done.stderr
