"""Follows the consent service, and settles what it says of this organization's records."""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.clock import Clock
from homeroom.errors import (
    EvidenceInvalidError,
    LogUnavailableError,
    ServiceUnreachableError,
    StateStaleError,
)
from homeroom.evidence import check_signature, decode
from homeroom.federation import FederationState
from homeroom.identity import Identity
from homeroom.key_history import SigningKeys
from homeroom.merkle import HASH_BYTES
from homeroom.signing import Domain
from services.node.domain.consent_book import (
    Arrived,
    Change,
    ConsentBook,
    Narrowed,
    Progress,
    Revoked,
)
from services.node.domain.replica import Freshness, SeenLog
from services.node.peers.consent_readers import ConsentReaders
from services.runtime.logs import log
from services.runtime.registry_feed import RegistryFeed
from services.runtime.trying import keep_up

if TYPE_CHECKING:
    from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

_AHEAD = dt.timedelta(seconds=5)
_SILENCE_SECONDS = 10.0
_BATCH = 2_000
_QUEUE = 6
_MANY = 200
_LULL_SECONDS = 2.0
_PASSING = (
    grpc.aio.AioRpcError,
    EvidenceInvalidError,
    LogUnavailableError,
    ServiceUnreachableError,
    StateStaleError,
    TimeoutError,
)
"""What a watch is begun anew after; anything else is a fault of ours, and ends the node."""


