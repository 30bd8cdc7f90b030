"""Holds what was rendered for one machine against what must be so there, whoever wrote it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from deploy.vm.pods import DATABASES
from deploy.vm.units import NODE_PORT

Files = Mapping[str, str]

_PUBLISHED = re.compile(r"^PublishPort=(?P<place>.*)$", re.MULTILINE)
_FROM_ONE_PLACE = re.compile(rf".+:\d+:{NODE_PORT}")
_NAMED = re.compile(r"^(?:NetworkName|Yaml|ConfigMap|Network)=(?P<name>.*)$", re.MULTILINE)
_OF_THE_HOST = ("hostNetwork", "hostPID", "hostIPC")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def broken(organization: str, files: Files) -> Iterator[str]:
    """A sentence for each thing that must not be so."""
    for name, text in files.items():
        if not _is_of(organization, name):
            yield f"{name}: the file's name does not begin with the organization's"
        if name.endswith(".yaml"):
            for one in yaml.safe_load_all(text):
                yield from (f"{name}: {fault}" for fault in _of_pod(organization, one))
        else:
            yield from (f"{name}: {fault}" for fault in _of_unit(organization, text))


def shared(several: Mapping[str, Files]) -> Iterator[str]:
    """A sentence for each name that two organizations of one machine would share."""
    owners: dict[str, str] = {}
    for organization, files in several.items():
        for name in sorted(names_in(files)):
            if name in owners:
                yield f"{name}: both {owners[name]} and {organization} have it"
            owners[name] = organization


def names_in(files: Files) -> set[str]:
    """Every name that the machine knows something by: files, pods, containers, volumes, networks.

    Podman has one store of names for volumes, secrets' and scratch among them.
    """
    found = set(files)
    for file, text in files.items():
        if not file.endswith(".yaml"):
            found |= {f"network {one}" for one in re.findall(r"^NetworkName=(.*)$", text, re.M)}
            continue
        for pod in yaml.safe_load_all(text):
            name = pod["metadata"]["name"]
            found.add(f"pod {name}")
            found |= {f"pod {name}-{one['name']}" for one in pod["spec"]["containers"]}
            found |= {f"volume {one}" for one in _kept(pod)}
    return found


def _kept(pod: Mapping[str, Any]) -> Iterator[str]:
    for volume in pod["spec"].get("volumes", ()):
        match volume:
            case {"secret": {"secretName": str(name)}} | {"configMap": {"name": str(name)}}:
                yield name
            case {"persistentVolumeClaim": {"claimName": str(name)}}:
                yield name
            case _:
                yield volume["name"]  # by this name on the whole machine


def _is_of(organization: str, name: str) -> bool:
    return name.startswith((f"{organization}-", f"{organization}."))


def _of_pod(organization: str, pod: Mapping[str, Any]) -> Iterator[str]:
    if pod["kind"] != "Pod":
        yield f"a {pod['kind']} stands in it: nothing secret is written down, and no more is played"
        return
    for name in [pod["metadata"]["name"], *_kept(pod)]:
        if not _is_of(organization, name):
            yield f"{name} does not begin with the organization's name"
    yield from _of_specification(pod["spec"])
    for container in pod["spec"]["containers"]:
        for fault in (*_rights(container), *_fit(container)):
            yield f"{container['name']}: {fault}"


def _of_specification(spec: Mapping[str, Any]) -> Iterator[str]:
    volumes = spec.get("volumes", ())
    if any(spec.get(shared_with) for shared_with in _OF_THE_HOST):
        yield "it shares what is the machine's"
    if any("hostPath" in volume for volume in volumes):
        yield "it mounts what is the machine's"
    if any("emptyDir" in volume for volume in volumes):
        yield "a scratch is another's too, or root's alone"
    if spec.get("securityContext", {}).get("runAsUser", 0) <= 0:
        yield "it runs as root"
    if spec.get("initContainers"):
        yield "something runs before its containers"
    lasts = spec.get("restartPolicy", "Always") == "Always"
    if lasts != any("livenessProbe" in container for container in spec["containers"]):
        yield "what hangs is not started again, or what ends is"


def _rights(container: Mapping[str, Any]) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "it may gain privileges"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "its root can be written"
    capabilities = context.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "it has capabilities"
    if context.get("runAsUser", 1) <= 0:
        yield "it runs as root"


def _fit(container: Mapping[str, Any]) -> Iterator[str]:
    if not container.get("resources", {}).get("limits", {}).get("memory"):
        yield "its memory has no limit"
    if container.get("ports"):
        yield "it has ports that podman may publish"
    if any("exec" not in container.get(probe, {"exec": ()}) for probe in _PROBES):
        yield "it has a probe for which the image has no command"
    if container.get("envFrom"):
        yield "variables that stand elsewhere win over its own"
    for variable in container.get("env", ()):
        if "valueFrom" in variable and variable["name"] not in DATABASES:
            yield f"{variable['name']}: a secret is a file, not a variable"


def _of_unit(organization: str, text: str) -> Iterator[str]:
    for published in _PUBLISHED.finditer(text):
        if not _FROM_ONE_PLACE.fullmatch(published["place"]):
            yield f"{published['place']}: only the node's port is published, where it was said"
    for named in _NAMED.finditer(text):
        if not _is_of(organization, named["name"]):
            yield f"{named['name']} does not begin with the organization's name"
    if "[Kube]" in text and "UserNS=keep-id:" not in text:
        yield "who runs podman is not who runs inside, so it could not read its keys"
