"""What a watcher is sent while the order moves, and when the service keeps silent."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.errors import ServiceUnreachableError, StateBehindError
from homeroom.evidence import check_signed_by
from homeroom.signing import Domain, SigningKey
from services.consent.api import HeartbeatSigner, Pulse, Watch
from services.consent.domain.consents import Consent
from services.consent.domain.ledger import (
    Appended,
    Change,
    ChangeRequest,
    Heads,
    ListedConsent,
    LogHead,
    Proof,
    Recorded,
)
from services.consent.domain.notices import Notice
from services.consent.domain.revocations import Revocation
from tests.organizations import NOW

KEY = SigningKey.generate()


class Order:
    """A store in memory that can be away, and counts how often it is read."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Change]] = []
        self.away = False
        self.largest_page = 0
        self.chain_reads = 0

    def add(self, organization_id: str) -> None:
        previous = self.chain_at(organization_id, len(self.steps))
        what = Consent(f"{len(self.steps):032x}", organization_id, organization_id, ())
        self.steps.append((organization_id, Change(len(self.steps) + 1, previous, what)))

    def heads(self, after: int) -> Heads:
        if self.away:
            raise ServiceUnreachableError("away")
        moved = {name: change.sequence for name, change in self.steps if change.sequence > after}
        return Heads(len(self.steps), b"r" * 32, moved)

    def chain_at(self, organization_id: str, sequence: int) -> int:
        mine = [one.sequence for name, one in self.steps if name == organization_id]
        return max((one for one in mine if one <= sequence), default=0)

    def changes(self, organization_id: str, after: int, up_to: int, limit: int) -> Sequence[Change]:
        self.chain_reads += 1
        self.largest_page = max(self.largest_page, limit)
        mine = [one for name, one in self.steps if name == organization_id]
        return [one for one in mine if after < one.sequence <= up_to][:limit]

    def notify(self, request: ChangeRequest, notice: Notice) -> int:
        raise ServiceUnreachableError("nothing is written here")

    def sequences_of(self, consent_ids: Sequence[str]) -> Mapping[str, int]:
        return {}

    def appended(self, size_before: int, size: int) -> Appended:
        raise ServiceUnreachableError("nothing is logged here")

    def proof_of(self, consent_id: str, organization_id: str) -> Proof:
        raise ServiceUnreachableError("nothing is logged here")

    def growth(self, known_size: int, size: int) -> tuple[LogHead, bytes]:
        raise ServiceUnreachableError("nothing is logged here")

    def consents_named(
        self, consent_ids: Sequence[str], organization_id: str
    ) -> Sequence[ListedConsent]:
        return []

    def reports_to(
        self, organization_id: str, after: int, limit: int
    ) -> Sequence[tuple[int, Notice]]:
        return []

    def record(
        self, request: ChangeRequest, consents: Sequence[Consent], *, skip_recorded: bool = False
    ) -> Recorded:
        raise ServiceUnreachableError("nothing is written here")

    def revoke(self, request: ChangeRequest, revocation: Revocation) -> int:
        raise ServiceUnreachableError("nothing is written here")

    def consents_of(self, organization_id: str, after: int, limit: int) -> Sequence[ListedConsent]:
        return []


@asynccontextmanager
async def watching(order: Order, seconds: float) -> AsyncIterator[tuple[Pulse, Watch]]:
    pulse = Pulse(order, lambda: NOW, seconds)
    signer = HeartbeatSigner("test.example", "federation_office", KEY)
    task = asyncio.create_task(pulse.run())
    try:
        async with asyncio.timeout(30):
            yield pulse, Watch(order, pulse, signer)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def beat_of(event: pb.WatchConsentsResponse) -> pb.ConsentHeartbeat:
    statement = check_signed_by(
        Domain.CONSENT_HEARTBEAT, event.heartbeat, "federation_office", KEY.public
    )
    return pb.ConsentHeartbeat.FromString(statement)


def sequences_of(event: pb.WatchConsentsResponse) -> list[int]:
    return [change.sequence for change in event.changes.changes]


async def test_a_heartbeat_closes_what_was_caught_up() -> None:
    """A node that connects is confirmed as fresh at once, not only with the next beat."""
    order = Order()
    for organization_id in ("anytown", "riverton", "anytown", "riverton"):
        order.add(organization_id)
    async with watching(order, 3600) as (_, watch):
        stream = watch.follow("anytown", 0)
        changes, heartbeat = await anext(stream), await anext(stream)

    assert sequences_of(changes) == [1, 3]
    beat = beat_of(heartbeat)
    assert (beat.organization_id, beat.sequence, beat.organization_sequence) == ("anytown", 4, 3)
    assert beat.beat_time.ToDatetime(dt.UTC) == NOW


async def test_a_change_is_sent_at_once() -> None:
    """A watcher does not wait for the next beat, an hour away here."""
    order = Order()
    async with watching(order, 3600) as (pulse, watch):
        stream = watch.follow("anytown", 0)
        assert beat_of(await anext(stream)).sequence == 0
        order.add("anytown")
        pulse.changed()

        assert sequences_of(await anext(stream)) == [1]


async def test_a_long_way_is_caught_up_in_pages() -> None:
    """However much an organization has missed, only a page of it is in memory."""
    order = Order()
    for _ in range(1_000):
        order.add("anytown")
    async with watching(order, 3600) as (_, watch):
        stream = watch.follow("anytown", 0)
        seen: list[int] = []
        while len(seen) < 1_000:
            seen += sequences_of(await anext(stream))

    assert seen == list(range(1, 1_001))
    assert order.largest_page <= 500


async def test_others_changes_cost_a_watcher_no_reading() -> None:
    order = Order()
    async with watching(order, 0.01) as (pulse, watch):
        stream = watch.follow("anytown", 0)
        await anext(stream)
        for _ in range(20):
            order.add("riverton")
            pulse.changed()
            await asyncio.sleep(0)
        while beat_of(await anext(stream)).sequence < 20:
            pass

    assert order.chain_reads == 0


async def test_nobody_is_told_less_than_it_has_seen() -> None:
    """A service restored from an old copy must not confirm what it does not have."""
    async with watching(Order(), 3600) as (_, watch):
        with pytest.raises(StateBehindError):
            await anext(watch.follow("anytown", 1))


async def test_nothing_is_confirmed_while_the_database_is_away() -> None:
    """Silence is how a node notices; then it goes on by itself, with nothing left out."""
    order = Order()
    async with watching(order, 0.01) as (_, watch):
        stream = watch.follow("anytown", 0)
        await anext(stream)
        order.away = True
        pending = asyncio.ensure_future(anext(stream))
        # Beats taken before the database went away may still come; none is taken after them.
        while (await asyncio.wait({pending}, timeout=0.2))[0]:
            pending = asyncio.ensure_future(anext(stream))
        order.add("anytown")
        order.away = False

        assert sequences_of(await pending) == [1]
