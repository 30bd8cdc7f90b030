"""Follows the consent service, and joins it with the registry's state: the node's replica."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.clock import Clock
from homeroom.consent import ConsentReader
from homeroom.errors import (
    EvidenceInvalidError,
    LogUnavailableError,
    StateBehindError,
    StateStaleError,
)
from homeroom.evidence import check_signature, decode
from homeroom.federation import FederationState
from homeroom.identity import Identity
from homeroom.sealing import SealingKey
from homeroom.signing import Domain
from services.node.domain.agreement_memory import Remembered, grown, without_forgotten
from services.node.domain.consent_book import Arrived, ConsentShelf, Progress, Revoked, take
from services.node.domain.consents import ConsentProblem
from services.node.domain.replica import Evidence, Freshness
from services.runtime.logs import log
from services.runtime.registry_feed import RegistryFeed

if TYPE_CHECKING:
    from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

_AHEAD = dt.timedelta(seconds=5)
_SILENCE_SECONDS = 10.0
_BEHIND_SECONDS = 2.0
_BATCH = 500
_QUEUE = 2_000
_LOOK_AGAIN_SECONDS = 60.0
_PASSING = (
    grpc.aio.AioRpcError,
    EvidenceInvalidError,
    LogUnavailableError,
    StateStaleError,
    TimeoutError,
)
"""What a watch is begun anew after; anything else is a fault of ours, and ends the node."""


class ConsentFeed:
    """Follows the consent service and keeps, on disk, what it says of this organization.

    Attributes:
        epoch: counts up whenever what is permitted may have changed.
    """

    def __init__(
        self,
        own: Identity,
        consent_key: bytes,
        sealing_key: SealingKey,
        shelf: ConsentShelf,
        registry: RegistryFeed,
        clock: Clock,
    ) -> None:
        self._own = own
        self._organization_id = own.organization_id
        self._consent_key = consent_key
        self._reader = ConsentReader(own.organization_id, sealing_key)
        self._shelf = shelf
        self._registry = registry
        self._clock = clock
        self._progress = shelf.progress()
        self._changed = asyncio.Condition()
        self._turn = asyncio.Lock()
        self._confirmed_here = False
        self.epoch = 0

    @property
    def freshness(self) -> Freshness:
        """How far consents are known."""
        return Freshness(self._progress.sequence, self._progress.confirmed_at)

    async def wait_for(self, sequence: int, seconds: float) -> bool:
        """Waits until a sequence has been seen; False if it was not in time."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self._progress.sequence >= sequence)
        except TimeoutError:
            return False
        return True

    async def first_confirmation(self) -> None:
        """Waits until the consent service has confirmed what is known here."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._confirmed_here)

    async def follow(self, channel: grpc.aio.Channel) -> None:
        """Watches the consent service for as long as the node runs, reconnecting when it must."""
        stub: ConsentServiceAsyncStub = ConsentServiceStub(channel)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(_PASSING),
            wait=wait_random_exponential(multiplier=0.2, max=2),
        ):
            with attempt:
                await self._watch(stub)

    async def settle_again(self) -> None:
        """Looks once more at consents with a problem; codes or organizations may be known now."""
        async with self._turn:
            waiting = await asyncio.to_thread(self._shelf.unsettled)
            if not waiting:
                return
            arrived = await asyncio.to_thread(self._read_again, waiting)
            await asyncio.to_thread(take, self._shelf, arrived, self._progress)
            self.epoch += 1

    async def settle_whenever_the_registry_changes(self) -> None:
        """Looks again at consents with a problem after every change of the registry.

        And each minute: by then the records may say what was missing.
        """
        settled = 0
        while True:
            await self._registry.wait_for(settled + 1, _LOOK_AGAIN_SECONDS)
            settled = self._registry.sequence
            # Without the registry's state no recorder can be checked; it will come, as will room.
            with suppress(StateStaleError, LogUnavailableError):
                await self.settle_again()

    async def _watch(self, stub: "ConsentServiceAsyncStub") -> None:
        self._registry.state()  # without it no recorder's signature can be checked
        after = self._progress.organization_sequence
        call = stub.WatchConsents(pb.WatchConsentsRequest(after_sequence=after))
        events: asyncio.Queue[pb.WatchConsentsResponse] = asyncio.Queue(_QUEUE)
        reading = asyncio.ensure_future(_read(call, events))
        try:
            while True:
                await self._take(await _next_events(events, reading))
        finally:
            reading.cancel()
            call.cancel()

    async def _take(self, events: Sequence[pb.WatchConsentsResponse]) -> None:
        changes = [change for event in events for change in event.changes.changes]
        progress = self._progress
        for event in events:
            for change in event.changes.changes:
                progress = _advanced(progress, change)
            if event.HasField("heartbeat"):
                progress = self._confirmed(progress, event.heartbeat)
        async with self._turn:
            if changes:
                arrived = await asyncio.to_thread(self._read_all, changes)
                await asyncio.to_thread(take, self._shelf, arrived, progress)
            elif progress.sequence != self._progress.sequence:
                await asyncio.to_thread(self._shelf.confirm, progress)
            async with self._changed:
                self._progress = progress
                self._confirmed_here |= any(event.HasField("heartbeat") for event in events)
                if changes:
                    self.epoch += 1
                self._changed.notify_all()

    def _confirmed(self, progress: Progress, evidence: evidence_pb2.SignedStatement) -> Progress:
        if len(evidence.signatures) != 1:
            raise EvidenceInvalidError("the consent service signs alone")
        check_signature(
            Domain.CONSENT_HEARTBEAT, evidence.statement, evidence.signatures[0], self._consent_key
        )
        beat = decode(pb.ConsentHeartbeat, evidence.statement)
        meant = (beat.federation, beat.organization_id)
        beat_time = beat.beat_time.ToDatetime(dt.UTC)
        if meant != (self._own.federation, self._organization_id):
            raise EvidenceInvalidError("a heartbeat for another organization")
        if beat.organization_sequence != progress.organization_sequence:
            raise EvidenceInvalidError("a change of consents is missing")
        if beat.sequence < progress.sequence or beat_time > self._clock() + _AHEAD:
            raise EvidenceInvalidError("the consent service went back, or its clock is ahead")
        return replace(progress, sequence=beat.sequence, confirmed_at=beat_time)

    def _read_all(self, changes: Sequence[pb.ConsentChange]) -> list[Arrived | Revoked]:
        state = self._registry.state()
        return [
            self._arrived(change.recorded, state)
            if change.HasField("recorded")
            else _revoked(change.revoked)
            for change in changes
            # As a recipient this organization hears of consents to records that others hold.
            if change.HasField("revoked") or self._is_held_here(change)
        ]

    def _is_held_here(self, change: pb.ConsentChange) -> bool:
        return change.HasField("recorded") and change.recorded.holder == self._organization_id

    def _arrived(self, consent: pb.Consent, state: FederationState) -> Arrived:
        try:
            evidence = self._reader.open(consent)
        except EvidenceInvalidError:
            return Arrived(
                consent.consent_id, consent.recorder, b"", None, ConsentProblem.EVIDENCE_INVALID
            )
        return self._checked(consent, evidence, state)

    def _read_again(self, waiting: Sequence[Arrived]) -> list[Arrived | Revoked]:
        state = self._registry.state()
        return [
            self._checked(
                pb.Consent(
                    consent_id=arrived.consent_id,
                    recorder=arrived.recorder,
                    holder=self._organization_id,
                ),
                arrived.statement,
                state,
            )
            for arrived in waiting
        ]

    def _checked(
        self,
        consent: pb.Consent,
        evidence: bytes,
        state: FederationState,
    ) -> Arrived:
        kept = (consent.consent_id, consent.recorder, evidence)
        recorder = state.organizations.get(consent.recorder)
        if recorder is None:
            return Arrived(*kept, None, ConsentProblem.RECORDER_NOT_A_PARTY)
        try:
            opened = self._reader.read(consent, evidence, recorder.signing_key)
        except EvidenceInvalidError:
            return Arrived(*kept, None, ConsentProblem.EVIDENCE_INVALID)
        if not self._agreed(state, opened.terms.agreement_id, consent.recorder):
            return Arrived(*kept, opened, ConsentProblem.RECORDER_NOT_A_PARTY)
        return Arrived(*kept, opened)

    def _agreed(self, state: FederationState, agreement_id: str, recorder: str) -> bool:
        """Whether recorder and holder are parties of the agreement, or of any if none is named."""
        named = (agreement_id,) if agreement_id else tuple(state.agreements)
        parties = (state.agreement_of_parties(one, recorder) for one in named)
        return any(
            agreement is not None and agreement.document.party(self._organization_id) is not None
            for agreement in parties
        )


class AgreementShelf(Protocol):
    """Where a node remembers how far it has seen agreements' histories."""

    def remembered(self) -> Mapping[str, Remembered]: ...

    def remember(self, seen: Mapping[str, Remembered]) -> None: ...


