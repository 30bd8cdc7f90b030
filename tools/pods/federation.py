"""Founds a hub and two organizations from the manifests, and plays them as pods."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.layout import (
    FEDERATION_POLICY,
    HUB,
    LOCAL_POLICY,
    PROJECT,
    Layout,
    Member,
    make_layout,
)
from homeroom.development import GATEWAY_LOG_KEY, Hub, write_profile
from homeroom.signing import SigningKey
from tools.pods.debian import Debian, NoPodsError
from tools.pods.render import Manifest, Namespace, Played

HOLDERS = ("district", "community")
ASKER = "asker"
FEDERATION = "demo.homeroom"
GATEWAYS = 2

_SUBNET = "10.200.77"
_PLACES = {
    "hub-postgres-dev-0": 2,
    "hub-registry-0": 11,
    "hub-consent-0": 12,
    "hub-gateway-0": 13,
    "hub-gateway-1": 14,
    "district-node-0": 21,
    "community-node-0": 31,
}
_DATABASES = {"hub": "10.200.80", "district": "10.200.81", "community": "10.200.82"}
_PASSWORD = "for-development-alone"  # noqa: S105  # as the component postgres-dev has it
_READY_SECONDS = 180
_HUB_SERVICES = ("registry", "consent", "gateway")


@dataclass(frozen=True, slots=True)
class Federation:
    """The running pods, and the keys of everyone."""

    inside: Debian
    layout: Layout
    files: Path

    def address(self, pod: str, port: int = 50051) -> str:
        """Where a pod is reached from this machine."""
        return f"{_SUBNET}.{_PLACES[pod]}:{port}"

    @property
    def gateways(self) -> str:
        """Both, as an app is told them."""
        return "ipv4:" + ",".join(self.address(f"hub-gateway-{n}") for n in range(GATEWAYS))

    def database(self, namespace: str) -> str:
        """The URL of a namespace's database, from this machine."""
        host = f"{_DATABASES[namespace]}.2"
        return f"postgresql+psycopg://homeroom:{_PASSWORD}@{host}/homeroom"

    def podman(self, *words: str) -> str:
        return self.inside.run("podman", *words)

    def infra(self, pod: str) -> str:
        """The container that has a pod's networks."""
        return self.podman("pod", "inspect", pod, "--format", "{{.InfraContainerID}}").strip()

    def join(self, pod: str) -> None:
        """Puts a pod that was cut off back on the hub's network."""
        address = f"{_SUBNET}.{_PLACES[pod]}"
        names = [f"--alias={name}" for name in _names(pod)]
        self.podman("network", "connect", f"--ip={address}", *names, "hub", self.infra(pod))

    def wait_until_serving(self, *pods: str) -> None:
        """Waits until each one's health says so.

        Raises:
            NoPodsError: naming one that does not, with the end of its log.
        """
        for pod in pods:
            self._wait(pod)

    def _wait(self, pod: str) -> None:
        patience = time.monotonic() + _READY_SECONDS
        with grpc.insecure_channel(self.address(pod, 50052)) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < patience:
                with suppress(grpc.RpcError):
                    reply = health.Check(health_pb2.HealthCheckRequest(), timeout=1)
                    if reply.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                time.sleep(0.1)
        logs = self.inside.run("podman", "pod", "logs", "--tail=5", pod, check=False)
        raise NoPodsError(f"{pod} is not ready: {logs[-1500:]}")


def found(inside: Debian, kustomize: Sequence[str]) -> Federation:
    """Plays everything, and waits until all of it serves.

    Raises:
        NoPodsError: if something does not.
    """
    layout = _layout(inside.shared / "federation")
    made = Federation(inside, layout, inside.shared / "manifests")
    made.files.mkdir()
    policies = _policies(layout)
    rendered = {name: _rendered(made, kustomize, name) for name in ("hub", *HOLDERS)}
    # The hub's database is that of a node's overlay: no manifest brings it one to try things out.
    rendered["hub"] += [
        one
        for one in rendered[HOLDERS[0]]
        if one["metadata"]["name"].startswith("postgres-dev")
        and one["kind"] in ("Deployment", "Secret")
    ]
    _networks(inside)
    pods = {
        name: list(_namespace(made, name, objects, policies).pods({"gateway": GATEWAYS}))
        for name, objects in rendered.items()
    }
    everything = [pod for some in pods.values() for pod in some]
    for pod in everything:
        if "postgres" in pod.name:
            _play(made, pod)
    _databases(made)
    serving = [pod for pod in everything if "postgres" not in pod.name]
    for pod in serving:
        _play(made, pod)
    made.wait_until_serving(*(pod.name for pod in serving))
    return made


