"""Following the registry: only its own newer word counts, for a while, also after a restart."""

import asyncio
import datetime as dt

import pytest

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.errors import EvidenceInvalidError, StateStaleError
from homeroom.evidence import signed
from homeroom.signing import Domain, SigningKey
from services.runtime.registry_feed import NoShelf, RegistryFeed
from tests.fakes import FakeClock
from tests.organizations import NOW, Member

FEDERATION = "test.example"
KEY = SigningKey.generate()
ANYTOWN = Member.new("anytown")
MINUTE = dt.timedelta(minutes=1)


class Shelf:
    """Keeps a snapshot over a restart, in memory."""

    def __init__(self, kept: bytes | None = None) -> None:
        self.kept = kept

    def load(self) -> bytes | None:
        return self.kept

    def save(self, snapshot: bytes) -> None:
        self.kept = snapshot


def snapshot(
    sequence: int,
    *,
    key: SigningKey = KEY,
    federation: str = FEDERATION,
    issued: dt.datetime = NOW,
) -> evidence_pb2.SignedStatement:
    message = pb.Snapshot(federation=federation, sequence=sequence)
    message.issue_time.FromDatetime(issued)
    message.expire_time.FromDatetime(issued + dt.timedelta(hours=1))
    message.organizations.add(
        organization_id="anytown", record=ANYTOWN.record(), standing=pb.STANDING_ACTIVE
    )
    return signed(Domain.SNAPSHOT, message.SerializeToString(), "hub", key)


def heartbeat(
    sequence: int,
    at: dt.datetime,
    *,
    key: SigningKey = KEY,
    federation: str = FEDERATION,
    domain: Domain = Domain.REGISTRY_HEARTBEAT,
) -> evidence_pb2.SignedStatement:
    message = pb.Heartbeat(federation=federation, sequence=sequence)
    message.beat_time.FromDatetime(at)
    return signed(domain, message.SerializeToString(), "hub", key)


class Following:
    """A feed, its shelf and its clock."""

    def __init__(self, kept: bytes | None = None) -> None:
        self.clock = FakeClock(NOW)
        self.shelf = Shelf(kept)
        self.feed = RegistryFeed(FEDERATION, KEY.public, self.clock, self.shelf)

    async def take(self, evidence: evidence_pb2.SignedStatement) -> None:
        await self.feed._take(pb.WatchSnapshotResponse(snapshot=evidence))

    async def beat(self, evidence: evidence_pb2.SignedStatement) -> None:
        await self.feed._take(pb.WatchSnapshotResponse(heartbeat=evidence))


async def test_a_snapshot_is_known_kept_and_confirmed_as_of_its_issue() -> None:
    following = Following()
    with pytest.raises(StateStaleError):
        following.feed.state()
    await following.take(snapshot(3, issued=NOW - MINUTE))

    assert following.feed.sequence == following.feed.state().sequence == 3
    assert following.feed.confirmed_at == NOW - MINUTE
    assert following.shelf.kept is not None


async def test_an_older_snapshot_is_refused_and_the_newer_stays() -> None:
    following = Following()
    await following.take(snapshot(3))
    kept = following.shelf.kept

    with pytest.raises(EvidenceInvalidError):
        await following.take(snapshot(2))
    assert following.feed.sequence == 3
    assert following.shelf.kept == kept


def two_signatures() -> evidence_pb2.SignedStatement:
    evidence = snapshot(3)
    evidence.signatures.append(evidence.signatures[0])
    return evidence


@pytest.mark.parametrize(
    "evidence",
    [
        snapshot(3, key=SigningKey.generate()),
        snapshot(3, federation="other.example"),
        heartbeat(3, NOW),
        two_signatures(),
        evidence_pb2.SignedStatement(),
        snapshot(3, issued=NOW + MINUTE),
    ],
    ids=["key", "federation", "kind", "signatures", "nothing", "ahead"],
)
async def test_what_is_not_this_registrys_snapshot_changes_nothing(
    evidence: evidence_pb2.SignedStatement,
) -> None:
    following = Following()

    with pytest.raises(EvidenceInvalidError):
        await following.take(evidence)
    assert following.feed.sequence == 0
    assert following.feed.confirmed_at is None
    assert following.shelf.kept is None


