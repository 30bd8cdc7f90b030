"""Makes of a rendered namespace what podman plays: a pod for each workload, with names of its own.

What podman takes otherwise than Kubernetes, `deploy/vm/pods.py` tells. Here nobody is without root:
so volumes are folders that belong to whom the pod runs as, which is what `fsGroup` does there.
"""

import base64
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Manifest = dict[str, Any]

_WORKLOADS = ("Deployment", "StatefulSet")
_OF_A_CONTAINER = ("name", "image", "args", "command", "resources", "securityContext")
_OF_A_POD = ("terminationGracePeriodSeconds",)
_NAMED = re.compile(r"\$\((\w+)\)")
_READABLE = 0o444


@dataclass(frozen=True, slots=True)
class Played:
    """One pod.

    Attributes:
        name: with its namespace's before it.
        manifests: the pod, and the secrets and settings that it mounts.
    """

    name: str
    manifests: Sequence[Manifest]


@dataclass(slots=True)
class Namespace:
    """What kustomize rendered for one namespace, and what was brought to it.

    Attributes:
        name: it stands before every name.
        brought: each Secret and ConfigMap that no manifest makes, with its files.
        folder: where the volumes are.
    """

    name: str
    objects: Sequence[Manifest]
    folder: Path
    brought: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)

    def pods(self, replicas: Mapping[str, int] | None = None) -> Iterator[Played]:
        """Every workload as so many pods as are wanted; one, if nothing is said."""
        for workload in self.objects:
            if workload["kind"] not in _WORKLOADS:
                continue
            name = workload["metadata"]["name"]
            for number in range((replicas or {}).get(name, 1)):
                yield self._pod(workload, f"{self.name}-{name}-{number}")

    def _pod(self, workload: Manifest, name: str) -> Played:
        template = workload["spec"]["template"]["spec"]
        context = {k: v for k, v in template["securityContext"].items() if not k.startswith("fsG")}
        claims = workload["spec"].get("volumeClaimTemplates") or ()
        claimed = [{"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims]
        volumes = [*template.get("volumes", ()), *claimed]
        kept = {key: template[key] for key in _OF_A_POD if key in template}
        spec = {
            **kept,
            "restartPolicy": "Always",
            "securityContext": context,
            "containers": [self._container(one) for one in template["containers"]],
            "volumes": [self._volume(one, name, context["runAsUser"]) for one in volumes],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        return Played(name, [*self._mounted(volumes, name), pod])

    def _container(self, one: Manifest) -> Manifest:
        maps = {o["metadata"]["name"]: o["data"] for o in self._of_kind("ConfigMap")}
        said: dict[str, str] = {}
        for source in one.get("envFrom", ()):
            said |= maps[source["configMapRef"]["name"]]
        for variable in one.get("env", ()):
            said[variable["name"]] = self._value(variable)
        named = {name: _NAMED.sub(lambda m: said[m[1]], value) for name, value in said.items()}
        kept = {key: one[key] for key in _OF_A_CONTAINER if key in one}
        mounts = [mount for mount in one.get("volumeMounts", ()) if mount["mountPath"] != "/tmp"]  # noqa: S108
        env = [{"name": name, "value": value} for name, value in named.items()]
        return {**kept, "env": env, "volumeMounts": mounts}

    def _value(self, variable: Manifest) -> str:
        if "value" in variable:
            return str(variable["value"])
        of = variable["valueFrom"]["secretKeyRef"]
        made = {o["metadata"]["name"]: o.get("data", {}) for o in self._of_kind("Secret")}
        if of["name"] in made:
            return base64.b64decode(made[of["name"]][of["key"]]).decode()
        return self.brought[of["name"]][of["key"]].decode()

    def _volume(self, volume: Manifest, pod: str, user: int) -> Manifest:
        name = volume["name"]
        match volume:
            case {"secret": {"secretName": secret}}:
                of = {"secretName": f"{pod}-{secret}", "defaultMode": _READABLE}
                return {"name": name, "secret": of}
            case {"configMap": {"name": brought}}:
                return {"name": name, "configMap": {"name": f"{pod}-{brought}"}}
        folder = self.folder / pod / name
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, user, user)
        return {"name": name, "hostPath": {"path": str(folder), "type": "Directory"}}

    def _mounted(self, volumes: Sequence[Manifest], pod: str) -> Iterator[Manifest]:
        for volume in volumes:
            match volume:
                case {"secret": {"secretName": name}}:
                    kind, key = "Secret", "data"
                case {"configMap": {"name": name}}:
                    kind, key = "ConfigMap", "binaryData"
                case _:
                    continue
            files = self.brought[name].items()
            data = {file: base64.b64encode(content).decode() for file, content in files}
            metadata = {"name": f"{pod}-{name}"}
            yield {"apiVersion": "v1", "kind": kind, "metadata": metadata, key: data}

    def _of_kind(self, kind: str) -> Iterator[Manifest]:
        return (one for one in self.objects if one["kind"] == kind)
