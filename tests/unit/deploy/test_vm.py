"""A node that is rendered for one machine keeps what it has on Kubernetes, and shares nothing."""

import base64
import copy
import json
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.vm import bring, podman, render
from deploy.vm.pods import INSTEAD, LEFT_OUT, NotForOneMachineError
from deploy.vm.rules import broken, names_in, shared
from tests.house.tree import PROJECT
from tools import vm_check

Objects = list[dict[str, Any]]

_BASE = PROJECT / "deploy" / "k8s" / "base" / "node"
_LISTEN = "192.0.2.17:50051"
_IDS = st.from_regex(r"[a-z][a-z0-9_]{1,12}", fullmatch=True)


def node_of(organization: str = "anytown") -> Objects:
    """The base's node with a sidecar, as kustomize renders them, and a Service beside it."""
    node = yaml.safe_load((_BASE / "statefulset.yaml").read_text("utf-8"))
    template = node["spec"]["template"]
    template["metadata"]["labels"]["app.kubernetes.io/part-of"] = "homeroom"
    (container,) = template["spec"]["containers"]
    container["env"] = [{"name": "HOMEROOM_NODE_POLICY_ENGINE", "value": "server"}]
    container["volumeMounts"].append({"name": "opa", "mountPath": "/run/opa"})
    sidecar = {
        **copy.deepcopy(container),
        "name": "opa-local",
        "image": "opa:1",
        "args": ["run"],
        "env": [],
        "volumeMounts": [{"name": "opa", "mountPath": "/run/opa"}],
    }
    del sidecar["envFrom"], sidecar["startupProbe"]
    sidecar["livenessProbe"] = {"httpGet": {"path": "/health", "port": 8282}}
    template["spec"]["containers"].append(sidecar)
    template["spec"]["volumes"].append({"name": "opa", "emptyDir": {"sizeLimit": "1Mi"}})
    made = yaml.safe_load((_BASE / "kustomization.yaml").read_text("utf-8"))
    said = [one.split("=", 1) for one in made["configMapGenerator"][0]["literals"]]
    data = dict(said)
    data["HOMEROOM_NODE_ORGANIZATION_ID"] = organization
    settings = {"kind": "ConfigMap", "metadata": {"name": "node-settings"}, "data": data}
    return [settings, {"kind": "Service", "metadata": {"name": "node"}}, node]


def template_of(objects: Objects) -> dict[str, Any]:
    template: dict[str, Any] = objects[-1]["spec"]["template"]["spec"]
    return template


def files_of(objects: Objects, listen: str = "") -> dict[str, str]:
    return render.rendered(objects, listen)[1]


def pod_in(files: Mapping[str, str], name: str = "anytown-node.yaml") -> dict[str, Any]:
    pod: dict[str, Any] = yaml.safe_load(files[name])
    return pod