async def test_a_heartbeat_confirms_the_state_it_names() -> None:
    following = Following()
    await following.take(snapshot(3))
    following.clock.move(20)
    await following.beat(heartbeat(3, following.clock()))

    assert following.feed.confirmed_at == following.clock()


async def test_a_heartbeat_of_another_state_confirms_nothing() -> None:
    """One that this service has not seen yet, or one that it has left behind."""
    following = Following()
    await following.take(snapshot(3))
    following.clock.move(20)
    for sequence in (2, 4):
        await following.beat(heartbeat(sequence, following.clock()))

    assert following.feed.confirmed_at == NOW


async def test_an_old_heartbeat_played_again_does_not_go_back() -> None:
    following = Following()
    await following.take(snapshot(3))
    await following.beat(heartbeat(3, NOW - MINUTE))

    assert following.feed.confirmed_at == NOW


@pytest.mark.parametrize(
    "beat",
    [
        heartbeat(3, NOW + dt.timedelta(seconds=6)),
        heartbeat(3, NOW, key=SigningKey.generate()),
        heartbeat(3, NOW, federation="other.example"),
        heartbeat(3, NOW, domain=Domain.CONSENT_HEARTBEAT),
    ],
    ids=["ahead", "key", "federation", "kind"],
)
async def test_a_heartbeat_that_does_not_check_confirms_nothing(
    beat: evidence_pb2.SignedStatement,
) -> None:
    """Least of all one from the future: the state would not be stale for as long."""
    following = Following()
    await following.take(snapshot(3, issued=NOW - MINUTE))

    with pytest.raises(EvidenceInvalidError):
        await following.beat(beat)
    assert following.feed.confirmed_at == NOW - MINUTE


async def test_a_state_is_no_longer_known_once_it_expires() -> None:
    following = Following()
    await following.take(snapshot(3))
    following.clock.move(3599)
    following.feed.state()
    following.clock.move(1)

    with pytest.raises(StateStaleError):
        following.feed.state()


# After a restart.


def test_a_kept_snapshot_is_known_again_and_confirmed_no_later_than_issued() -> None:
    kept = snapshot(3, issued=NOW - MINUTE).SerializeToString()
    feed = Following(kept).feed

    assert feed.state().sequence == 3
    assert feed.confirmed_at == NOW - MINUTE


async def test_a_registry_cannot_take_back_what_was_known_before_the_restart() -> None:
    following = Following(snapshot(3).SerializeToString())

    with pytest.raises(EvidenceInvalidError):
        await following.take(snapshot(2))


@pytest.mark.parametrize(
    "kept",
    [
        b"\xff\xff no message",
        b"",
        snapshot(3, key=SigningKey.generate()).SerializeToString(),
        snapshot(3).SerializeToString()[:-9],
        snapshot(3, issued=NOW + MINUTE).SerializeToString(),
    ],
    ids=["damaged", "empty", "forged", "cut", "from the future"],
)
def test_a_kept_snapshot_that_does_not_check_is_as_none(kept: bytes) -> None:
    """The service starts, and waits for the registry."""
    feed = Following(kept).feed

    assert feed.sequence == 0
    assert feed.confirmed_at is None
    with pytest.raises(StateStaleError):
        feed.state()


# Waiting.


async def test_whoever_waits_for_a_sequence_is_told_when_it_comes() -> None:
    following = Following()
    first = asyncio.ensure_future(following.feed.first_state())
    third = asyncio.ensure_future(following.feed.wait_for(3, 30))
    await asyncio.sleep(0)
    await following.take(snapshot(2))
    await first
    assert not third.done()
    await following.take(snapshot(3))

    assert await third


async def test_whoever_waits_too_long_is_told_so() -> None:
    following = Following()
    await following.take(snapshot(2))

    assert await following.feed.wait_for(2, 0.01)
    assert not await following.feed.wait_for(3, 0.01)


def test_a_service_without_a_shelf_begins_with_nothing() -> None:
    shelf = NoShelf()
    shelf.save(b"anything")

    assert shelf.load() is None
