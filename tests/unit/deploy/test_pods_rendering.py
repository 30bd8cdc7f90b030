"""What `make pods` plays is what the manifests say, under names that no two pods share."""

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from tools.pods.render import Namespace


def workload(kind: str = "StatefulSet") -> dict[str, Any]:
    """A node's, with what podman takes otherwise than Kubernetes."""
    container = {
        "name": "node",
        "image": "homeroom",
        "envFrom": [{"configMapRef": {"name": "node-settings"}}],
        "env": [
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "made", "key": "word"}}},
            {"name": "ENGINE", "value": "server"},
            {"name": "URL", "value": "postgresql://homeroom:$(PASSWORD)@database"},
        ],
        "readinessProbe": {"grpc": {"port": 50052}},
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "keys", "mountPath": "/keys"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # inside a container
        ],
    }
    spec = {
        "terminationGracePeriodSeconds": 150,
        "securityContext": {"runAsUser": os.getuid(), "runAsNonRoot": True, "fsGroup": 7},
        "containers": [container],
        "volumes": [
            {"name": "keys", "secret": {"secretName": "node-keys"}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }
    return {"kind": kind, "metadata": {"name": "node"}, "spec": {"template": {"spec": spec}}}


@pytest.fixture
def played(tmp_path: Path) -> list[list[Any]]:
    """Two replicas, each as its manifests."""
    objects = [
        {
            "kind": "ConfigMap",
            "metadata": {"name": "node-settings"},
            "data": {"ENGINE": "embedded", "ORGANIZATION": "bps"},
        },
        {
            "kind": "Secret",
            "metadata": {"name": "made"},
            "data": {"word": base64.b64encode(b"pass").decode()},
        },
        workload(),
    ]
    brought = {"node-keys": {"signing_key.pem": b"key"}}
    namespace = Namespace("bps", objects, tmp_path, brought)
    return [[pod.name, *pod.manifests] for pod in namespace.pods({"node": 2})]


def test_each_replica_has_names_of_its_own(played: list[list[Any]]) -> None:
    (first, *ones), (second, *others) = played

    assert (first, second) == ("bps-node-0", "bps-node-1")
    names = [[one["metadata"]["name"] for one in some] for some in (ones, others)]
    assert names == [
        ["bps-node-0-node-keys", "bps-node-0"],
        ["bps-node-1-node-keys", "bps-node-1"],
    ]


def test_a_container_is_told_what_kubernetes_would_tell_it(played: list[list[Any]]) -> None:
    """What stands in `env` wins, and a name in it is put in place of."""
    container = played[0][-1]["spec"]["containers"][0]
    told = {one["name"]: one["value"] for one in container["env"]}

    assert told["ENGINE"] == "server"
    assert told["ORGANIZATION"] == "bps"
    assert told["URL"] == "postgresql://homeroom:pass@database"


def test_what_hardens_a_pod_stays_and_probes_are_asked_from_outside(
    played: list[list[Any]],
) -> None:
    spec = played[0][-1]["spec"]

    assert spec["securityContext"] == {"runAsUser": os.getuid(), "runAsNonRoot": True}
    assert spec["terminationGracePeriodSeconds"] == 150
    (container,) = spec["containers"]
    assert container["securityContext"] == {"readOnlyRootFilesystem": True}
    assert "readinessProbe" not in container
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/keys"]


def test_a_scratch_is_a_folder_of_whom_the_pod_runs_as(played: list[list[Any]]) -> None:
    volumes = {one["name"]: one for one in played[1][-1]["spec"]["volumes"]}
    folder = Path(volumes["scratch"]["hostPath"]["path"])

    assert folder.stat().st_uid == os.getuid()
    assert "bps-node-1" in folder.parts
    assert volumes["keys"]["secret"]["secretName"] == "bps-node-1-node-keys"
