"""Has the registry witness a service's log, away from queries: a failure only ages what it has."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from homeroom.api.registry.v1 import witness_service_pb2 as pb
from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceStub
from homeroom.audit.beginning import sign_beginning
from homeroom.audit.checkpoint import (
    log_origin,
    open_cosignatures,
    read_checkpoint,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.growth import Contradiction, LogBeginning
from homeroom.audit.note import NoteKey
from homeroom.errors import (
    ChangedMeanwhileError,
    EvidenceInvalidError,
    HomeroomError,
    StateStaleError,
)
from homeroom.federation import FederationState
from homeroom.identity import Identity, Role
from homeroom.remote import error_of
from homeroom.signing import SigningKey
from services.runtime.audit.cosignatures import Gathering
from services.runtime.audit.reading import LogReader
from services.runtime.audit.standing import LogStanding, Witnessed, contradiction_of
from services.runtime.channels import Channels
from services.runtime.logs import log
from services.runtime.settings import WitnessedSettings

if TYPE_CHECKING:
    from homeroom.api.registry.v1.witness_service_pb2_grpc import WitnessServiceAsyncStub

A = TypeVar("A")

_CALL_SECONDS = 5.0
_REQUEST_BYTES = 16
_TELL_AFTER = 3


async def _answered(calling: Awaitable[A]) -> A:
    try:
        return await calling
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from None


class LogWitness:
    """The registry, as a service calls it about its own log."""

    def __init__(
        self, channel: grpc.aio.Channel, federation: str, log_name: str, registry_key: bytes
    ) -> None:
        """Calls about one log.

        Args:
            channel: to the registry.
            federation: its name.
            log_name: the organization whose node keeps it, or `GATEWAY_LOG`.
            registry_key: what the registry signs with.
        """
        self._stub: WitnessServiceAsyncStub = WitnessServiceStub(channel)
        self._federation = federation
        self._log_name = log_name
        self._key = witness_key(registry_witness_name(federation), registry_key)
        self.origin = log_origin(federation, log_name)

    @classmethod
    def of(cls, settings: WitnessedSettings, log_name: str, channels: Channels) -> "LogWitness":
        """The registry that the settings name."""
        registry = Identity(settings.federation, settings.registry_organization_id, Role.REGISTRY)
        return cls(
            channels.to(settings.registry_address, registry),
            settings.federation,
            log_name,
            bytes.fromhex(settings.registry_key),
        )

    async def newest(self) -> Witnessed | None:
        """The newest checkpoint that it has of the log.

        Raises:
            EvidenceInvalidError: if it did not cosign what it shows, or that is of another log.
        """
        request = pb.ListCheckpointsRequest(organization_id=self._log_name, newest=True)
        answer = await _answered(self._stub.ListCheckpoints(request, timeout=_CALL_SECONDS))
        return self._witnessed(answer.checkpoints[0]) if answer.checkpoints else None

    async def show(
        self,
        note: str,
        known: Witnessed | None,
        path: bytes,
        beginning: tuple[LogBeginning, SigningKey] | None = None,
    ) -> Witnessed:
        """Shows it a checkpoint that continues what it has, or begins anew by the owner's word."""
        request = pb.SubmitCheckpointRequest(
            note=note,
            known_size=known.checkpoint.size if known else 0,
            consistency_path=path,
            request_id=secrets.token_hex(_REQUEST_BYTES),
        )
        if beginning is not None:
            said, key = beginning
            statement = sign_beginning(said, self._federation, self._log_name, key)
            request.beginning.CopyFrom(statement)
        answer = await _answered(self._stub.SubmitCheckpoint(request, timeout=_CALL_SECONDS))
        return self._witnessed(answer.checkpoint)

    async def notes_after(self, position: int) -> Sequence[tuple[int, int, str]]:
        """Position, size and note of each checkpoint that it has after a place, in their order."""
        request = pb.ListCheckpointsRequest(organization_id=self._log_name, after_position=position)
        answer = await _answered(self._stub.ListCheckpoints(request, timeout=_CALL_SECONDS))
        return [
            (one.position, read_checkpoint(one.note).size, one.note) for one in answer.checkpoints
        ]

    @property
    def key(self) -> NoteKey:
        """The registry's own, as a witness."""
        return self._key

    def _witnessed(self, shown: pb.WitnessedCheckpoint) -> Witnessed:
        checkpoint = read_checkpoint(shown.note)
        cosigned = open_cosignatures(shown.note, [self._key])
        if checkpoint.origin != self.origin or not cosigned:
            raise EvidenceInvalidError("the registry shows what it did not witness")
        return Witnessed(shown.position, checkpoint, cosigned[0].at)