def container_in(files: Mapping[str, str], name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (one for one in pod_in(files)["spec"]["containers"] if one["name"] == name)
    return found


@settings(max_examples=25)
@given(one=_IDS, other=_IDS)
def test_two_organizations_of_one_machine_share_no_name(one: str, other: str) -> None:
    """Whatever they are called, and where one's name goes on where the other's ends."""
    several = {name: files_of(node_of(name)) for name in (one, other, f"{one}_node")}

    assert list(shared(several)) == []
    assert len(several) < 3 or names_in(several[one]).isdisjoint(names_in(several[other]))


def test_a_name_that_two_organizations_have_is_found() -> None:
    """A scratch that is not told apart is one folder of the machine for both."""
    pods = {
        name: pod_in(files_of(node_of(name)), f"{name}-node.yaml") for name in ("one", "another")
    }
    for pod in pods.values():
        pod["spec"]["volumes"].append({"name": "tmp", "emptyDir": {}})
    several = {name: {f"{name}-node.yaml": yaml.safe_dump(pod)} for name, pod in pods.items()}

    assert list(shared(several)) == ["volume tmp: both one and another have it"]


def test_nothing_is_published_that_was_not_asked_for() -> None:
    """And then the port of the gateway's questions alone: neither health nor OPA has a door."""
    hidden, open_to_one = files_of(node_of()), files_of(node_of(), _LISTEN)

    assert not [text for text in hidden.values() if "PublishPort" in text or "ostPort" in text]
    assert "PublishPort=192.0.2.17:50051:50051\n" in open_to_one["anytown-node.kube"]
    assert "ports" not in container_in(open_to_one, "node")
    for unclear in ("50051", ":50051", "192.0.2.17:none", "192.0.2.17:70000"):
        with pytest.raises(NotForOneMachineError, match="address:port"):
            files_of(node_of(), unclear)


def test_keys_are_files_of_the_one_user_inside() -> None:
    """Podman writes them as the account that runs it, which inside is the service's."""
    files = files_of(node_of())
    secrets = [one["secret"] for one in pod_in(files)["spec"]["volumes"] if "secret" in one]

    assert secrets == [
        {"secretName": "anytown-node-tls", "defaultMode": 0o400},
        {"secretName": "anytown-node-keys", "defaultMode": 0o400},
    ]
    assert "UserNS=keep-id:uid=65532,gid=65532\n" in files["anytown-node.kube"]


def test_what_a_container_may_not_do_on_kubernetes_it_may_not_do_here() -> None:
    """Every right that the manifests take is taken, and so are the limits of memory."""
    files = files_of(node_of())
    for given_ in template_of(node_of())["containers"]:
        kept = container_in(files, given_["name"])

        assert kept["securityContext"] == given_["securityContext"]
        assert kept["resources"] == given_["resources"]
    context = pod_in(files)["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (65532, 65532)


def test_a_sidecar_that_starts_first_is_one_of_the_containers() -> None:
    """As it is where it is none: podman takes no probe of an init container."""
    objects = node_of()
    template = template_of(objects)
    native = template["containers"].pop()
    template["initContainers"] = [{**native, "restartPolicy": "Always"}]

    assert files_of(objects) == files_of(node_of())
    del template["initContainers"][0]["restartPolicy"]
    with pytest.raises(NotForOneMachineError, match="before the node"):
        files_of(objects)


def test_a_variable_of_the_container_wins_over_one_of_the_settings() -> None:
    """As Kubernetes has it; podman's own order would decide in the process and ask no OPA."""
    env = {one["name"]: one["value"] for one in container_in(files_of(node_of()), "node")["env"]}

    assert env["HOMEROOM_NODE_POLICY_ENGINE"] == "server"
    assert env["HOMEROOM_NODE_ORGANIZATION_ID"] == "anytown"


def test_a_scratch_that_two_containers_share_is_a_volume_and_tmp_is_each_ones_own() -> None:
    """Podman gives a `/tmp` to who has a read-only root, and an emptyDir to the whole machine."""
    files = files_of(node_of())
    volumes = {one["name"]: one for one in pod_in(files)["spec"]["volumes"]}

    assert volumes["opa"]["persistentVolumeClaim"] == {"claimName": "anytown-opa"}
    assert volumes["databases"]["persistentVolumeClaim"] == {"claimName": "anytown-databases"}
    assert "tmp" not in volumes
    assert "tmp" not in {mount["name"] for mount in container_in(files, "node")["volumeMounts"]}


def test_the_doctor_is_the_nodes_own_container_and_ends() -> None:
    """It sees what the node would: the same settings, keys and databases."""
    files = files_of(node_of())
    doctor = pod_in(files, "anytown-doctor.yaml")
    (container,) = doctor["spec"]["containers"]

    node = container_in(files, "node")
    assert container == {
        **{key: value for key, value in node.items() if not key.endswith("Probe")},
        "args": ["-m", "services.node", "doctor"],
    }
    assert doctor["spec"]["restartPolicy"] == "Never"


def test_a_node_that_hangs_is_started_again() -> None:
    """Podman does so where a command inside fails; it is given as long as on Kubernetes."""
    files = files_of(node_of())
    there = template_of(node_of())["containers"][0]
    probes = {k: v for k, v in container_in(files, "node").items() if k.endswith("Probe")}

    assert set(probes) == {"startupProbe", "livenessProbe"}
    for kind, probe in probes.items():
        assert probe["exec"]["command"] == [
            *("/usr/bin/python3", "-m", "services.runtime.probe"),
            *("127.0.0.1:50052", "live"),
        ]
        patience = there[kind]["periodSeconds"] * there[kind]["failureThreshold"]
        assert patience <= probe["periodSeconds"] * probe["failureThreshold"] < patience + 15
    assert "livenessProbe" not in container_in(files, "opa-local")


def job_of(component: str) -> dict[str, Any]:
    file = PROJECT / "deploy" / "k8s" / "components" / component / "cronjob.yaml"
    job: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return job


def test_what_is_done_every_day_is_a_pod_that_ends_and_a_timer() -> None:
    """The backup reads the node's own databases; nothing of it is open, and it lasts no longer."""
    files = files_of([job_of("backup"), *node_of()])
    job = pod_in(files, "anytown-node-backup.yaml")
    (container,) = job["spec"]["containers"]
    claims = {
        one["name"]: one["persistentVolumeClaim"]["claimName"] for one in job["spec"]["volumes"]
    }

    assert job["spec"]["restartPolicy"] == "Never"
    assert container["args"][2:4] == ["backup", "/backups"]
    assert claims == {"databases": "anytown-databases", "backups": "anytown-backups"}
    assert "OnCalendar=*-*-* 02:30:00\n" in files["anytown-node-backup.timer"]
    unit = files["anytown-node-backup.kube"]
    assert "Yaml=anytown-node-backup.yaml\n" in unit
    assert "PublishPort" not in unit
    assert "WantedBy" not in unit  # the timer alone starts it


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "30 2 * * 1", "@daily"])
def test_a_time_that_is_not_of_every_day_is_refused(schedule: str) -> None:
    job = job_of("backup")
    job["spec"]["schedule"] = schedule
    with pytest.raises(NotForOneMachineError, match="one time of the day"):
        files_of([job, *node_of()])