class ConsentFeed:
    """Follows the consent service and keeps, on disk, what it says of this organization.

    Attributes:
        epoch: counts up whenever what is permitted may have changed.
        on_taken_back: is told how long ago the service took each withdrawal that counts from now.
    """

    def __init__(
        self,
        own: Identity,
        consent_key: bytes,
        readers: ConsentReaders,
        book: ConsentBook,
        registry: RegistryFeed,
        clock: Clock,
    ) -> None:
        self._own = own
        self._organization_id = own.organization_id
        self._consent_key = consent_key
        self._readers = readers
        self._book = book
        self._shelf = book.shelf
        self._registry = registry
        self._clock = clock
        self._progress = self._shelf.progress()
        self._changed = asyncio.Condition()
        self._turn = asyncio.Lock()
        self._confirmed_here = False
        self._many_at = -_LULL_SECONDS
        self.epoch = 0
        self.on_taken_back: Callable[[dt.timedelta], None] = lambda _lag: None

    @property
    def freshness(self) -> Freshness:
        """How far consents are known."""
        return Freshness(self._progress.sequence, self._progress.confirmed_at)

    @property
    def seen_log(self) -> SeenLog:
        """What the consent service's log was at its last heartbeat."""
        return self._progress.log

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

    async def lull(self, seconds: float) -> None:
        """Waits until consents no longer arrive by the hundred, or that long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        left = min(end, self._many_at + _LULL_SECONDS) - loop.time()
        while left > 0:
            await asyncio.sleep(left)
            left = min(end, self._many_at + _LULL_SECONDS) - loop.time()

    async def follow(self, channel: grpc.aio.Channel) -> None:
        """Watches the consent service for as long as the node runs, reconnecting when it must."""
        stub: ConsentServiceAsyncStub = ConsentServiceStub(channel)
        await keep_up(lambda: self._watch(stub), _PASSING)

    async def close(self) -> None:
        """Ends what reads for it."""
        await self._readers.close()

    async def settle(self, due: Sequence[Arrived]) -> None:
        """Settles consents again that came before.

        Raises:
            StateStaleError: if no state of the registry is known, or it has expired.
            PolicyUnavailableError: if the policy gave no usable finding.
            ServiceUnreachableError: if consents cannot be read at the moment.
        """
        state = self._registry.state()
        async with self._turn:
            now = self._clock()
            read = await self._readers.again(due, _signing_keys(state), now)
            await self._book.settle_again(read, state, now)
            self.epoch += 1

    async def between_batches(self, note: Callable[[str], None], revision: str) -> None:
        """Has something noted while nothing is being settled: what was settled before is known."""
        async with self._turn:
            await asyncio.to_thread(note, revision)

    def note_change(self) -> None:
        """What is permitted may have changed here: running answers look again."""
        self.epoch += 1

    async def _watch(self, stub: "ConsentServiceAsyncStub") -> None:
        self._registry.state()  # without it no recorder's signature can be checked
        await self._readers.begin()
        after = self._progress.organization_sequence
        call = stub.WatchConsents(pb.WatchConsentsRequest(after_sequence=after))
        events: asyncio.Queue[_Event] = asyncio.Queue(_QUEUE)
        reading = asyncio.ensure_future(self._read_ahead(call, events))
        try:
            while True:
                await self._take(await _next_events(events, reading))
        finally:
            reading.cancel()
            call.cancel()

    async def _read_ahead(
        self,
        call: "grpc.aio.UnaryStreamCall[pb.WatchConsentsRequest, pb.WatchConsentsResponse]",
        events: asyncio.Queue["_Event"],
    ) -> None:
        """Opens what arrives while what came before it is settled: the databases keep that busy."""
        while True:
            # A half-open connection is silent: heartbeats come every few seconds.
            async with asyncio.timeout(_SILENCE_SECONDS):
                message = await call.read()
            if not isinstance(message, pb.WatchConsentsResponse):
                log.info("the consent service ended the stream")
                raise TimeoutError
            await events.put(await self._read(message))

    async def _take(self, events: Sequence["_Event"]) -> None:
        progress = self._progress
        for event in events:
            progress = _advanced(progress, event.message.changes.changes)
            if event.message.HasField("heartbeat"):
                progress = self._confirmed(progress, event.message.heartbeat)
        changed = sum(len(event.message.changes.changes) for event in events)
        if changed >= _MANY:
            self._many_at = asyncio.get_running_loop().time()
        async with self._turn:
            if changed:
                state = self._registry.state()
                read = [change for event in events for change in await self._by(state, event)]
                await self._book.take(read, progress, state, self._clock())
                self._tell_taken_back(read)
            elif progress.sequence != self._progress.sequence:
                await asyncio.to_thread(self._shelf.confirm, progress)
            async with self._changed:
                self._progress = progress
                self._confirmed_here |= any(event.message.HasField("heartbeat") for event in events)
                if changed:
                    self.epoch += 1
                self._changed.notify_all()

    def _tell_taken_back(self, read: Sequence[Change]) -> None:
        """Tells of what was withdrawn since the last confirmation; older history has no lag."""
        since, now = self._progress.confirmed_at, self._clock()
        for one in read if since is not None else ():
            at = one.revoked_at if isinstance(one, Revoked) else None
            at = one.narrowed_at if isinstance(one, Narrowed) else at
            if at is not None and since is not None and at >= since:
                self.on_taken_back(now - at)

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
        seen = SeenLog(beat.sequence, beat.log_root)
        if len(seen.root) != HASH_BYTES or (
            seen.size == progress.log.size and seen != progress.log and progress.log.root
        ):
            raise EvidenceInvalidError("the consent service's log is another than before")
        return replace(progress, sequence=beat.sequence, confirmed_at=beat_time, log=seen)

    async def _by(self, state: FederationState, event: "_Event") -> Sequence[Change]:
        """What an event says by a state of the registry: by another, a key may be another."""
        if event.message.changes.changes and event.state is not state:
            event = await self._read(event.message, state)
        return event.read

    async def _read(
        self, message: pb.WatchConsentsResponse, state: FederationState | None = None
    ) -> "_Event":
        changes = message.changes.changes
        if not changes:
            return _Event(message, None, ())
        by = state or self._registry.state()
        page = _not_before(message.changes, self._progress.confirmed_at)
        read = await self._readers.changes(page, _signing_keys(by), self._clock())
        return _Event(message, by, read)


@dataclass(frozen=True, slots=True)
class _Event:
    """What the consent service sent at once.

    Attributes:
        state: of the registry, by which it was read.
        read: what its changes mean here.
    """

    message: pb.WatchConsentsResponse
    state: FederationState | None
    read: Sequence[Change]


def _signing_keys(state: FederationState) -> Mapping[str, SigningKeys]:
    return {name: one.keys.ends for name, one in state.organizations.items()}


def _not_before(page: pb.ConsentChanges, confirmed_at: dt.datetime | None) -> pb.ConsentChanges:
    """Changes as they came, none taken before what the service itself had confirmed by then.

    Else it could give a key that was stolen later its word back.
    """
    if confirmed_at is None:
        return page
    earliest = Timestamp()
    earliest.FromDatetime(confirmed_at)
    if all(_order(change.take_time) >= _order(earliest) for change in page.changes):
        return page
    late = pb.ConsentChanges()
    late.CopyFrom(page)
    for change in late.changes:
        if _order(change.take_time) < _order(earliest):
            change.take_time.CopyFrom(earliest)
    return late


def _order(instant: Timestamp) -> tuple[int, int]:
    return instant.seconds, instant.nanos


def _advanced(progress: Progress, changes: Iterable[pb.ConsentChange]) -> Progress:
    """Follows the chain of this organization's changes: none may be missing."""
    last = progress.organization_sequence
    for change in changes:
        if change.previous_sequence != last or change.sequence <= last:
            raise EvidenceInvalidError("a change of consents is missing")
        last = change.sequence
    newest = max(progress.sequence, last)
    return replace(progress, sequence=newest, organization_sequence=last)


async def _next_events(
    events: asyncio.Queue[_Event], reading: asyncio.Future[None]
) -> Sequence[_Event]:
    """The next event, and those that wait behind it: they are applied in one transaction."""
    arriving = asyncio.ensure_future(events.get())
    try:
        either: set[asyncio.Future[Any]] = {arriving, reading}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not arriving.done():
            arriving.cancel()
    if not arriving.done():
        await reading
        raise TimeoutError
    taken = [arriving.result()]
    while sum(len(e.message.changes.changes) for e in taken) < _BATCH and not events.empty():
        taken.append(events.get_nowait())
    return taken
