"""What a case's holder has set up for its node: keys, its file about itself, policies, settings."""

import datetime as dt
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from homeroom.development import DevelopmentAuthority
from homeroom.identity import Identity, Role
from services.node.settings import NodeSettings
from services.runtime.policy import find_opa, start_opa_server
from tools.law.case import Case, Facts, organization_named
from tools.law.hub import HUB, Hub
from tools.law.members import FEDERATION, Members

_POLICY = Path(__file__).resolve().parents[2] / "policy"


@dataclass(frozen=True)
class Surroundings:
    """What every case's node has around it.

    Attributes:
        ports: where the registry and the consent service answer.
        opa: the binary that decides as servers; None decides in the node's own process.
        federation_policy: the address of the server with the federation's rules.
    """

    authority: DevelopmentAuthority
    hub: Hub
    ports: Mapping[Role, int]
    opa: Path | None = None
    federation_policy: str = ""


@contextmanager
def federation_server(folder: Path, engine: str) -> Iterator[tuple[Path | None, str]]:
    """The binary and the address of a server with the federation's rules, if servers decide.

    Raises:
        LookupError: if servers are asked for and there is no `opa` here.
    """
    if engine == "embedded":
        yield None, ""
        return
    opa = find_opa(os.environ)
    if opa is None:
        raise LookupError("there is no opa binary here: make opa installs it where Go is at hand")
    with _server(_POLICY / "federation", folder / "federation.sock", opa) as address:
        yield opa, address


@contextmanager
def local_server(folder: Path, opa: Path | None) -> Iterator[str]:
    """The address of a server with the holder's own rules, if servers decide."""
    if opa is None:
        yield ""
        return
    with _server(folder / "local", folder / "local.sock", opa) as address:
        yield address


@contextmanager
def _server(policy: Path, socket: Path, opa: Path) -> Iterator[str]:
    server = start_opa_server(policy, socket, opa, output=subprocess.DEVNULL)
    try:
        yield f"unix:{socket}"
    finally:
        server.terminate()
        server.wait()


def local_settings(rules: Facts) -> dict[str, Any]:
    """The local template's settings that say what a holder decided for itself."""
    return {
        "approval_required": sorted(rules["approval_required_for"]),
        "closed_to": [],
        "min_ages": {},
        "min_cell_size": rules["min_cell_size"],
        "never_share": sorted(rules["never_share"]),
        "obligations": [],
        "schools": {"all": True},
    }


def write_local_policy(case: Case, folder: Path) -> None:
    """Writes the local template with the settings of the case's holder."""
    shutil.copytree(_POLICY / "local", folder / "local")
    settings = local_settings(case.holder["local_rules"])
    (folder / "local" / "data.json").write_text(json.dumps({"local": settings}))


def node_settings(
    case: Case, members: Members, folder: Path, around: Surroundings, local_address: str
) -> NodeSettings:
    """The settings of the holder's node, with the files that they name."""
    own = Identity(FEDERATION, members.holder.organization_id, Role.NODE)
    files = _write_files(case, members, folder, around.authority, own)
    return NodeSettings.model_validate(
        {
            "federation": FEDERATION,
            "organization_id": own.organization_id,
            "address": "127.0.0.1:0",
            **files,
            "records_url": f"sqlite:///{folder}/records.db",
            "state_url": f"sqlite:///{folder}/state.db",
            **_hub_settings(around),
            "policy_engine": "server" if around.opa else "embedded",
            "policy_seconds": 5.0,
            "federation_policy": _POLICY / "federation",
            "federation_policy_address": around.federation_policy,
            "local_policy": folder / "local",
            "local_policy_address": local_address,
            "max_state_age_seconds": case.holder["local_rules"]["max_state_age_seconds"],
        }
    )


def _hub_settings(around: Surroundings) -> dict[str, Any]:
    hub = around.hub
    return {
        "registry_address": f"127.0.0.1:{around.ports[Role.REGISTRY]}",
        "registry_organization_id": HUB,
        "registry_key": hub.registry_key.public.hex(),
        "consent_address": f"127.0.0.1:{around.ports[Role.CONSENT]}",
        "consent_organization_id": HUB,
        "consent_key": hub.consent_key.public.hex(),
    }


def _write_files(
    case: Case, members: Members, folder: Path, authority: DevelopmentAuthority, own: Identity
) -> Mapping[str, Path]:
    certificate, key = authority.issue(own, dt.datetime.now(dt.UTC))
    files = {
        "certificate": certificate,
        "private_key": key,
        "authorities": authority.authorities(),
        "signing_key": members.holder.signing.to_pem(),
        "sealing_key": members.holder.sealing.to_pem(),
        "checkpoint_key": members.holder.checkpoint.to_pem(),
        "holder_file": yaml.safe_dump(_holder_file(case)).encode(),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def _holder_file(case: Case) -> Facts:
    """What the holder says of itself: coverage, state, notices, computed elements."""
    holder, notices = case.holder, case.holder["notices"]
    parties, purposes = (notices[f"directory_limited_to_{of}"] for of in ("parties", "purposes"))
    told = {
        "school_official_criteria": notices["school_official_criteria"],
        "forwards_records_on_transfer": notices["forwards_records_on_transfer"],
        "directory_types": notices["directory_types"],
        "directory_limited_to_parties": (
            "all" if parties is None else [organization_named(name) for name in parties]
        ),
        "directory_limited_to_purposes": "all" if purposes is None else purposes,
    }
    return {
        "ferpa_covered": holder["ferpa_covered"],
        "jurisdiction": case.facts["jurisdiction"],
        "notices": {name: value for name, value in told.items() if value is not None},
        "derived_from": case.request["derived_from"] or {},
    }
