"""What the registry publishes, and when it keeps silent."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import ServiceUnreachableError
from homeroom.federation import Standing
from homeroom.signing import SigningKey
from homeroom.snapshot import open_heartbeat, open_snapshot
from services.registry.api import Publisher, SnapshotSigner
from services.registry.domain.agreements import RegisteredAgreement
from services.registry.domain.ledger import ChangeRequest, Contents, Decision, E, Ledger
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.domain.statements import Signature, Statement
from tests.organizations import NOW, Member

KEY = SigningKey.generate()
FEDERATION = "test.example"
LIFETIME = dt.timedelta(hours=24)


class Shelf:
    """A store in memory that can be away."""

    def __init__(self) -> None:
        self.held: list[RegisteredOrganization] = []
        self.away = False
        self.read = 0

    def add(self, name: str) -> None:
        member = Member.new(name)
        evidence = member.record()
        one = evidence.signatures[0]
        self.held.append(
            RegisteredOrganization(
                organization_id=name,
                record=Statement(
                    evidence.statement, (Signature(one.organization_id, one.key_id, one.signature),)
                ),
                record_version=1,
                kind="district",
                signing_key=member.signing.public,
                sealing_key=member.sealing.public,
                checkpoint_key=member.checkpoint.public,
                standing=Standing.ACTIVE,
                standing_time=NOW,
            )
        )

    def sequence(self) -> int:
        if self.away:
            raise ServiceUnreachableError("away")
        return len(self.held)

    def contents(self) -> Contents:
        self.read += 1
        return Contents(self.sequence(), tuple(self.held), ())

    def organizations(self, after: str, limit: int) -> Sequence[RegisteredOrganization]:
        return [one for one in self.held if one.organization_id > after][:limit]

    def agreements_of(
        self, organization_id: str, after: str, limit: int
    ) -> Sequence[RegisteredAgreement]:
        return []

    def change(
        self,
        request: ChangeRequest,
        decide: Callable[[Ledger], Decision[E]],
        answer: Callable[[E, int], bytes],
    ) -> bytes:
        raise ServiceUnreachableError("nothing is written here")


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


def publisher_of(shelf: Shelf, clock: Clock, seconds: float = 3600) -> Publisher:
    signer = SnapshotSigner(FEDERATION, "federation_office", KEY, LIFETIME)
    return Publisher(shelf, signer, clock, seconds)


@asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[None]:
    task = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_snapshot_is_signed_once_for_everyone() -> None:
    shelf = Shelf()
    shelf.add("anytown")
    publisher = publisher_of(shelf, Clock())

    sent = await asyncio.gather(*(publisher.newest() for _ in range(50)))

    assert len({one.SerializeToString() for one in sent}) == 1
    assert shelf.read == 1


async def test_a_snapshot_says_how_long_it_may_be_relied_on() -> None:
    shelf, clock = Shelf(), Clock()
    publisher = publisher_of(shelf, clock)

    first = open_snapshot(await publisher.newest(), KEY.public, FEDERATION)
    assert (first.issue_time, first.expire_time) == (NOW, NOW + LIFETIME)
    clock.now = NOW + LIFETIME / 2 - dt.timedelta(seconds=1)
    same = open_snapshot(await publisher.newest(), KEY.public, FEDERATION)
    assert same.issue_time == NOW
    clock.now = NOW + LIFETIME / 2
    renewed = open_snapshot(await publisher.newest(), KEY.public, FEDERATION)
    assert (renewed.issue_time, renewed.sequence) == (clock.now, first.sequence)


async def test_a_change_is_published_at_once() -> None:
    """A watcher does not wait for the next heartbeat, an hour away here."""
    shelf = Shelf()
    publisher = publisher_of(shelf, Clock())
    async with running(publisher), asyncio.timeout(30):
        watch = publisher.watch()
        assert (await anext(watch)).HasField("snapshot")
        assert (await anext(watch)).HasField("heartbeat")
        shelf.add("anytown")
        publisher.changed()

        event = await anext(watch)
        assert open_snapshot(event.snapshot, KEY.public, FEDERATION).sequence == 1


async def test_who_begins_to_watch_is_confirmed_at_once() -> None:
    """The snapshot may be hours old, and the next heartbeat is an hour away here."""
    clock = Clock()
    publisher = publisher_of(Shelf(), clock)
    await publisher.newest()
    clock.now = NOW + dt.timedelta(hours=1)
    async with running(publisher), asyncio.timeout(30):
        for _ in range(2):
            watch = publisher.watch()
            sent = open_snapshot((await anext(watch)).snapshot, KEY.public, FEDERATION)
            _, confirmed = open_heartbeat((await anext(watch)).heartbeat, KEY.public, FEDERATION)
            assert (sent.issue_time, confirmed) == (NOW, clock.now)


async def test_calls_that_change_nothing_put_off_no_heartbeat() -> None:
    """Else anyone could make the registry look silent by asking for the same again and again."""
    publisher = publisher_of(Shelf(), Clock(), 0.05)

    async def ask_again_and_again() -> None:
        while True:
            publisher.changed()
            await asyncio.sleep(0.005)

    async with running(publisher), asyncio.timeout(30):
        asking = asyncio.create_task(ask_again_and_again())
        watch = publisher.watch()
        await anext(watch)
        for _ in range(5):
            assert (await anext(watch)).HasField("heartbeat")
        asking.cancel()


async def test_heartbeats_name_the_sequence_that_was_sent() -> None:
    shelf = Shelf()
    publisher = publisher_of(shelf, Clock(), 0.01)
    async with running(publisher), asyncio.timeout(30):
        watch = publisher.watch()
        sent = open_snapshot((await anext(watch)).snapshot, KEY.public, FEDERATION).sequence
        for number in range(20):
            if number == 10:
                shelf.add("anytown")
            event = await anext(watch)
            if event.HasField("snapshot"):
                sent = open_snapshot(event.snapshot, KEY.public, FEDERATION).sequence
                continue
            sequence, beat_time = open_heartbeat(event.heartbeat, KEY.public, FEDERATION)
            assert (sequence, beat_time) == (sent, NOW)
    assert sent == 1


async def test_nothing_is_confirmed_while_the_database_is_away() -> None:
    """Silence is how those who rely on the registry notice; then it goes on by itself."""
    shelf = Shelf()
    publisher = publisher_of(shelf, Clock(), 0.01)
    async with running(publisher), asyncio.timeout(30):
        watch = publisher.watch()
        await anext(watch)
        assert (await anext(watch)).HasField("heartbeat")
        shelf.away = True
        pending = asyncio.ensure_future(anext(watch))
        # Beats made before the database went away may still come; none is made after them.
        while (await asyncio.wait({pending}, timeout=0.2))[0]:
            pending = asyncio.ensure_future(anext(watch))
        shelf.away = False
        assert isinstance(await pending, pb.WatchSnapshotResponse)