@pytest.mark.parametrize("kind", [*INSTEAD, "DaemonSet"])
def test_what_one_machine_cannot_have_is_refused_with_what_to_take(kind: str) -> None:
    """Nothing that somebody counts on is left out in silence."""
    with pytest.raises(NotForOneMachineError, match=f"{kind}/other: .*"):
        files_of([*node_of(), {"kind": kind, "metadata": {"name": "other"}}])
    assert kind not in LEFT_OUT


def _second_node(objects: Objects) -> None:
    objects.append(copy.deepcopy(objects[-1]))


def _nobodys(objects: Objects) -> None:
    del objects[0]["data"]["HOMEROOM_NODE_ORGANIZATION_ID"]


def _composed(objects: Objects) -> None:
    objects[0]["data"]["HOMEROOM_NODE_STATE_URL"] = "postgresql://$(PASSWORD)@host/name"


def _of_the_cluster(objects: Objects) -> None:
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    template_of(objects)["containers"][0]["env"].append({"name": "POD", "valueFrom": field})


def _of_the_machine(objects: Objects) -> None:
    template_of(objects)["volumes"][0] = {"name": "tls", "hostPath": {"path": "/etc"}}


def _another_map(objects: Objects) -> None:
    template_of(objects)["volumes"][2]["configMap"]["name"] = "other"


@pytest.mark.parametrize(
    "change",
    [_second_node, _nobodys, _composed, _of_the_cluster, _of_the_machine, _another_map],
)
def test_what_podman_would_run_otherwise_is_refused(change: Callable[[Objects], None]) -> None:
    objects = node_of()
    change(objects)
    with pytest.raises(NotForOneMachineError):
        files_of(objects)


_RIGHTS = ("containers", 0, "securityContext")
_BROKEN: dict[str, tuple[tuple[Any, ...], Any]] = {
    "shares what is the machine's": (("hostNetwork",), True),
    "mounts what is the machine's": (("volumes",), [{"name": "anytown-x", "hostPath": {}}]),
    "a scratch": (("volumes",), [{"name": "anytown-tmp", "emptyDir": {}}]),
    "does not begin": (("volumes", 0), {"name": "x", "secret": {"secretName": "node-keys"}}),
    "it runs as root": (("securityContext", "runAsUser"), 0),
    "runs before": (("initContainers",), [{"name": "first"}]),
    "gain privileges": ((*_RIGHTS, "allowPrivilegeEscalation"), True),
    "root can be written": ((*_RIGHTS, "readOnlyRootFilesystem"), False),
    "has capabilities": ((*_RIGHTS, "capabilities"), {"drop": ["ALL"], "add": ["NET_RAW"]}),
    "node: it runs as root": ((*_RIGHTS, "runAsUser"), 0),
    "memory has no limit": (("containers", 0, "resources"), {}),
    "podman may publish": (("containers", 0, "ports"), [{"containerPort": 50052}]),
    "a probe for which the image has no": (
        ("containers", 0, "startupProbe"),
        {"grpc": {"port": 50052}},
    ),
    "what ends is": (("restartPolicy",), "Never"),
    "win over its own": (("containers", 0, "envFrom"), [{"configMapRef": {"name": "x"}}]),
    "a secret is a file": (("containers", 0, "env"), [{"name": "KEY", "valueFrom": {}}]),
}


