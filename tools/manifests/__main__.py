"""Renders every overlay and combination of components and checks it: `python -m tools.manifests`.

With names of files, it checks what stands in them instead: an organization's own rendering.
Rendered without a warning, right by the schemas of the oldest and the newest Kubernetes that is
supported, right by our own rules, with settings that the services accept.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.manifests.rendering import OVERLAYS, Manifest, find_kustomize, read, renderings
from tools.manifests.rules import Rules, faults_of_the_rules, read_mutants
from tools.manifests.schemas import (
    NEWEST,
    OLDEST,
    CustomSchemas,
    KubernetesSchemas,
    SchemaCheck,
    find_wheel,
)
from tools.manifests.settings import wrong_settings


def main() -> int:
    """Says what was checked, what was not, and what is wrong; 1 if anything is."""
    began = time.monotonic()
    try:
        told, rendered = _given(sys.argv[1:]) if sys.argv[1:] else _ours()
    except subprocess.CalledProcessError as failed:
        sys.stderr.write(f"manifests: {failed.cmd[-1]} does not render: {failed.stderr}\n")
        return 1
    wrong = list(dict.fromkeys(_wrong(rendered)))
    for line in wrong:
        sys.stderr.write(f"manifests: {line}\n")
    seconds = time.monotonic() - began
    sys.stdout.write(f"manifests: {told}: {len(wrong)} faults, {seconds:.0f} s\n")
    return 1 if wrong else 0


def _given(files: Sequence[str]) -> tuple[str, Mapping[str, list[Manifest]]]:
    """What others rendered."""
    return f"{len(files)} files", {file: read(Path(file).read_text("utf-8")) for file in files}


def _ours() -> tuple[str, Mapping[str, list[Manifest]]]:
    """What this repository renders; nothing where there is nothing to render with."""
    kustomize = find_kustomize(os.environ)
    if kustomize is None:
        return "NOT CHECKED: neither kustomize nor kubectl is at hand", {}
    command, told = kustomize
    rendered = dict(renderings(command))
    return f"{len(rendered)} renderings by {told}", rendered


def _wrong(rendered: Mapping[str, list[Manifest]]) -> Iterator[str]:
    yield from _against_schemas(rendered)
    for name, objects in rendered.items():
        yield from (f"{name}: {fault}" for fault in wrong_settings(objects))
    try:
        rules = Rules()
    except ImportError:
        sys.stdout.write("manifests: NOT CHECKED by our rules: no embedded evaluator is at hand\n")
        return
    with rules:
        for name, objects in rendered.items():
            for one in rules.broken(objects):
                yield f"{name}: {one['rule']}: {one['where']}: {one['said']}"
        if rendered.keys() >= set(OVERLAYS):
            yield from faults_of_the_rules(rules, read_mutants(), rendered)


def _against_schemas(rendered: Mapping[str, list[Manifest]]) -> Iterator[str]:
    wheel = find_wheel(os.environ)
    if wheel is None:
        sys.stdout.write("manifests: NOT CHECKED by schemas: they are not in the cache\n")
        return
    versions = [KubernetesSchemas(wheel, version) for version in (OLDEST, NEWEST)]
    check = SchemaCheck(versions, CustomSchemas())
    for name, objects in rendered.items():
        yield from (f"{name}: {fault}" for fault in check.wrong(objects))


if __name__ == "__main__":
    sys.exit(main())
