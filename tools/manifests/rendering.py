"""Renders overlays with kustomize: those of the repository, and every combination of components.

Components that change what others made are combined in every way; for those that only add objects,
a port or a setting, each such combination is rendered once without all of them and once with all.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
KUBERNETES = PROJECT / "deploy" / "k8s"
OVERLAYS = ("org-example", "hub-example", "dev")
KUSTOMIZE_VERSION = "5.8.1"

_NODE_ADDED = ("edge/node", "monitoring/node", "tracing/node")
_HUB_ADDED = ("edge/hub", "monitoring/hub", "tracing/hub")

Manifest = dict[str, Any]

_TOGETHER = 16
_ABSENT = ""
_KEY = "0" * 64
_IMAGES = [
    {"name": "homeroom", "newTag": "0.1.0"},
    {"name": "openpolicyagent/opa", "newTag": "1.20.2-static"},
    {"name": "postgres", "newTag": "17"},
]


@dataclass(frozen=True, slots=True)
class Side:
    """What can be deployed, and the components that go with it.

    Attributes:
        base: the folder under `base`.
        choices: for each thing that is chosen, the components of each choice.
        additions: for each choice of a database, the components that only add.
        settings: what an overlay must say, for each service.
    """

    base: str
    choices: Mapping[str, Sequence[str]]
    additions: Mapping[str, Sequence[str]]
    settings: Mapping[str, Sequence[str]]


def _settings(service: str, *followed: str) -> list[str]:
    prefix = f"HOMEROOM_{service.upper()}"
    said = [f"{prefix}_FEDERATION=test.example", f"{prefix}_ORGANIZATION_ID=anytown"]
    for other in followed:
        said.append(f"{prefix}_{other}_ORGANIZATION_ID=hub")
        said.append(f"{prefix}_{other}_KEY={_KEY}")
    return said


NODE = Side(
    base="node",
    choices={
        "certificates": ("mtls-files", "mtls-cert-manager/node"),
        "database": (_ABSENT, "postgres-external", "postgres-cnpg/node", "postgres-dev"),
        "policies": (_ABSENT, "opa", "opa-native"),
        "size": (_ABSENT, "small"),
    },
    additions={
        "": (*_NODE_ADDED, "backup"),
        "postgres-external": (
            *_NODE_ADDED,
            "external-secrets",
            "migrations/node",
            "intake",
            "replicas",
        ),
        "postgres-cnpg/node": (*_NODE_ADDED, "replicas"),
        "postgres-dev": _NODE_ADDED,
    },
    settings={
        "node": [
            *_settings("node", "REGISTRY", "CONSENT"),
            "HOMEROOM_NODE_REGISTRY_ADDRESS=registry.hub.test.example:443",
            "HOMEROOM_NODE_CONSENT_ADDRESS=consent.hub.test.example:443",
        ]
    },
)
HUB = Side(
    base="hub",
    choices={
        "certificates": ("mtls-files", "mtls-cert-manager/hub"),
        "database": (_ABSENT, "postgres-external", "postgres-cnpg/hub"),
        "policies": (_ABSENT, "opa", "opa-native"),
        "size": (_ABSENT, "small"),
    },
    additions={
        "": _HUB_ADDED,
        "postgres-external": (*_HUB_ADDED, "migrations/hub"),
        "postgres-cnpg/hub": _HUB_ADDED,
    },
    settings={
        "registry": [
            *_settings("registry"),
            f"HOMEROOM_REGISTRY_GATEWAY_CHECKPOINT_KEY={_KEY}",
        ],
        "consent": _settings("consent", "REGISTRY"),
        "gateway": _settings("gateway", "REGISTRY"),
    },
)


def combinations(side: Side) -> list[tuple[str, ...]]:
    """Every combination of components of one side."""
    made = []
    for chosen in product(*side.choices.values()):
        database = chosen[list(side.choices).index("database")]
        always = (f"network-policies/{side.base}", *filter(None, chosen))
        made += [always, (*always, *side.additions[database])]
    return made


def find_kustomize(environment: Mapping[str, str]) -> tuple[list[str], str] | None:
    """How kustomize is called here, and what it is; None if it is not at hand."""
    cache = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '')}/.cache"
    pinned = Path(cache) / "homeroom" / f"kustomize-v{KUSTOMIZE_VERSION}" / "kustomize"
    if pinned.is_file():
        return [str(pinned), "build"], f"kustomize {KUSTOMIZE_VERSION}"
    if kubectl := shutil.which("kubectl", path=environment.get("PATH", "")):
        return [kubectl, "kustomize"], "kubectl's own kustomize, not the pinned one"
    return None


def render(command: Sequence[str], folder: Path) -> list[Manifest]:
    """The objects of one kustomization; a warning fails like an error.

    Raises:
        subprocess.CalledProcessError: with what was said, if it does not render without a word.
    """
    done = subprocess.run(
        [*command, str(folder)], check=True, capture_output=True, text=True, timeout=120
    )
    if done.stderr.strip():
        raise subprocess.CalledProcessError(1, done.args, done.stdout, done.stderr)
    return read(done.stdout)


def read(text: str) -> list[Manifest]:
    """The objects of a rendering."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(text, loader) if one]