class Witnessing:
    """Compares the log with what was witnessed, and has it witnessed as it grows."""

    def __init__(
        self,
        log: LogReader,
        standing: LogStanding,
        key: SigningKey,
        every: dt.timedelta,
        state: Callable[[], FederationState] | None = None,
    ) -> None:
        """Works for one log.

        Args:
            log: where it is kept.
            standing: what is known of it, told to whoever writes to it.
            key: that signs its checkpoints.
            every: the time between two of them.
            state: the newest state of the registry, by which partners' lines are checked; without
                it the registry's own are kept alone.
        """
        self._tree = log
        self._standing = standing
        self._key = key
        self._every = every
        self._state = state
        self._compared = asyncio.Event()

    @classmethod
    def of(
        cls,
        settings: WitnessedSettings,
        log: LogReader,
        standing: LogStanding,
        state: Callable[[], FederationState] | None = None,
    ) -> "Witnessing":
        """By the key and the pace that the settings name."""
        key = SigningKey.load(settings.checkpoint_key)
        return cls(log, standing, key, dt.timedelta(seconds=settings.checkpoint_seconds), state)

    async def first_comparison(self) -> None:
        """Waits until the log was compared with its newest witnessed checkpoint."""
        await self._compared.wait()

    async def run(self, witness: LogWitness) -> None:
        """Goes on for as long as the service runs; whatever fails is tried again."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type((HomeroomError, OSError)),
            wait=wait_random_exponential(multiplier=0.2, max=5),
        ):
            with attempt:
                if attempt.retry_state.attempt_number == _TELL_AFTER:
                    log.warning("the witness of the log does not answer")
                await self._compare(witness)
                gathering = Gathering(self._tree, partial(self._witnesses, witness.key))
                while self._standing.contradiction is None:
                    await self._show(witness)
                    await self._gather(gathering, witness)
                    await asyncio.sleep(self._every.total_seconds())
                return

    async def _gather(self, gathering: Gathering, witness: LogWitness) -> None:
        """Keeps what witnesses have added, now and then."""
        if self._standing.witnessed is not None and gathering.is_due():
            await gathering.gather(witness, self._standing.witnessed.position)

    def _witnesses(self, registry: NoteKey) -> list[NoteKey]:
        """Whoever may cosign, by the newest that is known of their keys."""
        try:
            state = self._state() if self._state else None
        except StateStaleError:
            state = None
        partners = state.organizations.values() if state else ()
        return [registry] + [
            witness_key(witness_name(state.federation, one.organization_id), one.checkpoint_key)
            for one in partners
            if state and one.checkpoint_key
        ]

    async def _compare(self, witness: LogWitness) -> None:
        witnessed = await witness.newest()
        await self._hold_to(witnessed)
        self._compared.set()

    async def _hold_to(self, witnessed: Witnessed | None) -> None:
        found = await asyncio.to_thread(contradiction_of, self._tree, witnessed)
        self._settle(witnessed, found)

    async def _show(self, witness: LogWitness) -> None:
        """Shows what the log has grown to since it was witnessed, if it has."""
        known = self._standing.witnessed
        await self._hold_to(known)
        if self._standing.contradiction is not None:
            return
        note, path = await asyncio.to_thread(self._grown, witness.origin, known)
        if not note:
            return
        try:
            self._settle(await witness.show(note, known, path), None)
        except ChangedMeanwhileError:
            # Another process of this service was quicker.
            await self._hold_to(await witness.newest())
        except EvidenceInvalidError as refused:
            kind = refused.metadata.get("kind", "")
            if kind in set(Contradiction):
                self._settle(known, Contradiction(kind))
            else:
                raise

    def _grown(self, origin: str, known: Witnessed | None) -> tuple[str, bytes]:
        size, before = self._tree.size(), known.checkpoint.size if known else 0
        if size == before:
            return "", b""
        note = self._tree.signer(origin, self._key).note(size, self._tree.root(size))
        return note, self._tree.path(before, size)

    def _settle(self, witnessed: Witnessed | None, found: Contradiction | None) -> None:
        if found is not None and self._standing.contradiction is None:
            log.error("the log is not the one that was witnessed", state=str(found))
        self._standing.settle(witnessed, found)
