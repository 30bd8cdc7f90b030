"""Serves the registry's RPCs as a witness of logs."""

import asyncio
import datetime as dt
from contextlib import suppress
from functools import partial

from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceServicer
from homeroom.audit.beginning import open_beginning
from homeroom.audit.checkpoint import (
    GATEWAY_LOG,
    cosign,
    log_origin,
    open_cosignatures,
    registry_witness_name,
    require_log_name,
    witness_key,
    witness_name,
)
from homeroom.audit.growth import Contradiction
from homeroom.clock import Clock
from homeroom.errors import (
    EvidenceInvalidError,
    NotPermittedError,
    RequestInvalidError,
    ServiceUnreachableError,
    TooMuchAskedError,
)
from homeroom.identity import Role
from homeroom.signing import SigningKey
from services.registry.api import messages
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.thinning import KEPT_WHOLE
from services.registry.domain.witness import (
    MAX_NOTE_CHARACTERS,
    MAX_PATH_BYTES,
    FoundContradiction,
    LogKeeper,
    ShownCheckpoint,
    TakenCheckpoint,
    Verdict,
    Witness,
    WitnessStore,
)
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.logs import log
from services.runtime.pages import page_size_of
from services.runtime.writes import content_digest

_THIN_SECONDS = 3600.0

_KINDS: "dict[Contradiction, pb.ContradictionKind.ValueType]" = {
    Contradiction.SHORTENED: pb.CONTRADICTION_KIND_SHORTENED,
    Contradiction.FORKED: pb.CONTRADICTION_KIND_FORKED,
}


async def thin_logs(store: WitnessStore, clock: Clock) -> None:
    """Leaves out what need not be kept of old checkpoints, for as long as the service runs."""
    while True:
        with suppress(ServiceUnreachableError):  # the next try finds the database
            for name in await asyncio.to_thread(store.logs):
                await asyncio.to_thread(store.thin, name, clock() - KEPT_WHOLE)
        await asyncio.sleep(_THIN_SECONDS)


