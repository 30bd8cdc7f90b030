"""Renders nodes for one machine, each kind of them, and checks it: `python -m tools.vm_check`.

Two organizations of every combination of components that one machine can have are rendered side
by side, held against the rules of `deploy/vm`, and given to quadlet, podman's own, where it is.
Units for systemd itself, ours and the timers that were made, are read by systemd where it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from deploy.vm.pods import NotForOneMachineError
from deploy.vm.render import rendered
from deploy.vm.rules import broken, shared
from deploy.vm.units import TIMER
from tools.manifests.rendering import (
    NODE,
    PROJECT,
    Manifest,
    Side,
    find_kustomize,
    render,
    renderings_of,
)

EXAMPLE = PROJECT / "deploy" / "vm" / "example"
UNITS = PROJECT / "deploy" / "vm" / "systemd"
INSTALLED = "/opt/homeroom/.venv/bin/python"
MACHINE = replace(
    NODE,
    choices={
        **NODE.choices,
        "certificates": ("mtls-files",),
        "database": ("", "postgres-external"),
    },
    additions={"": ("monitoring/node", "backup"), "postgres-external": ("intake",)},
)
"""What one machine can have; anything else, the renderer refuses."""

_QUADLET = Path("/usr/libexec/podman/quadlet")
_SYSTEMD = "systemd-analyze"
# One's name goes on where the other's ends.
_NEIGHBOURS = ("anytown", "anytown_node")
_LISTEN = "192.0.2.17:50051"


def main() -> int:
    """Says what was checked, what was not, and what is wrong; 1 if anything is."""
    began = time.monotonic()
    kustomize = find_kustomize(os.environ)
    if kustomize is None:
        sys.stdout.write("vm: NOT CHECKED: neither kustomize nor kubectl is at hand\n")
        return 0
    every = dict(_renderings(kustomize[0]))
    wrong = [fault for name, objects in every.items() for fault in faults_of(name, objects)]
    wrong += refused_by_systemd(_units_of(every["example"]))
    for line in wrong:
        sys.stderr.write(f"vm: {line}\n")
    if _quadlet() is None:
        sys.stdout.write(f"vm: NOT CHECKED by quadlet: there is no {_QUADLET}\n")
    if shutil.which(_SYSTEMD) is None:
        sys.stdout.write(f"vm: NOT CHECKED by systemd: there is no {_SYSTEMD}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"vm: {len(every)} renderings: {len(wrong)} faults, {seconds:.0f} s\n")
    return 1 if wrong else 0


def _renderings(command: list[str]) -> Iterator[tuple[str, list[Manifest]]]:
    yield "example", render(command, EXAMPLE)
    side: Side = MACHINE
    yield from renderings_of(command, side)


def faults_of(name: str, objects: list[Manifest]) -> Iterator[str]:
    """A sentence for each thing that is wrong with two organizations' nodes on one machine."""
    several: dict[str, Mapping[str, str]] = {}
    for organization in _NEIGHBOURS:
        try:
            whose, files = rendered(_of(organization, objects), _LISTEN)
        except NotForOneMachineError as refused:
            yield f"{name}: {refused}"
            return
        several[whose] = files
        yield from (f"{name}: {fault}" for fault in broken(whose, files))
    yield from (f"{name}: {fault}" for fault in shared(several))
    yield from (f"{name}: {fault}" for fault in refused_by_quadlet(several))


def _of(organization: str, objects: list[Manifest]) -> list[Manifest]:
    """The same objects as another organization has them."""
    changed = []
    for one in objects:
        if one["kind"] == "ConfigMap" and "HOMEROOM_NODE_ORGANIZATION_ID" in one["data"]:
            data = {**one["data"], "HOMEROOM_NODE_ORGANIZATION_ID": organization}
            changed.append({**one, "data": data})
        else:
            changed.append(one)
    return changed


def refused_by_quadlet(several: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What quadlet says of units that it makes none of; nothing where there is no quadlet."""
    quadlet = _quadlet()
    if quadlet is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        for files in several.values():
            for name, text in files.items():
                (Path(folder) / name).write_text(text, "utf-8")
        done = subprocess.run(
            [quadlet, "-dryrun", "-user"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "QUADLET_UNIT_DIRS": folder},
        )
    if done.returncode:
        yield f"quadlet: {done.stderr.strip()[-500:]}"
    for organization in several:
        if f"---{organization}-node.service---" not in done.stdout:
            yield f"quadlet: it makes no unit of {organization}-node.kube"


def _units_of(example: list[Manifest]) -> dict[str, str]:
    """What systemd reads itself: our units, and the timers of a rendered node with a backup."""
    units = {one.name: one.read_text("utf-8") for one in sorted(UNITS.iterdir())}
    _, files = rendered([*example, *_jobs()])
    for name, text in files.items():
        if name.endswith(TIMER):
            service = name.removesuffix(TIMER) + ".service"  # quadlet makes it of the .kube
            units |= {name: text, service: f"[Service]\nType=oneshot\nExecStart={sys.executable}\n"}
    return units


def _jobs() -> list[Manifest]:
    file = PROJECT / "deploy" / "k8s" / "components" / "backup" / "cronjob.yaml"
    return [yaml.safe_load(file.read_text("utf-8"))]


def refused_by_systemd(units: Mapping[str, str]) -> list[str]:
    """A line for each thing that systemd does not take; none where there is no systemd."""
    if shutil.which(_SYSTEMD) is None:
        return []
    with tempfile.TemporaryDirectory() as folder:
        for name, text in units.items():
            # Where it is installed is not known here.
            (Path(folder) / name).write_text(text.replace(INSTALLED, sys.executable), "utf-8")
        done = subprocess.run(
            [_SYSTEMD, "verify", "--man=no", *(str(Path(folder) / name) for name in units)],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    said = [f"systemd: {line.strip()}" for line in done.stderr.splitlines() if line.strip()]
    return said or ([f"systemd: it ended with {done.returncode}"] if done.returncode else [])


def _quadlet() -> str | None:
    return shutil.which(os.environ.get("QUADLET", str(_QUADLET)))


if __name__ == "__main__":
    sys.exit(main())