def renderings(command: Sequence[str]) -> Iterator[tuple[str, list[Manifest]]]:
    """Each rendering with its name: every overlay, then every combination."""
    for overlay in OVERLAYS:
        yield overlay, render(command, KUBERNETES / "overlays" / overlay)
    for side in (NODE, HUB):
        yield from renderings_of(command, side)


def renderings_of(command: Sequence[str], side: Side) -> Iterator[tuple[str, list[Manifest]]]:
    """Each combination of one side's components with its name."""
    every = combinations(side)
    for start in range(0, len(every), _TOGETHER):
        yield from _rendered_together(command, side, every[start : start + _TOGETHER])


def _rendered_together(
    command: Sequence[str], side: Side, several: Sequence[Sequence[str]]
) -> Iterator[tuple[str, list[Manifest]]]:
    """Renders some in one run, each in a namespace of its own: most of a run is its start."""
    with tempfile.TemporaryDirectory() as folder:
        names = {f"check-{number}": components for number, components in enumerate(several)}
        for name, components in names.items():
            _write(Path(folder) / name, side, name, components)
        whole = {"resources": list(names)}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(whole), "utf-8")
        objects = render(command, Path(folder))
    for name, components in names.items():
        yield f"{side.base}: {', '.join(components)}", in_namespace(objects, name)


def in_namespace(objects: Sequence[Manifest], name: str) -> list[Manifest]:
    """The objects of one namespace, and the namespace itself."""
    return [
        one
        for one in objects
        if one["metadata"].get("namespace") == name
        or (one["kind"] == "Namespace" and one["metadata"]["name"] == name)
    ]


def _write(folder: Path, side: Side, name: str, components: Sequence[str]) -> None:
    folder.mkdir()
    # Kustomize takes no path from the root.
    there = os.path.relpath(KUBERNETES, folder.resolve())
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }
    written = {
        "namespace": name,
        "resources": ["namespace.yaml", f"{there}/base/{side.base}"],
        "components": [f"{there}/components/{component}" for component in components],
        "configMapGenerator": [
            {
                "name": f"{service}-settings",
                "behavior": "merge",
                "literals": [*said, *_collector(service, components)],
            }
            for service, said in side.settings.items()
        ],
        "images": _IMAGES,
        "patches": list(_names(side, components)),
    }
    (folder / "namespace.yaml").write_text(yaml.safe_dump(namespace), "utf-8")
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(written), "utf-8")


def _collector(service: str, components: Sequence[str]) -> Iterator[str]:
    """Where traces go, which the component leaves to the overlay."""
    traced = {"node": "tracing/node", "gateway": "tracing/hub"}
    if traced.get(service) in components:
        yield f"HOMEROOM_{service.upper()}_TRACES_ENDPOINT=http://collector.test.example:4317"


def _names(side: Side, components: Sequence[str]) -> Iterator[Manifest]:
    """What an overlay says of names, where a component leaves that to it."""
    for number, service in enumerate(side.settings):
        host = f"{service}.anytown.test.example"
        if f"mtls-cert-manager/{side.base}" in components:
            uri = f"spiffe://test.example/org/anytown/{service}"
            yield _patch("Certificate", service, {"/spec/uris": [uri], "/spec/dnsNames": [host]})
        if f"edge/{side.base}" in components:
            yield _patch("TLSRoute", service, {"/spec/hostnames": [host]})
            yield _patch(
                "Gateway",
                "edge",
                {
                    "/spec/gatewayClassName": "any",
                    f"/spec/listeners/{number}/hostname": host,
                },
            )


def _patch(kind: str, name: str, values: Mapping[str, object]) -> Manifest:
    replaced = [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
    return {"target": {"kind": kind, "name": name}, "patch": yaml.safe_dump(replaced)}