class WitnessServicer(WitnessServiceServicer):
    """The witness's RPCs. Database work runs in threads."""

    def __init__(
        self,
        store: WitnessStore,
        federation: str,
        key: SigningKey,
        clock: Clock,
        gateway_key: bytes,
    ) -> None:
        """Witnesses for one federation.

        Args:
            store: keeps what was taken and refused.
            federation: its name.
            key: the registry's; it cosigns.
            clock: tells when.
            gateway_key: signs checkpoints of the gateway's log.
        """
        self._store = store
        # Whoever runs the gateway cannot explain a loss away alone: the registry's key has to sign.
        self._gateway = LogKeeper(GATEWAY_LOG, gateway_key, key.public)
        self._federation = federation
        self._clock = clock
        name = registry_witness_name(federation)
        self._witness = Witness(
            partial(log_origin, federation), lambda note: cosign(note, name, key, clock())
        )

    async def SubmitCheckpoint(
        self, request: pb.SubmitCheckpointRequest, _context: ServicerContext
    ) -> pb.SubmitCheckpointResponse:
        caller = current_caller()
        is_gateway = caller.role is Role.GATEWAY
        log_name = GATEWAY_LOG if is_gateway else caller.organization_id
        content_digest(request, request.request_id)
        _require_size(request.note, request.consistency_path)
        now = self._clock().replace(microsecond=0)
        verdict = await asyncio.to_thread(
            self._store.decide,
            log_name,
            partial(self._judge, request, now, self._gateway if is_gateway else None),
        )
        if isinstance(verdict, FoundContradiction):
            log.error("a log contradicts itself", organization=log_name, state=str(verdict.kind))
            raise EvidenceInvalidError("this log did not only grow", kind=str(verdict.kind))
        return pb.SubmitCheckpointResponse(checkpoint=_taken_message(verdict))

    async def SubmitCosignature(
        self, request: pb.SubmitCosignatureRequest, _context: ServicerContext
    ) -> pb.SubmitCosignatureResponse:
        caller = current_caller().organization_id
        content_digest(request, request.request_id)
        log_of = require_log_name(request.organization_id)
        position = _place(request.position)
        if log_of == caller:
            raise NotPermittedError("nobody witnesses a log of its own")
        _require_size(request.line, b"")
        organization = await asyncio.to_thread(self._store.organization, caller)
        rule = partial(self._line, request.line, caller, organization)
        await asyncio.to_thread(self._store.add_cosignature, log_of, position, rule)
        return pb.SubmitCosignatureResponse()

    async def ListCheckpoints(
        self, request: pb.ListCheckpointsRequest, _context: ServicerContext
    ) -> pb.ListCheckpointsResponse:
        organization_id = require_log_name(request.organization_id)
        limit = page_size_of(request.page_size)
        if request.newest:
            newest = await asyncio.to_thread(self._store.newest, organization_id)
            found = [newest] if newest is not None else []
        else:
            after = _place(request.after_position)
            found = list(await asyncio.to_thread(self._store.taken, organization_id, after, limit))
        return pb.ListCheckpointsResponse(checkpoints=[_taken_message(one) for one in found])

    async def ListContradictions(
        self, request: pb.ListContradictionsRequest, _context: ServicerContext
    ) -> pb.ListContradictionsResponse:
        found = await asyncio.to_thread(
            self._store.contradictions,
            require_log_name(request.organization_id),
            _place(request.after_position),
            page_size_of(request.page_size),
        )
        return pb.ListContradictionsResponse(
            contradictions=[_contradiction_message(one) for one in found]
        )

    def _judge(
        self,
        request: pb.SubmitCheckpointRequest,
        now: dt.datetime,
        gateway: LogKeeper | None,
        organization: RegisteredOrganization | None,
        newest: TakenCheckpoint | None,
    ) -> Verdict:
        keeper = gateway or _keeper_of(organization)
        beginning = None
        if request.HasField("beginning") and keeper is not None:
            said = open_beginning(
                request.beginning, self._federation, keeper.log_name, keeper.signing_key
            )
            beginning = (said, messages.statement_of(request.beginning))
        shown = ShownCheckpoint(
            request.note, request.known_size, request.consistency_path, beginning
        )
        return self._witness.judge(shown, keeper, newest, now)

    def _line(
        self,
        line: str,
        caller: str,
        organization: RegisteredOrganization | None,
        taken: TakenCheckpoint | None,
    ) -> tuple[str, str]:
        if organization is None or not organization.checkpoint_key or taken is None:
            raise NotPermittedError("no such checkpoint to this caller")
        key = witness_key(witness_name(self._federation, caller), organization.checkpoint_key)
        alone = taken.note[: taken.note.index("\n\n") + 2]
        if line.count("\n") != 1 or not open_cosignatures(alone + line, [key]):
            raise EvidenceInvalidError("the caller did not cosign this checkpoint")
        return caller, line


def _keeper_of(organization: RegisteredOrganization | None) -> LogKeeper | None:
    if organization is None:
        return None
    own = organization.organization_id
    return LogKeeper(own, organization.checkpoint_key, organization.signing_key)


def _require_size(text: str, path: bytes) -> None:
    if len(text) > MAX_NOTE_CHARACTERS or len(path) > MAX_PATH_BYTES:
        raise TooMuchAskedError("a checkpoint is too large", limit=f"{MAX_NOTE_CHARACTERS}")


def _place(position: int) -> int:
    if position >= 2**63:
        raise RequestInvalidError("there is no such place", field="position")
    return position


def _taken_message(taken: TakenCheckpoint) -> pb.WitnessedCheckpoint:
    message = pb.WitnessedCheckpoint(
        position=taken.position,
        note=taken.whole_note,
        consistency_path=taken.path,
        previous_position=taken.previous,
    )
    message.witness_time.FromDatetime(taken.taken_at)
    if taken.beginning is not None:
        message.beginning.CopyFrom(messages.statement_message(taken.beginning))
    return message


def _contradiction_message(found: FoundContradiction) -> pb.LogContradiction:
    message = pb.LogContradiction(
        position=found.position,
        kind=_KINDS[found.kind],
        known_note=found.known_note,
        refused_note=found.refused_note,
    )
    message.refuse_time.FromDatetime(found.refused_at)
    return message
