"""Follows the partners' logs at their witness and cosigns them: the witness could be lying."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from secrets import SystemRandom
from typing import TYPE_CHECKING

import grpc

from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceStub
from homeroom.audit.beginning import open_beginning
from homeroom.audit.checkpoint import (
    cosign,
    log_origin,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.following import FollowedLog, LogContradictedError, ShownCheckpoint, follow
from homeroom.clock import Clock
from homeroom.errors import EvidenceInvalidError, LogUnavailableError, StateStaleError
from homeroom.evidence import key_that_signed
from homeroom.federation import FederationState, Organization
from homeroom.identity import Identity, Role
from homeroom.signing import SigningKey
from services.node.domain.partner_logs import (
    PartnerLog,
    PartnerShelf,
    SeenContradiction,
    longest_unseen,
    partners_of,
)
from services.node.settings import NodeSettings
from services.runtime.logs import log

if TYPE_CHECKING:
    from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceAsyncStub

_EVERY_SECONDS = 60.0
# Each of a hundred nodes would look at ninety-nine logs every minute; so each log is looked at by
# ten of them a minute, however many they are.
_LOGS_AT_A_TIME = 10
_CALL_SECONDS = 5.0
_REQUEST_BYTES = 16
_PAGE = 100


@dataclass(frozen=True, slots=True)
class CheckpointKeys:
    """The node's own checkpoint key, and the registry's public key."""

    own: SigningKey
    registry: bytes


class PartnerLogs:
    """What the node knows of its partners' logs, and does for them."""

    def __init__(
        self,
        own: Identity,
        keys: CheckpointKeys,
        state: Callable[[], FederationState],
        shelf: PartnerShelf,
        clock: Clock,
    ) -> None:
        """Works for one node.

        Args:
            own: who the node is.
            keys: what it cosigns with, and what the registry cosigns with.
            state: the newest state of the registry; StateStaleError while there is none.
            shelf: where it remembers.
            clock: tells when it cosigns.
        """
        self._own = own.organization_id
        self._federation = own.federation
        self._keys = keys
        self._witness = witness_key(registry_witness_name(own.federation), keys.registry)
        self._state = state
        self._shelf = shelf
        self._clock = clock
        self._looks = 0
        self._last_looks: dict[str, int] = {}

    @classmethod
    def of(
        cls,
        settings: NodeSettings,
        state: Callable[[], FederationState],
        shelf: PartnerShelf,
        clock: Clock,
    ) -> "PartnerLogs":
        key = SigningKey.load(settings.checkpoint_key)
        keys = CheckpointKeys(key, bytes.fromhex(settings.registry_key))
        return cls(settings.identity(Role.NODE), keys, state, shelf, clock)

    async def run(self, channel: grpc.aio.Channel) -> None:
        """Looks again and again, for as long as the service runs."""
        stub: WitnessServiceAsyncStub = WitnessServiceStub(channel)
        while True:
            await self.look(stub)
            # Nodes that were started together would all ask at the same moment, each of each.
            await asyncio.sleep(_EVERY_SECONDS * SystemRandom().uniform(0.5, 1.5))

    async def look(self, stub: "WitnessServiceAsyncStub") -> None:
        """Follows some partners' logs as far as they go, those longest unseen.

        One that cannot be followed is tried again when it is its turn.
        """
        try:
            partners = partners_of(self._state(), self._own)
            known = dict(await asyncio.to_thread(self._shelf.partner_logs))
        except (StateStaleError, LogUnavailableError):
            return
        self._looks += 1
        # In no order of their own: nodes that were started together choose unlike.
        SystemRandom().shuffle(partners)
        for partner in longest_unseen(partners, self._last_looks, _LOGS_AT_A_TIME):
            name = partner.organization_id
            self._last_looks[name] = self._looks
            try:
                await self._look_at(stub, partner, known.get(name))
            except grpc.aio.AioRpcError as failed:
                log.info("a partner's log cannot be followed", code=failed.code().name)
            except LogUnavailableError:
                return  # nothing can be remembered now
            except EvidenceInvalidError as wrong:
                log.error("a partner's log does not check", organization=name, state=wrong.message)

    async def _look_at(
        self, stub: "WitnessServiceAsyncStub", partner: Organization, known: PartnerLog | None
    ) -> None:
        name = partner.organization_id
        before = known.followed if known else None
        shown = await self._shown(stub, partner, before)
        try:
            followed = follow(
                before,
                shown,
                log_origin(self._federation, name),
                partner.keys.checkpoint_keys_at,
                self._witness,
            )
        except LogContradictedError as found:
            if known is not None:
                await self._keep(name, self._contradicted(known, found))
            raise
        if followed is None or followed == before:
            return
        # What contradicted it once is evidence for good, whatever it continues since.
        told = known.contradiction if known else None
        await self._keep(name, PartnerLog(followed, self._clock(), told))
        line = cosign(
            followed.note, witness_name(self._federation, self._own), self._keys.own, self._clock()
        )
        request = pb.SubmitCosignatureRequest(
            organization_id=name,
            position=followed.position,
            line=line,
            request_id=secrets.token_hex(_REQUEST_BYTES),
        )
        await stub.SubmitCosignature(request, timeout=_CALL_SECONDS)

    async def _shown(
        self, stub: "WitnessServiceAsyncStub", partner: Organization, known: FollowedLog | None
    ) -> list[ShownCheckpoint]:
        request = pb.ListCheckpointsRequest(
            organization_id=partner.organization_id,
            after_position=known.position if known else 0,
            page_size=_PAGE,
            newest=known is None,
        )
        answer = await stub.ListCheckpoints(request, timeout=_CALL_SECONDS)
        return [self._read(one, partner) for one in answer.checkpoints]

    def _read(self, one: pb.WitnessedCheckpoint, partner: Organization) -> ShownCheckpoint:
        said = None
        if one.HasField("beginning"):
            name, at = partner.organization_id, one.witness_time.ToDatetime(dt.UTC)
            key = key_that_signed(one.beginning, name, partner.keys, at)
            said = open_beginning(one.beginning, self._federation, name, key)
        return ShownCheckpoint(
            one.position, one.note, one.consistency_path, one.previous_position, said
        )

    def _contradicted(self, known: PartnerLog, found: LogContradictedError) -> PartnerLog:
        """What is known, and what it was shown; the first time counts."""
        at = self._clock()
        seen = SeenContradiction(str(found.kind), known.followed.note, found.refused_note, at)
        return PartnerLog(known.followed, at, known.contradiction or seen)

    async def _keep(self, name: str, known: PartnerLog) -> None:
        await asyncio.to_thread(self._shelf.keep_partner_log, name, known)
