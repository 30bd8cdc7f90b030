"""Lays out a federation on one machine: keys, certificates, addresses, and each process's settings.

<folder>/authority, hub, <organization>   made by the development authority
<folder>/<organization>/records.db, state.db
<folder>/logs                             what each process says
<folder>/layout.json                      how to start it again
"""

import datetime as dt
import json
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from deploy.local.addresses import free_addresses
from homeroom.development import (
    GATEWAY_LOG_KEY,
    HUB_ROLES,
    ORGANIZATION_ROLES,
    DevelopmentAuthority,
    Hub,
    write_profile,
    write_secret,
)
from homeroom.identity import Identity, Role
from homeroom.signing import SigningKey

PROJECT = Path(__file__).resolve().parents[2]
FEDERATION_POLICY = PROJECT / "policy" / "federation"
LOCAL_POLICY = PROJECT / "policy" / "local"
# Here every service shares one machine with all the others, and a decision that waits its turn for
# a core is no slow policy.
POLICY_SECONDS = "2"

HUB = "hub"

EngineKind = Literal["embedded", "server"]


@dataclass(frozen=True, slots=True)
class Member:
    """An organization of the federation."""

    organization_id: str
    display_name: str
    kind: str
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process of ours.

    Attributes:
        health_address: where it says whether it serves.
        policies: for each OPA server beside it, its policy folder and the socket it listens on.
    """

    module: str
    environment: Mapping[str, str]
    health_address: str
    policies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Layout:
    """A federation on one machine, as it is written in `layout.json`."""

    folder: Path
    federation: str
    members: tuple[Member, ...]
    node_addresses: Mapping[str, str]
    processes: Mapping[str, ProcessPlan]

    def organization(self, organization_id: str) -> Path:
        """The folder of one organization."""
        return self.folder / organization_id

    def profile(self, organization_id: str) -> Path:
        """The profile of one organization."""
        return self.organization(organization_id) / "profile.toml"

    def records_url(self, organization_id: str) -> str:
        """The database of one node's records."""
        return f"sqlite:///{self.organization(organization_id) / 'records.db'}"

    def state_url(self, organization_id: str) -> str:
        """The database of one node's own state."""
        return f"sqlite:///{self.organization(organization_id) / 'state.db'}"

    def save(self) -> None:
        """Writes `layout.json`."""
        content = asdict(self)
        del content["folder"]
        (self.folder / "layout.json").write_text(json.dumps(content, indent=1), "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Layout":
        """Reads `layout.json`."""
        content = json.loads((folder / "layout.json").read_text("utf-8"))
        return cls(
            folder=folder,
            federation=content["federation"],
            members=tuple(
                Member(**{**member, "datasets": tuple(member["datasets"])})
                for member in content["members"]
            ),
            node_addresses=content["node_addresses"],
            processes={name: ProcessPlan(**plan) for name, plan in content["processes"].items()},
        )


def make_layout(
    folder: Path,
    members: Sequence[Member],
    engine: EngineKind,
    *,
    federation: str = "demo.homeroom",
    node_settings: Mapping[str, str] | None = None,
    hosts: Mapping[str, str] | None = None,
) -> Layout:
    """Makes keys, certificates and profiles, and chooses free ports.

    Args:
        folder: must be new or empty.
        members: the organizations; each runs a node.
        engine: whether policies run in each process or in OPA servers beside it.
        federation: its name, as in every certificate.
        node_settings: further settings of every node, such as `max_state_age_seconds`.
        hosts: where processes listen that do not on this machine's own address.
    """
    now = dt.datetime.now(dt.UTC)
    authority = DevelopmentAuthority.create(folder, federation, now)
    hub_folder = authority.make_organization(HUB, HUB_ROLES, now)
    consent_key = SigningKey.generate()
    write_secret(hub_folder / "consent_signing_key.pem", consent_key.to_pem())
    (folder / "logs").mkdir()
    names = ["registry", "consent", "gateway", *(member.organization_id for member in members)]
    addresses = {name: free_addresses(1, *_host(hosts, name))[0] for name in names}
    hub = Hub(
        HUB,
        registry_address=addresses["registry"],
        consent_address=addresses["consent"],
        gateway_address=addresses["gateway"],
        registry_key=SigningKey.load(hub_folder / "signing_key.pem").public,
        consent_key=consent_key.public,
    )
    node_addresses = {m.organization_id: addresses[m.organization_id] for m in members}
    for name, address in node_addresses.items():
        member_folder = authority.make_organization(name, ORGANIZATION_ROLES, now)
        write_profile(member_folder, federation, hub, node_address=address)
    write_profile(hub_folder, federation, hub)
    plans = _Plans(folder, federation, hub, consent_key, engine)
    layout = Layout(
        folder,
        federation,
        tuple(members),
        node_addresses,
        plans.processes(node_addresses, node_settings or {}),
    )
    layout.save()
    return layout


def _host(hosts: Mapping[str, str] | None, name: str) -> Sequence[str]:
    return [hosts[name]] if hosts and name in hosts else []


@dataclass(frozen=True, slots=True)
class _Plans:
    """Makes the plan of each process."""

    folder: Path
    federation: str
    hub: Hub
    consent_key: SigningKey
    engine: EngineKind

    def processes(
        self, node_addresses: Mapping[str, str], node_settings: Mapping[str, str]
    ) -> dict[str, ProcessPlan]:
        """Every process of the federation, in the order in which they start."""
        return {
            "registry": self.registry(),
            "consent": self.consent(),
            "gateway": self.gateway(),
            **{
                organization_id: self.node(organization_id, address, node_settings)
                for organization_id, address in node_addresses.items()
            },
        }

    def registry(self) -> ProcessPlan:
        gateway_key = self.folder / HUB / GATEWAY_LOG_KEY
        return self._plan(
            Identity(self.federation, HUB, Role.REGISTRY),
            self.hub.registry_address,
            {
                "signing_key": str(self.folder / HUB / "signing_key.pem"),
                "database_url": f"sqlite:///{self.folder / HUB / 'registry.db'}",
                "gateway_checkpoint_key": SigningKey.load(gateway_key).public.hex(),
                "heartbeat_seconds": "1",
            },
        )

    def consent(self) -> ProcessPlan:
        return self._plan(
            Identity(self.federation, HUB, Role.CONSENT),
            self.hub.consent_address,
            {
                "signing_key": str(self.folder / HUB / "consent_signing_key.pem"),
                "database_url": f"sqlite:///{self.folder / HUB / 'consent.db'}",
                **self._registry(),
            },
        )

    def gateway(self) -> ProcessPlan:
        return self._plan(
            Identity(self.federation, HUB, Role.GATEWAY),
            self.hub.gateway_address,
            {
                "policy_engine": self.engine,
                "federation_policy": str(FEDERATION_POLICY),
                "policy_seconds": POLICY_SECONDS,
                "queries_per_second": "1000",
                "query_burst": "10000",
                "checkpoint_key": str(self.folder / HUB / GATEWAY_LOG_KEY),
                "database_url": f"sqlite:///{self.folder / HUB / 'gateway.db'}",
                **self._registry(),
            },
            {"policy_address": FEDERATION_POLICY},
        )

    def node(self, organization_id: str, address: str, more: Mapping[str, str]) -> ProcessPlan:
        own = self.folder / organization_id
        return self._plan(
            Identity(self.federation, organization_id, Role.NODE),
            address,
            {
                "signing_key": str(own / "signing_key.pem"),
                "sealing_key": str(own / "sealing_key.pem"),
                "checkpoint_key": str(own / "checkpoint_key.pem"),
                "records_url": f"sqlite:///{own / 'records.db'}",
                "state_url": f"sqlite:///{own / 'state.db'}",
                "consent_address": self.hub.consent_address,
                "consent_organization_id": HUB,
                "consent_key": self.consent_key.public.hex(),
                "policy_engine": self.engine,
                "federation_policy": str(FEDERATION_POLICY),
                "local_policy": str(LOCAL_POLICY),
                "policy_seconds": POLICY_SECONDS,
                **self._registry(),
                **more,
            },
            {
                "federation_policy_address": FEDERATION_POLICY,
                "local_policy_address": LOCAL_POLICY,
            },
        )

    def _registry(self) -> Mapping[str, str]:
        return {
            "registry_address": self.hub.registry_address,
            "registry_organization_id": HUB,
            "registry_key": self.hub.registry_key.hex(),
        }

    def _plan(
        self,
        identity: Identity,
        address: str,
        settings: Mapping[str, str],
        policies: Mapping[str, Path] | None = None,
    ) -> ProcessPlan:
        service, own = str(identity.role), self.folder / identity.organization_id
        health_address, metrics_address = free_addresses(2, address.rpartition(":")[0])
        sockets = self._sockets(policies or {})
        whole = {
            **settings,
            **{setting: f"unix:{path}" for setting, (path, _) in sockets.items()},
            "federation": self.federation,
            "organization_id": identity.organization_id,
            "address": address,
            "certificate": str(own / f"{service}.pem"),
            "private_key": str(own / f"{service}_key.pem"),
            "authorities": str(own / "authorities.pem"),
            "health_address": health_address,
            "metrics_address": metrics_address,
        }
        return ProcessPlan(
            module=f"services.{service}",
            environment={
                f"HOMEROOM_{service.upper()}_{name.upper()}": value for name, value in whole.items()
            },
            health_address=health_address,
            policies={path: str(policy) for path, policy in sockets.values()},
        )

    def _sockets(self, policies: Mapping[str, Path]) -> Mapping[str, tuple[str, Path]]:
        """For each setting of an OPA's address, its socket and the policy it serves."""
        if self.engine == "embedded":
            return {}
        # A socket's path is limited to about 100 bytes, so it does not stand in the folder.
        run = Path(tempfile.mkdtemp(prefix="homeroom-"))
        return {
            setting: (str(run / f"{setting}-{secrets.token_hex(4)}"), policy)
            for setting, policy in policies.items()
        }