def _layout(folder: Path) -> Layout:
    members = [
        Member(name, name.title(), "district", ("students", "attendance")) for name in HOLDERS
    ]
    members.append(Member(ASKER, "Asker", "community_org", ()))
    folder.mkdir()
    layout = make_layout(folder, members, "embedded", federation=FEDERATION)
    hub_folder = layout.organization(HUB)
    hub = Hub(
        HUB,
        f"{_SUBNET}.{_PLACES['hub-registry-0']}:50051",
        f"{_SUBNET}.{_PLACES['hub-consent-0']}:50051",
        "ipv4:"
        + ",".join(f"{_SUBNET}.{_PLACES[f'hub-gateway-{n}']}:50051" for n in range(GATEWAYS)),
        SigningKey.load(hub_folder / "signing_key.pem").public,
        SigningKey.load(hub_folder / "consent_signing_key.pem").public,
    )
    for name in (HUB, ASKER, *HOLDERS):
        write_profile(layout.organization(name), FEDERATION, hub, force=True)
    # What the registry tells the gateway: names that a pod of the hub can look up.
    addresses = {name: f"node.{name}:50051" for name in HOLDERS} | {ASKER: ""}
    return replace(layout, node_addresses=addresses)


def _policies(layout: Layout) -> Mapping[str, Mapping[str, bytes]]:
    """Each namespace's bundles, signed."""
    federation = _published(layout, FEDERATION_POLICY, HUB)
    return {"hub": {"federation.tar.gz": federation}} | {
        name: {
            "federation.tar.gz": federation,
            "local.tar.gz": _published(layout, LOCAL_POLICY, name, "--organization", name),
        }
        for name in HOLDERS
    }


def _published(layout: Layout, policy: Path, signer: str, *words: str) -> bytes:
    """A bundle that two have signed, as a node takes the first one that it sees."""
    out = layout.organization(signer) / f"{policy.name}.tar.gz"
    key = str(layout.organization(signer) / "signing_key.pem")
    _policy(
        "publish", str(policy), "--out", str(out), "--key", key, "--federation", FEDERATION, *words
    )
    _policy("sign", str(out), "--key", str(_approver(layout)))
    return out.read_bytes()


def _policy(*words: str) -> None:
    command = [sys.executable, "-m", "homeroom", "policy", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)
    if done.returncode:
        raise NoPodsError(f"homeroom policy {words[0]}: {done.stderr}")


def _approver(layout: Layout) -> Path:
    """The key of the second person."""
    file = layout.folder / "approver_key.pem"
    if not file.exists():
        file.write_bytes(SigningKey.generate().to_pem())
    return file


