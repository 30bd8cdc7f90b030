"""Writes the files that podman's quadlet makes units of systemd from."""

from collections.abc import Sequence

import yaml

from deploy.vm.podman import GUARD
from deploy.vm.pods import PROBES, Manifest, NotForOneMachineError, Pod

NODE_PORT = 50051
SERVICE_USER = 65532

TIMER = ".timer"

# Inside, the account that runs podman is the service's user: the keys' files are its own.
_USER = f"UserNS=keep-id:uid={SERVICE_USER},gid={SERVICE_USER}"
_DOCTOR = "doctor"
_SLACK_SECONDS = 30


def files_of(pod: Pod, jobs: Sequence[Pod] = (), listen: str = "") -> dict[str, str]:
    """Each file's name and text.

    Args:
        pod: what is played.
        jobs: what is played beside it, once a day.
        listen: `address:port` of the machine where the gateway reaches the node; unset: nowhere.
    """
    whose = pod.organization
    files = {
        f"{pod.name}.yaml": _yaml(pod.manifest),
        f"{whose}-{_DOCTOR}.yaml": _yaml(_doctor(pod)),
        f"{pod.name}.kube": _kube(pod, listen),
        f"{whose}.network": _network(whose),
    }
    for job in jobs:
        files |= {
            f"{job.name}.yaml": _yaml(job.manifest),
            f"{job.name}.kube": _kube_of_job(job),
            f"{job.name}{TIMER}": _timer(job),
        }
    return files


def _kube_of_job(job: Pod) -> str:
    lines = [
        "[Unit]",
        f"Description=Homeroom: {job.name}",
        "",
        "[Kube]",
        f"Yaml={job.name}.yaml",
        f"Network={job.organization}.network",
        _USER,
        "LogDriver=journald",
        # Else a backup that failed would look like one that was made.
        "ExitCodePropagation=any",
        "",
        "[Service]",
        f"ExecStartPre={GUARD}",
        "TimeoutStartSec=900",
    ]
    return "\n".join(lines) + "\n"


def _timer(job: Pod) -> str:
    lines = [
        "[Unit]",
        f"Description=Homeroom: {job.name}, every day",
        "",
        "[Timer]",
        f"OnCalendar=*-*-* {job.daily}:00",
        # A machine that was off at that time does it when it is back.
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def _kube(pod: Pod, listen: str) -> str:
    grace = pod.manifest["spec"]["terminationGracePeriodSeconds"] + _SLACK_SECONDS
    lines = [
        "[Unit]",
        f"Description=Homeroom: the node of {pod.organization}",
        "",
        "[Kube]",
        f"Yaml={pod.name}.yaml",
        *([f"ConfigMap={pod.policies}.yaml"] if pod.policies else []),
        f"Network={pod.organization}.network",
        _USER,
        "LogDriver=journald",
        *([f"PublishPort={_place(listen)}:{NODE_PORT}"] if listen else []),
        "",
        "[Service]",
        f"ExecStartPre={GUARD}",
        # The first start fetches the images.
        "TimeoutStartSec=900",
        f"TimeoutStopSec={grace}",
        "Restart=on-failure",
        "RestartSec=10",
        "",
        "[Install]",
        "WantedBy=default.target",
    ]
    return "\n".join(lines) + "\n"


def _network(organization: str) -> str:
    # Pods of other networks of this machine, which may be another organization's, do not reach it.
    return f"[Network]\nNetworkName={organization}-network\nOptions=isolate=true\n"


def _place(listen: str) -> str:
    address, _, port = listen.rpartition(":")
    if not address or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise NotForOneMachineError(f"{listen}: say where to listen as address:port")
    return listen


def _doctor(pod: Pod) -> Manifest:
    """The node's own container, that looks at all a node needs and ends."""
    spec = pod.manifest["spec"]
    node = next(one for one in spec["containers"] if one["name"] == "node")
    mounted = {mount["name"] for mount in node["volumeMounts"]}
    kept = {key: value for key, value in node.items() if key not in PROBES}
    asked = {**kept, "args": ["-m", "services.node", _DOCTOR]}
    return {
        **pod.manifest,
        "metadata": {"name": f"{pod.organization}-{_DOCTOR}"},
        "spec": {
            **spec,
            "restartPolicy": "Never",
            "containers": [asked],
            "volumes": [one for one in spec["volumes"] if one["name"] in mounted],
        },
    }


def _yaml(manifest: Manifest) -> str:
    return yaml.safe_dump(manifest, sort_keys=False, width=1_000)
