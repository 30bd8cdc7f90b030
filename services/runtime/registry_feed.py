"""Follows the registry: keeps its newest verified snapshot and knows how fresh that is."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import grpc

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from homeroom.clock import Clock
from homeroom.errors import EvidenceInvalidError, LogUnavailableError, StateStaleError
from homeroom.evidence import decode
from homeroom.federation import FederationState
from homeroom.histories import Histories
from homeroom.snapshot import open_heartbeat, open_snapshot
from services.runtime.logs import log
from services.runtime.trying import keep_up

if TYPE_CHECKING:
    from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceAsyncStub

_AHEAD = dt.timedelta(seconds=5)
_SILENCE_SECONDS = 20.0


class SnapshotShelf(Protocol):
    """Where a service keeps the newest snapshot over a restart."""

    def load(self) -> bytes | None:
        """The serialized SignedStatement that was saved last."""
        ...

    def save(self, snapshot: bytes) -> None:
        """Keeps a serialized SignedStatement in place of the one before."""
        ...


class NoShelf:
    """Keeps nothing: for services that start empty and wait for the registry."""

    def load(self) -> bytes | None:
        return None

    def save(self, snapshot: bytes) -> None:
        """Forgets it; the registry will send it again."""


class RegistryFeed:
    """The registry's state as this service has verified it.

    Attributes:
        confirmed_at: when the registry last said, by its own signed clock, that this is the newest.
    """

    def __init__(
        self, federation: str, registry_key: bytes, clock: Clock, shelf: SnapshotShelf
    ) -> None:
        self._federation = federation
        self._registry_key = registry_key
        self._clock = clock
        self._shelf = shelf
        self._state: FederationState | None = None
        self._histories = Histories()
        self._changed = asyncio.Condition()
        self._before_taking: Callable[[FederationState], None] | None = None
        self.confirmed_at: dt.datetime | None = None
        self._restore()

    @property
    def clock(self) -> Clock:
        """By which it says what is expired."""
        return self._clock

    @property
    def sequence(self) -> int:
        """The sequence of the newest verified snapshot; 0 before the first."""
        return self._state.sequence if self._state else 0

    def before_taking(self, act: Callable[[FederationState], None]) -> None:
        """Has something done with each state before anyone sees it, the one at hand included."""
        self._before_taking = act
        if self._state is not None:
            act(self._state)

    def state(self) -> FederationState:
        """The newest verified state.

        Raises:
            StateStaleError: if there is none yet, or it has expired.
        """
        if self._state is None or self._clock() >= self._state.expire_time:
            raise StateStaleError("the registry's state is not known", state="registry")
        return self._state

    async def wait_for(self, sequence: int, seconds: float) -> bool:
        """Waits until a sequence has been seen; False if it was not in time."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.sequence >= sequence)
        except TimeoutError:
            return False
        return True

    async def first_state(self) -> None:
        """Waits until there is a state at all."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._state is not None)

    async def follow(self, channel: grpc.aio.Channel) -> None:
        """Watches the registry for as long as the service runs, reconnecting when it must."""
        stub: RegistryServiceAsyncStub = RegistryServiceStub(channel)
        failures = (
            *(grpc.aio.AioRpcError, TimeoutError),
            *(EvidenceInvalidError, LogUnavailableError),
        )
        await keep_up(lambda: self._watch(stub), failures)

    async def _watch(self, stub: "RegistryServiceAsyncStub") -> None:
        call = stub.WatchSnapshot(pb.WatchSnapshotRequest())
        try:
            while True:
                # A half-open connection is silent: heartbeats come every few seconds.
                async with asyncio.timeout(_SILENCE_SECONDS):
                    event = await call.read()
                if not isinstance(event, pb.WatchSnapshotResponse):
                    raise TimeoutError
                await self._take(event)
        finally:
            call.cancel()

    async def _take(self, event: pb.WatchSnapshotResponse) -> None:
        if event.HasField("snapshot"):
            await self._take_snapshot(event.snapshot)
        elif event.HasField("heartbeat"):
            sequence, confirmed_at = open_heartbeat(
                event.heartbeat, self._registry_key, self._federation
            )
            if sequence == self.sequence:
                self._confirm(confirmed_at)

    async def _take_snapshot(self, evidence: evidence_pb2.SignedStatement) -> None:
        state = self._opened(evidence)
        if state.sequence < self.sequence:
            raise EvidenceInvalidError("the registry went back to an older state")
        self._require_past(state.issue_time)
        await asyncio.to_thread(self._shelf.save, evidence.SerializeToString())
        if self._before_taking is not None:
            await asyncio.to_thread(self._before_taking, state)
        async with self._changed:
            self._state = state
            self._confirm(state.issue_time)
            self._changed.notify_all()
        log.info("registry state taken", sequence=state.sequence)

    def _opened(self, evidence: evidence_pb2.SignedStatement) -> FederationState:
        return open_snapshot(evidence, self._registry_key, self._federation, self._histories)

    def _require_past(self, confirmed_at: dt.datetime) -> None:
        # What is confirmed in the future would never be stale.
        if confirmed_at > self._clock() + _AHEAD:
            raise EvidenceInvalidError("the registry's clock is ahead")

    def _confirm(self, confirmed_at: dt.datetime) -> None:
        self._require_past(confirmed_at)
        if self.confirmed_at is None or confirmed_at > self.confirmed_at:
            self.confirmed_at = confirmed_at

    def _restore(self) -> None:
        saved = self._shelf.load()
        if saved is None:
            return
        try:
            evidence = decode(evidence_pb2.SignedStatement, saved)
            state = self._opened(evidence)
            self._require_past(state.issue_time)
        except EvidenceInvalidError:
            log.warning("the saved registry state does not check and is not used")
        else:
            self._state, self.confirmed_at = state, state.issue_time