def _rendered(made: Federation, kustomize: Sequence[str], name: str) -> list[Manifest]:
    """What kustomize makes of an overlay like those that the project shows."""
    folder = made.files / name
    folder.mkdir()
    base = Path("deploy/k8s")
    to = Path(*[".."] * (len(folder.resolve().parts) - 1)) / (PROJECT / base).resolve().relative_to(
        "/"
    )
    components = [
        "mtls-files",
        "opa",
        "postgres-external" if name == "hub" else "postgres-dev",
        "small",
    ]
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": name,
        "resources": [str(to / "base" / ("hub" if name == "hub" else "node"))],
        "components": [str(to / "components" / one) for one in components],
        "configMapGenerator": [
            {"name": f"{service}-settings", "behavior": "merge", "literals": list(said)}
            for service, said in _settings(made.layout, name)
        ],
        "images": [
            {"name": "homeroom", "newName": "localhost/homeroom", "newTag": "dev"},
            {"name": "postgres", "newTag": "17"},
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay), "utf-8")
    done = subprocess.run([*kustomize, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoPodsError(f"the overlay of {name} was not rendered: {done.stderr}")
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def _settings(layout: Layout, name: str) -> Iterator[tuple[str, Sequence[str]]]:
    """What each service is told beside what its base says."""
    hub = layout.organization(HUB)
    key = SigningKey.load(hub / "signing_key.pem").public.hex()
    consent = SigningKey.load(hub / "consent_signing_key.pem").public.hex()
    gateway = SigningKey.load(hub / GATEWAY_LOG_KEY).public.hex()
    approver = SigningKey.load(_approver(layout)).public.hex()
    registry = {"REGISTRY_ORGANIZATION_ID": HUB, "REGISTRY_KEY": key}
    told: Mapping[str, Mapping[str, str]] = {
        "registry": {"GATEWAY_CHECKPOINT_KEY": gateway},
        "consent": registry,
        "gateway": {**registry, "QUERIES_PER_SECOND": "1000", "QUERY_BURST": "10000"},
        "node": {
            **registry,
            "REGISTRY_ADDRESS": "registry.hub:50051",
            "CONSENT_ADDRESS": "consent.hub:50051",
            "CONSENT_ORGANIZATION_ID": HUB,
            "CONSENT_KEY": consent,
            "FEDERATION_POLICY_APPROVER": approver,
            "LOCAL_POLICY_APPROVER": approver,
        },
    }
    for service in _HUB_SERVICES if name == "hub" else ("node",):
        said = {"FEDERATION": FEDERATION, "ORGANIZATION_ID": name, **told[service]}
        yield (
            service,
            [f"HOMEROOM_{service.upper()}_{word}={value}" for word, value in said.items()],
        )


def _namespace(
    made: Federation,
    name: str,
    objects: Sequence[Manifest],
    policies: Mapping[str, Mapping[str, bytes]],
) -> Namespace:
    folder = made.layout.organization(name)
    services = _HUB_SERVICES if name == "hub" else ("node",)
    keys = {
        "registry": {"signing_key.pem": "signing_key.pem"},
        "consent": {"signing_key.pem": "consent_signing_key.pem"},
        "gateway": {"checkpoint_key.pem": GATEWAY_LOG_KEY},
        "node": {one: one for one in ("signing_key.pem", "sealing_key.pem", "checkpoint_key.pem")},
    }
    brought: dict[str, Mapping[str, bytes]] = {"policies": policies[name]}
    for service in services:
        tls = {
            "tls.crt": f"{service}.pem",
            "tls.key": f"{service}_key.pem",
            "ca.crt": "authorities.pem",
        }
        brought[f"{service}-tls"] = {to: (folder / of).read_bytes() for to, of in tls.items()}
        brought[f"{service}-keys"] = {
            to: (folder / of).read_bytes() for to, of in keys[service].items()
        }
        url = f"postgresql+psycopg://homeroom:{_PASSWORD}@postgres-dev/{service}"
        brought[f"{service}-database"] = {"url": url.encode()}
    volumes = made.inside.shared / "volumes"
    return Namespace(name, objects, volumes, brought)


def _networks(inside: Debian) -> None:
    for name, subnet in {"hub": _SUBNET, **{f"{n}-db": s for n, s in _DATABASES.items()}}.items():
        inside.run("podman", "network", "create", f"--subnet={subnet}.0/24", name)


def _names(pod: str) -> Sequence[str]:
    """By which names a Service would be found."""
    namespace, service, *_ = pod.split("-")
    return [service, f"{service}.hub"] if namespace == "hub" else [f"{service}.{namespace}"]


def _play(made: Federation, pod: Played) -> None:
    namespace = pod.name.split("-")[0]
    database = f"{namespace}-db"
    if "postgres" in pod.name:
        networks = [f"{database}:ip={_DATABASES[namespace]}.2,alias=postgres-dev"]
    else:
        aliases = ",".join(f"alias={name}" for name in _names(pod.name))
        networks = [f"hub:ip={_SUBNET}.{_PLACES[pod.name]},{aliases}", database]
    file = made.files / f"{pod.name}.yaml"
    file.write_text(yaml.safe_dump_all(pod.manifests), "utf-8")
    made.podman("kube", "play", *(f"--network={one}" for one in networks), str(file))


def _databases(made: Federation) -> None:
    """One for each service of the hub; a node has one."""
    for network in _DATABASES.values():
        patience = time.monotonic() + _READY_SECONDS
        while time.monotonic() < patience:
            with (
                suppress(OSError),
                socket.create_connection((f"{network}.2", 5432), 1),
            ):
                break
            time.sleep(0.1)
    create = ["exec", "--env", f"PGPASSWORD={_PASSWORD}", "hub-postgres-dev-0-postgresql"]
    for service in _HUB_SERVICES:
        made.podman(*create, "psql", "-U", "homeroom", "-c", f"CREATE DATABASE {service}")
