"""Compares a node with what the registry says: its time, and how the organization is registered."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import grpc

from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from homeroom.clock import Clock
from homeroom.errors import EvidenceInvalidError
from homeroom.federation import DIALS_OUT, FederationState, Organization, Standing
from homeroom.sealing import SealingKey
from homeroom.signing import SigningKey
from homeroom.snapshot import open_heartbeat, open_snapshot
from services.node.commands.doctor.finding import Finding, fine, look, wrong
from services.node.settings import NodeSettings

_SECONDS = 15.0
_CLOCK, _REGISTRY = "clock", "registry's word"


@dataclass(frozen=True, slots=True)
class Told:
    """What the registry said.

    Attributes:
        ahead: how much later its clock is than this machine's.
    """

    state: FederationState
    ahead: dt.timedelta


async def ask_registry(
    channel: grpc.aio.Channel, settings: NodeSettings, clock: Clock
) -> Told | Finding:
    """The registry's state and time, each by its signature; or why there is none."""
    key = bytes.fromhex(settings.registry_key)
    state: FederationState | None = None
    try:
        async with asyncio.timeout(_SECONDS):
            call = RegistryServiceStub(channel).WatchSnapshot(pb.WatchSnapshotRequest())
            async for response in call:
                if response.HasField("snapshot"):
                    state = open_snapshot(response.snapshot, key, settings.federation)
                elif state is not None:
                    _, said = open_heartbeat(response.heartbeat, key, settings.federation)
                    return Told(state, said - clock())
    except EvidenceInvalidError as refused:
        remedy = "compare REGISTRY_KEY and FEDERATION with what your hub gave out"
        return wrong(_REGISTRY, refused.message, remedy)
    except (grpc.aio.AioRpcError, TimeoutError):
        pass
    return wrong(_REGISTRY, "it told no state", "see below whether it can be reached")


def examine_clock(told: Told, settings: NodeSettings) -> Finding:
    """Whether this machine's time is the registry's, as near as questions must be."""
    apart = abs(told.ahead.total_seconds())
    said = f"{apart:.1f} s from the registry's"
    remedy = "have this machine take its time from the network (timedatectl set-ntp true)"
    if apart > settings.max_clock_skew_seconds:
        return wrong(_CLOCK, f"{said}; {settings.max_clock_skew_seconds} s are borne", remedy)
    if apart > settings.max_clock_skew_seconds / 4:
        return look(_CLOCK, said, remedy)
    return fine(_CLOCK, said)


def clock_unknown() -> Finding:
    """What is said of the clock where the registry told no time."""
    remedy = "compare it with another clock (timedatectl): a wrong one breaks TLS too"
    return look(_CLOCK, "not compared: the registry told no time that can be believed", remedy)


def examine_registration(state: FederationState, settings: NodeSettings) -> list[Finding]:
    """Whether the organization is registered as this node is, and may take part."""
    own = state.organizations.get(settings.organization_id)
    if own is None:
        remedy = "register it: `homeroom org register`"
        return [wrong("registration", "the federation does not know the organization", remedy)]
    return [_standing(own), *_keys(own, settings), _address(own, settings)]


def peers_with_nodes(state: FederationState, own: str) -> Iterable[Organization]:
    """The organizations that have an agreement with this one and run a node."""
    of_each = [
        {party.organization_id for party in agreement.document.parties}
        for agreement in state.agreements.values()
    ]
    parties = {name for some in of_each if own in some for name in some}
    return (
        organization
        for name, organization in sorted(state.organizations.items())
        if name in parties and name != own and organization.node_address not in ("", DIALS_OUT)
    )


def _standing(own: Organization) -> Finding:
    if own.standing is Standing.ACTIVE:
        return fine("standing", str(own.standing))
    remedy = "ask the federation's operator: until it is active nobody is asked or answered"
    return wrong("standing", str(own.standing), remedy)


def _keys(own: Organization, settings: NodeSettings) -> list[Finding]:
    registered: dict[str, tuple[bytes, Callable[[], bytes]]] = {
        "signing key": (own.signing_key, lambda: SigningKey.load(settings.signing_key).public),
        "sealing key": (own.sealing_key, lambda: SealingKey.load(settings.sealing_key).public),
        "checkpoint key": (
            own.checkpoint_key,
            lambda: SigningKey.load(settings.checkpoint_key).public,
        ),
    }
    return [_key(f"registered {what}", *both) for what, both in registered.items()]


def _key(what: str, known: bytes, load: Callable[[], bytes]) -> Finding:
    remedy = "set the key that is registered, or register this one (docs/keys.md)"
    try:
        same = load() == known
    except (OSError, EvidenceInvalidError):
        return wrong(what, "there is no key here to compare it with", remedy)
    return fine(what, "is the one here") if same else wrong(what, "is another than here", remedy)


def _address(own: Organization, settings: NodeSettings) -> Finding:
    what = "registered address"
    if not own.node_address:
        remedy = "register where the gateway reaches the node: `homeroom org register`"
        return wrong(what, "none: nobody asks this node", remedy)
    if (own.node_address == DIALS_OUT) != bool(settings.gateway_address):
        remedy = f"register `{DIALS_OUT}` where GATEWAY_ADDRESS is set, and only there"
        return wrong(what, f"{own.node_address}, and the node does otherwise", remedy)
    if own.node_address == DIALS_OUT:
        return fine(what, own.node_address)
    if own.node_address.rpartition(":")[2] != settings.address.rpartition(":")[2]:
        remedy = "make sure that whatever stands between leads from one to the other"
        return look(what, f"{own.node_address}, and the node is at {settings.address}", remedy)
    return fine(what, own.node_address)