@pytest.mark.parametrize("said", _BROKEN)
def test_each_rule_finds_what_breaks_it_and_nothing_else_does(said: str) -> None:
    """Whoever edits the files, or the renderer, hears of it."""
    files = files_of(node_of())
    pod = pod_in(files)
    (*way, last), value = _BROKEN[said]
    place: Any = pod["spec"]
    for step in way:
        place = place[step]
    place[last] = value

    (fault,) = broken("anytown", {"anytown-node.yaml": yaml.safe_dump(pod)})

    assert said in fault
    assert list(broken("anytown", files)) == []


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("PublishPort=192.0.2.17:50051:50051", "PublishPort=50051:50051"),
        ("PublishPort=192.0.2.17:50051:50051", "PublishPort=192.0.2.17:50052:50052"),
        ("Network=anytown.network", "Network=other.network"),
        ("UserNS=keep-id:uid=65532,gid=65532", "UserNS=auto"),
    ],
)
def test_a_unit_that_opens_more_or_is_anothers_is_found(written: str, instead: str) -> None:
    files = files_of(node_of(), _LISTEN)
    unit = files["anytown-node.kube"].replace(written, instead)

    (_,) = broken("anytown", {"anytown-node.kube": unit})


def test_a_file_that_holds_a_secret_or_is_anothers_is_found() -> None:
    secret = yaml.safe_dump({"kind": "Secret", "metadata": {"name": "anytown-node-keys"}})

    assert len(list(broken("anytown", {"anytown-x.yaml": secret}))) == 1
    assert len(list(broken("anytown", {"anytow.network": "[Network]\n"}))) == 1


def podman_that_says(folder: Path, version: str) -> Path:
    """A folder for PATH with such a podman."""
    folder.mkdir()
    (folder / "podman").write_text(f"#!/bin/sh\necho podman version {version}\n", "utf-8")
    (folder / "podman").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("version", "fit"), [("4.3.1", False), ("4.9.4", False), ("5.4.2", True), ("15.0.0", True)]
)
def test_a_podman_before_the_fifth_is_refused_with_the_reason(
    version: str, fit: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is rendered, and again where it is started: that may be another machine."""
    where = podman_that_says(tmp_path / "bin", version)
    shell, option, said = shlex.split(podman.GUARD)
    started = subprocess.run(
        [shell, option, said],
        env={"PATH": f"{where}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    objects = tmp_path / "node.yaml"
    objects.write_text(yaml.safe_dump_all(node_of()), "utf-8")
    monkeypatch.setenv("PATH", f"{where}:/usr/bin:/bin")
    code = render.main([str(objects), "--to", str(tmp_path / "units")])

    assert (code == 0, (tmp_path / "units").exists(), started.returncode == 0) == (fit, fit, fit)
    assert (podman.REASONS in podman.refusal(f"podman version {version}")) is not fit
    assert (podman.REASONS in started.stderr) is not fit


def test_what_says_no_version_is_refused() -> None:
    assert podman.refusal("command not found")


def test_keys_and_policies_are_brought_as_podman_takes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under the names that the pod asks for, each byte as it is."""
    (tmp_path / "node.pem").write_bytes(content := bytes(range(256)))
    assert bring.main(["anytown", "node-tls", f"tls.crt={tmp_path / 'node.pem'}"]) == 0
    secret = json.loads(capsys.readouterr().out)
    assert bring.main(["anytown", "policies", str(tmp_path / "node.pem")]) == 0
    policies = json.loads(capsys.readouterr().out)

    names = {next(iter(one.values())) for one in _asked(pod_in(files_of(node_of())))}
    assert {secret["metadata"]["name"], policies["metadata"]["name"]} <= names
    assert base64.b64decode(secret["data"]["tls.crt"]) == content
    assert base64.b64decode(policies["binaryData"]["node.pem"]) == content
    assert (secret["kind"], policies["kind"]) == ("Secret", "ConfigMap")
    assert bring.main(["anytown", "node-keys", str(tmp_path / "away")]) == 1


def _asked(pod: Mapping[str, Any]) -> list[dict[str, str]]:
    volumes = pod["spec"]["volumes"]
    return [
        one.get("secret") or one["configMap"]
        for one in volumes
        if len({"secret", "configMap"} & one.keys())
    ]


def test_units_that_quadlet_makes_nothing_of_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves out a unit with a word that it does not know, and says so to nobody who asks."""
    (tmp_path / "quadlet").write_text("#!/bin/sh\nexit ${REFUSES:-0}\n", "utf-8")
    (tmp_path / "quadlet").chmod(0o755)
    monkeypatch.setenv("QUADLET", str(tmp_path / "quadlet"))

    assert len(list(vm_check.faults_of("node", node_of()))) == 2
    monkeypatch.setenv("REFUSES", "1")
    assert len(list(vm_check.faults_of("node", node_of()))) == 3


def test_a_node_that_one_machine_cannot_have_fails_the_check() -> None:
    (said,) = vm_check.faults_of("node", [*node_of(), {"kind": "Job", "metadata": {"name": "x"}}])

    assert "Job/x" in said
