"""Renders one organization's node for podman on one machine: `python -m deploy.vm.render`.

What it reads is what `kustomize build` or `kubectl kustomize` made of the organization's overlay;
what it writes is put where podman's quadlet looks for it. Nothing secret is in it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from deploy.vm import podman
from deploy.vm.pods import Manifest, NotForOneMachineError, pods_of
from deploy.vm.rules import broken
from deploy.vm.units import TIMER, files_of


def rendered(objects: Sequence[Manifest], listen: str = "") -> tuple[str, dict[str, str]]:
    """Whose node it is, and each file's name and text.

    Args:
        objects: what kustomize rendered.
        listen: `address:port` of the machine where the gateway reaches the node; unset: nowhere.

    Raises:
        NotForOneMachineError: if it cannot be run so, with what to do.
    """
    pod, jobs = pods_of(objects)
    files = files_of(pod, jobs, listen)
    if faults := list(broken(pod.organization, files)):
        raise NotForOneMachineError("; ".join(faults))
    return pod.organization, files


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the files and says what to bring; 1 if it refuses."""
    asked = _parser().parse_args(arguments)
    said = podman.at_hand()
    if said is None:
        _tell("NOT CHECKED: no podman is here; the machine that runs it needs 5 or newer")
    elif refused := podman.refusal(said):
        _tell(refused)
        return 1
    text = sys.stdin.read() if asked.objects == "-" else Path(asked.objects).read_text("utf-8")
    try:
        organization, files = rendered(
            [one for one in yaml.safe_load_all(text) if one], asked.listen
        )
    except NotForOneMachineError as refused_for:
        _tell(str(refused_for))
        return 1
    folder = Path(asked.to)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, "utf-8")
        _tell(f"wrote {folder / name}")
    if not asked.listen:
        _tell("nobody reaches the node, unless it dials out: --listen address:port says where")
    for timer in (name for name in files if name.endswith(TIMER)):
        _tell(f"have it done every day: systemctl --user enable --now {folder.resolve() / timer}")
    _tell(f"bring keys, certificate and policies: python -m deploy.vm.bring {organization}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.vm.render")
    parser.add_argument("objects", help="what kustomize rendered; - reads it from standard input")
    parser.add_argument("--to", required=True, help="the folder that quadlet reads")
    parser.add_argument(
        "--listen", default="", help="address:port of this machine where the gateway comes in"
    )
    return parser


def _tell(line: str) -> None:
    sys.stderr.write(f"vm: {line}\n")


if __name__ == "__main__":
    sys.exit(main())
