"""Makes of a rendered node what `podman kube play` runs: pods, with names that are one's own.

Podman reads the manifests of Kubernetes, and not all of them, nor all as Kubernetes does:

- a volume is the machine's, under the name that the manifest gives it: two organizations with a
  volume `tmp` would share it. Each name gets the organization's before it;
- a scratch in memory is each container's own, and root's: `/tmp` is left to podman, which gives one
  to every container whose root is read-only; another scratch is a volume;
- a variable of `envFrom` wins over one of `env`: here all are written out, as Kubernetes has them;
- a probe over gRPC becomes a command inside that asks the same, and less often, for each time it is
  a process; one over HTTP would be a command that the image has not: it is left out;
- a sidecar that is an init container with probes is refused: it is a plain container here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

LEFT_OUT = frozenset(
    {
        "ConfigMap",
        "Gateway",
        "HorizontalPodAutoscaler",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "Service",
        "ServiceAccount",
        "StatefulSet",
        "TLSRoute",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
)
"""What one machine has no use for, and what becomes part of the pod."""

INSTEAD = {
    "Certificate": "take the component mtls-files: nothing here makes certificates",
    "Cluster": "take the component postgres-external, or none: SQLite",
    "Deployment": "take the component postgres-external, or none: SQLite",
    "ExternalSecret": "bring the secrets: python -m deploy.vm.bring",
    "Job": "leave the component migrations out: the node brings its tables up to date",
    "Secret": "bring the secrets: python -m deploy.vm.bring",
}
DATABASES = frozenset({"HOMEROOM_NODE_RECORDS_URL", "HOMEROOM_NODE_STATE_URL"})
POLICIES = "policies"

_ORGANIZATION = "HOMEROOM_NODE_ORGANIZATION_ID"
# No hyphen is in it, so that what stands before the first one is whose a name is.
_ORGANIZATION_FORM = re.compile(r"[a-z][a-z0-9_]{1,39}")
_JOB = "CronJob"
_DAILY = re.compile(r"(?P<minute>\d{1,2}) (?P<hour>\d{1,2}) \* \* \*")
_OF_A_CONTAINER = ("image", "args", "command", "resources", "securityContext", "workingDir")
_OF_A_POD = ("terminationGracePeriodSeconds",)
_OWNER_ALONE = 0o400
PROBES = ("startupProbe", "livenessProbe")
_PROBE = ("/usr/bin/python3", "-m", "services.runtime.probe")
_PROBE_SECONDS = 15
_PROBE_TIMEOUT_SECONDS = 10
_SCRATCH = "/tmp"  # noqa: S108  # inside a container


class NotForOneMachineError(Exception):
    """What was rendered cannot be one machine's."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What is played.

    Attributes:
        organization: whose it is.
        manifest: of kind Pod.
        policies: the name of the ConfigMap that is brought; empty if there is none.
        daily: the time of day at which it is played and ends, as `HH:MM`; empty if it lasts.
    """

    organization: str
    manifest: Manifest
    policies: str = ""
    daily: str = ""

    @property
    def name(self) -> str:
        """Of the pod, and of the unit that plays it."""
        return str(self.manifest["metadata"]["name"])


def pods_of(objects: Sequence[Manifest]) -> tuple[Pod, list[Pod]]:
    """The node of one organization's rendered overlay, and what is done once a day beside it.

    Raises:
        NotForOneMachineError: with what to take instead.
    """
    for one in objects:
        if one["kind"] not in (*LEFT_OUT, _JOB):
            remedy = INSTEAD.get(one["kind"], "it is none of a node's")
            raise NotForOneMachineError(f"{one['kind']}/{one['metadata']['name']}: {remedy}")
    nodes = [one for one in objects if one["kind"] == "StatefulSet"]
    if [one["metadata"]["name"] for one in nodes] != ["node"]:
        raise NotForOneMachineError("not one organization's node and nothing else")
    (node,) = nodes
    maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    written = [_container(one, maps) for one in _containers(node["spec"]["template"]["spec"])]
    organization = _whose(written)
    manifest = _manifest(node, node["spec"]["template"], written, organization)
    volumes = manifest["spec"]["volumes"]
    brought = [one["configMap"]["name"] for one in volumes if "configMap" in one]
    jobs = [_job(one, maps, organization) for one in objects if one["kind"] == _JOB]
    return Pod(organization, manifest, next(iter(brought), "")), jobs


def _job(job: Manifest, maps: Mapping[str, Mapping[str, str]], organization: str) -> Pod:
    at = _DAILY.fullmatch(job["spec"]["schedule"])
    if at is None:
        name = job["metadata"]["name"]
        raise NotForOneMachineError(f"{name}: say one time of the day, as `30 2 * * *`")
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    written = [_container(one, maps) for one in _containers(template["spec"])]
    manifest = _manifest(job, template, written, organization)
    daily = f"{int(at['hour']):02}:{int(at['minute']):02}"
    return Pod(organization, manifest, daily=daily)


def _manifest(
    whole: Manifest, template: Manifest, written: Sequence[Manifest], organization: str
) -> Manifest:
    """Of kind Pod: what the template of a workload says, with containers as they are written."""
    said = template["spec"]
    used = {mount["name"] for one in written for mount in one["volumeMounts"]}
    volumes = [
        _volume(one, organization)
        for one in [*said.get("volumes", ()), *_claimed(whole)]
        if one["name"] in used
    ]
    spec = {
        "restartPolicy": said.get("restartPolicy", "Always"),
        **{key: said[key] for key in _OF_A_POD if key in said},
        "securityContext": _without(said["securityContext"], "fsGroup", "fsGroupChangePolicy"),
        "containers": [_prefixed(one, organization) for one in written],
        "volumes": volumes,
    }
    metadata = {
        "name": f"{organization}-{whole['metadata']['name']}",
        "labels": {**template["metadata"]["labels"]},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _containers(template: Mapping[str, Any]) -> Iterator[Manifest]:
    yield from template["containers"]
    for one in template.get("initContainers", ()):
        if one.get("restartPolicy") != "Always":
            raise NotForOneMachineError(f"{one['name']}: what runs before the node is not rendered")
        yield one


def _container(one: Manifest, maps: Mapping[str, Mapping[str, str]]) -> Manifest:
    env: dict[str, Manifest] = {}
    for source in one.get("envFrom", ()):
        said = maps[source["configMapRef"]["name"]]
        env |= {name: {"name": name, "value": value} for name, value in said.items()}
    env |= {variable["name"]: variable for variable in one.get("env", ())}
    for text in (*one.get("args", ()), *(str(v.get("value", "")) for v in env.values())):
        if "$(" in text:
            raise NotForOneMachineError(f"{one['name']}: podman puts nothing in place of {text}")
    kept = {key: one[key] for key in _OF_A_CONTAINER if key in one}
    written = {"name": one["name"], **kept, "env": [env[name] for name in sorted(env)]}
    mounts = [mount for mount in one.get("volumeMounts", ()) if mount["mountPath"] != _SCRATCH]
    return {**written, **dict(_probes(one)), "volumeMounts": mounts}


def _probes(one: Manifest) -> Iterator[tuple[str, Manifest]]:
    """Those that podman can ask, which starts again what fails them."""
    for kind in PROBES:
        probe: Manifest = one.get(kind, {})
        if "grpc" not in probe:
            continue
        seconds = max(probe["periodSeconds"], _PROBE_SECONDS)
        patience = probe["failureThreshold"] * probe["periodSeconds"]
        whom = probe["grpc"]
        asked = [*_PROBE, f"127.0.0.1:{whom['port']}", whom.get("service", "")]
        yield (
            kind,
            {
                "exec": {"command": asked},
                "periodSeconds": seconds,
                "timeoutSeconds": _PROBE_TIMEOUT_SECONDS,
                "failureThreshold": -(-patience // seconds),
            },
        )


def _whose(containers: Sequence[Manifest]) -> str:
    said = [
        variable.get("value", "")
        for one in containers
        for variable in one["env"]
        if variable["name"] == _ORGANIZATION
    ]
    if len(said) != 1 or not _ORGANIZATION_FORM.fullmatch(said[0]):
        raise NotForOneMachineError(f"{_ORGANIZATION} does not say whose node it is")
    return str(said[0])


def _claimed(node: Manifest) -> Iterator[Manifest]:
    for claim in node["spec"].get("volumeClaimTemplates") or ():
        name = claim["metadata"]["name"]
        yield {"name": name, "persistentVolumeClaim": {"claimName": name}}


def _volume(volume: Manifest, organization: str) -> Manifest:
    name = volume["name"]
    match volume:
        case {"secret": {"secretName": secret}}:
            # The pod's user is the only one there is: `UserNS` in the unit gives it the files.
            of = {"secretName": f"{organization}-{secret}", "defaultMode": _OWNER_ALONE}
            return {"name": name, "secret": of}
        case {"configMap": {"name": brought}}:
            if brought != POLICIES:
                raise NotForOneMachineError(f"{name}: only {POLICIES} are brought as files")
            return {"name": name, "configMap": {"name": f"{organization}-{brought}"}}
        case {"emptyDir": _} | {"persistentVolumeClaim": _}:
            return {
                "name": name,
                "persistentVolumeClaim": {"claimName": f"{organization}-{name}"},
            }
        case _:
            raise NotForOneMachineError(f"{name}: such a volume is not rendered")


def _prefixed(container: Manifest, organization: str) -> Manifest:
    """With the secrets that its variables come from under their names here."""
    env = []
    for variable in container["env"]:
        match variable:
            case {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}:
                of = {"name": f"{organization}-{secret}", "key": key}
                env.append({"name": name, "valueFrom": {"secretKeyRef": of}})
            case {"valueFrom": _}:
                raise NotForOneMachineError(f"{variable['name']}: it comes from a cluster")
            case _:
                env.append(variable)
    return {**container, "env": env}


def _without(given: Mapping[str, Any], *keys: str) -> Manifest:
    return {key: value for key, value in given.items() if key not in keys}
