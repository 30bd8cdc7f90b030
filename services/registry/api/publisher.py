"""Publishes the registry's state: signs each snapshot and heartbeat once, for all who watch."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.clock import Clock
from homeroom.errors import ServiceUnreachableError
from homeroom.evidence import signed
from homeroom.signing import Domain, SigningKey
from services.registry.api.messages import agreement_message, organization_message
from services.registry.domain.ledger import Contents, RegistryStore
from services.runtime.logs import log


@dataclass(frozen=True, slots=True)
class SnapshotSigner:
    """Signs for the registry.

    Attributes:
        lifetime: how long a snapshot may be relied on.
    """

    federation: str
    organization_id: str
    key: SigningKey
    lifetime: dt.timedelta

    def snapshot(self, contents: Contents, issue_time: dt.datetime) -> evidence_pb2.SignedStatement:
        """The snapshot of what stands; all but its times depends on the contents alone."""
        snapshot = pb.Snapshot(
            federation=self.federation,
            sequence=contents.sequence,
            organizations=[organization_message(one) for one in contents.organizations],
            agreements=[agreement_message(one) for one in contents.agreements],
        )
        snapshot.issue_time.FromDatetime(issue_time)
        snapshot.expire_time.FromDatetime(issue_time + self.lifetime)
        return self._signed(Domain.SNAPSHOT, snapshot.SerializeToString(deterministic=True))

    def heartbeat(self, sequence: int, beat_time: dt.datetime) -> evidence_pb2.SignedStatement:
        """The word that a sequence was the newest at a time."""
        beat = pb.Heartbeat(federation=self.federation, sequence=sequence)
        beat.beat_time.FromDatetime(beat_time)
        return self._signed(Domain.REGISTRY_HEARTBEAT, beat.SerializeToString(deterministic=True))

    def _signed(self, domain: Domain, statement: bytes) -> evidence_pb2.SignedStatement:
        return signed(domain, statement, self.organization_id, self.key)


@dataclass(frozen=True, slots=True)
class _Published:
    """A signed snapshot; the edition counts up with each, also when one is only signed anew."""

    edition: int
    sequence: int
    issue_time: dt.datetime
    evidence: evidence_pb2.SignedStatement


@dataclass(frozen=True, slots=True)
class _Beat:
    number: int
    sequence: int
    evidence: evidence_pb2.SignedStatement


class Publisher:
    """The newest snapshot and heartbeat of this process, and those who wait for the next."""

    def __init__(
        self,
        store: RegistryStore,
        signer: SnapshotSigner,
        clock: Clock,
        heartbeat_seconds: float,
    ) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds
        self._published: _Published | None = None
        self._beat: _Beat | None = None
        self._refreshing = asyncio.Lock()
        self._news = asyncio.Condition()
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Says that this process committed a change: it is published at once."""
        self._changed.set()

    async def newest(self) -> evidence_pb2.SignedStatement:
        """The newest signed snapshot, changes by other replicas included."""
        return (await self._refresh()).evidence

    async def run(self) -> None:
        """Publishes changes and heartbeats for as long as the service runs."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time()
        while True:
            # However many calls come that change nothing, they put off no heartbeat.
            due = loop.time() >= next_beat
            if due:
                next_beat = loop.time() + self._heartbeat_seconds
            try:
                await (self._publish_beat() if due else self._refresh())
            except ServiceUnreachableError:
                # Watchers hear nothing until the database answers: silence is how they notice.
                log.warning("nothing is published while the database does not answer")
            await self._changed_before(next_beat)

    async def watch(self) -> AsyncIterator[pb.WatchSnapshotResponse]:
        """The newest snapshot, each newer one, and heartbeats between them.

        The newest heartbeat follows the first snapshot at once: a snapshot may be hours old.
        A watcher too slow for every snapshot gets the newest: each holds the whole state.
        """
        published = await self._refresh()
        yield pb.WatchSnapshotResponse(snapshot=published.evidence)
        edition, sequence, beats = published.edition, published.sequence, 0
        while True:
            async with self._news:
                while not self._is_news(edition, beats):
                    await self._news.wait()
                newest, beat = self._published, self._beat
            if newest is not None and newest.edition > edition:
                edition, sequence = newest.edition, newest.sequence
                yield pb.WatchSnapshotResponse(snapshot=newest.evidence)
            if beat is not None and beat.number > beats:
                beats = beat.number
                if beat.sequence == sequence:
                    yield pb.WatchSnapshotResponse(heartbeat=beat.evidence)

    def _is_news(self, edition: int, beats: int) -> bool:
        return (self._published is not None and self._published.edition > edition) or (
            self._beat is not None and self._beat.number > beats
        )

    async def _changed_before(self, moment: float) -> None:
        try:
            async with asyncio.timeout_at(moment):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def _publish_beat(self) -> None:
        # Read before the database is asked: what was true then is what the beat confirms.
        beat_time = self._clock()
        published = await self._refresh()
        evidence = self._signer.heartbeat(published.sequence, beat_time)
        async with self._news:
            number = self._beat.number + 1 if self._beat else 1
            self._beat = _Beat(number, published.sequence, evidence)
            self._news.notify_all()

    async def _refresh(self) -> _Published:
        """The newest snapshot, signed anew only if the state moved or half its life has passed."""
        async with self._refreshing:
            now = self._clock()
            known = self._published
            if (
                known is not None
                and now < known.issue_time + self._signer.lifetime / 2
                and await asyncio.to_thread(self._store.sequence) == known.sequence
            ):
                return known
            published = await asyncio.to_thread(self._sign, now, known.edition if known else 0)
            async with self._news:
                self._published = published
                self._news.notify_all()
            return published

    def _sign(self, now: dt.datetime, edition: int) -> _Published:
        contents = self._store.contents()
        return _Published(edition + 1, contents.sequence, now, self._signer.snapshot(contents, now))