class NodeReplica:
    """The node's own copy of registry and consent state; implements `Replica`.

    What a party has said of an agreement stays said here, even if the registry forgets it.
    """

    def __init__(
        self, registry: RegistryFeed, consents: ConsentFeed, shelf: AgreementShelf
    ) -> None:
        self._registry = registry
        self._consents = consents
        self._shelf = shelf
        self._remembered = dict(shelf.remembered())
        self._known: FederationState | None = None
        self._seen: FederationState | None = None

    def evidence(self) -> Evidence:
        state = self._registry.state()
        if state is not self._seen or self._known is None:
            self._known = self._remembering(state)
            self._seen = state
        return Evidence(
            federation=self._known,
            registry=Freshness(state.sequence, self._registry.confirmed_at),
            consent=self._consents.freshness,
            epoch=(state.sequence, self._consents.epoch),
        )

    async def wait_for(self, registry_sequence: int, consent_sequence: int) -> None:
        if not await self._registry.wait_for(registry_sequence, _BEHIND_SECONDS):
            raise StateBehindError("the registry's change has not arrived", state="registry")
        if not await self._consents.wait_for(consent_sequence, _BEHIND_SECONDS):
            raise StateBehindError("the change of consents has not arrived", state="consent")

    def _remembering(self, state: FederationState) -> FederationState:
        new = grown(state, self._remembered)
        if new:
            self._shelf.remember(new)
            self._remembered |= new
        return without_forgotten(state, self._remembered)


