"""Reads how far the order of changes has come, once for all who watch, and wakes them."""

import asyncio
import datetime as dt
from dataclasses import dataclass

from homeroom.clock import Clock
from homeroom.errors import ServiceUnreachableError
from services.consent.domain.ledger import ConsentStore, LogHead
from services.runtime.logs import log


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the order had come.

    Attributes:
        number: counts up with each reading.
        beat: counts up with each reading that watchers confirm by a heartbeat.
        head: the log after the newest of all changes, whose sequence is its size.
        time: an instant before the reading, so that nothing older can be missing from it.
    """

    number: int
    beat: int
    head: LogHead
    time: dt.datetime

    @property
    def sequence(self) -> int:
        """The newest sequence of all changes."""
        return self.head.size


class Pulse:
    """The newest reading of this process: made at once after its own changes, and every beat."""

    def __init__(self, store: ConsentStore, clock: Clock, heartbeat_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds
        self._chains: dict[str, int] = {}
        self._reading: Reading | None = None
        self._taking = asyncio.Lock()
        self._news = asyncio.Condition()
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """Says that this process committed a change: watchers are woken at once."""
        self._changed.set()

    def chain_of(self, organization_id: str) -> int:
        """The newest step that concerns an organization, as of the newest reading or later."""
        return self._chains.get(organization_id, 0)

    async def run(self) -> None:
        """Takes readings for as long as the service runs; other replicas' changes are found so."""
        loop = asyncio.get_running_loop()
        next_beat = loop.time() + self._heartbeat_seconds
        while True:
            await self._changed_before(next_beat)
            due = loop.time() >= next_beat
            if due:
                next_beat = loop.time() + self._heartbeat_seconds
            try:
                await self.take(beat=due)
            except ServiceUnreachableError:
                # Watchers hear nothing until the database answers: silence is how they notice.
                log.warning("nothing is confirmed while the database does not answer")

    async def take(self, *, beat: bool = False) -> Reading:
        """Takes a reading now."""
        async with self._taking:
            before = self._reading
            time = self._clock()
            heads = await asyncio.to_thread(self._store.heads, before.sequence if before else 0)
            self._chains.update(heads.chains)
            reading = Reading(
                number=before.number + 1 if before else 1,
                beat=(before.beat if before else 0) + (1 if beat else 0),
                head=LogHead(heads.sequence, heads.root),
                time=time,
            )
            async with self._news:
                self._reading = reading
                self._news.notify_all()
            return reading

    async def after(self, number: int) -> Reading:
        """The newest reading, once it is newer than the one of that number."""
        async with self._news:
            while self._reading is None or self._reading.number <= number:
                await self._news.wait()
            return self._reading

    async def _changed_before(self, moment: float) -> None:
        try:
            async with asyncio.timeout_at(moment):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()