def _advanced(progress: Progress, change: pb.ConsentChange) -> Progress:
    """Follows the chain of this organization's changes: none may be missing."""
    last = progress.organization_sequence
    if change.previous_sequence != last or change.sequence <= last:
        raise EvidenceInvalidError("a change of consents is missing")
    return replace(
        progress,
        sequence=max(progress.sequence, change.sequence),
        organization_sequence=change.sequence,
    )


def _revoked(evidence: evidence_pb2.SignedStatement) -> Revoked:
    # Whoever said it: a revocation only takes away, so it is never refused.
    revocation = decode(pb.Revocation, evidence.statement)
    return Revoked(revocation.consent_id, revocation.revoke_time.ToDatetime(dt.UTC))


async def _read(
    call: "grpc.aio.UnaryStreamCall[pb.WatchConsentsRequest, pb.WatchConsentsResponse]",
    events: asyncio.Queue[pb.WatchConsentsResponse],
) -> None:
    async for event in call:
        await events.put(event)
    raise TimeoutError


async def _next_events(
    events: asyncio.Queue[pb.WatchConsentsResponse], reading: asyncio.Future[None]
) -> Sequence[pb.WatchConsentsResponse]:
    """The next event, and those that wait behind it: they are applied in one transaction."""
    arriving = asyncio.ensure_future(events.get())
    try:
        async with asyncio.timeout(_SILENCE_SECONDS):
            either: set[asyncio.Future[Any]] = {arriving, reading}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not arriving.done():
            arriving.cancel()
    if not arriving.done():
        log.info("the consent service ended the stream")
        await reading
        raise TimeoutError
    taken = [arriving.result()]
    while len(taken) < _BATCH and not events.empty():
        taken.append(events.get_nowait())
    return taken
