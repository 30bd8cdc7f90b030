"""A policy is replaced by a better one, never by a worse, and no decision is cut by it."""

import asyncio
import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    LogUnavailableError,
    NotPermittedError,
    PolicyUnavailableError,
)
from homeroom.signing import SigningKey
from services.runtime.policy import (
    BundleShelf,
    MemoryShelf,
    PolicyEngine,
    PolicyFolder,
    PolicyTrust,
    RunningPolicy,
    WatchedPolicy,
)
from tests.fakes import FakeClock
from tests.policy_bundles import TEMPLATE, bundle_of, local_folder

NOW = dt.datetime(2026, 3, 10, 14, tzinfo=dt.UTC)
KEY, APPROVER = SigningKey.generate(), SigningKey.generate()


@dataclass
class Engine:
    """Decides with its revision; a decision ends when it is let go on."""

    revision: str
    name: str = "fake"
    waits: bool = False
    going: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def decide(self, entrypoint: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        if self.waits:
            await self.going.wait()
        assert not self.closed
        return {"revision": self.revision}

    async def close(self) -> None:
        self.closed = True


@dataclass
class Widening:
    """Says of every candidate whether it releases more; implements `Trial`."""

    answer: bool

    async def widens(self, candidate: PolicyEngine) -> bool:
        return self.answer


@dataclass
class Place:
    """A bundle's file, and the policy that comes from it."""

    folder: Path
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    shelf: BundleShelf = field(default_factory=MemoryShelf)
    engines: list[Engine] = field(default_factory=list)
    broken: bool = False

    @property
    def path(self) -> Path:
        return self.folder / "policy.tar.gz"

    def watched(self, path: Path | None = None) -> WatchedPolicy:
        trust = PolicyTrust("demo", "anytown", KEY.public, APPROVER.public)
        return WatchedPolicy(path or self.path, trust, self._open, self.shelf, self.clock)

    def publish(self, *keys: SigningKey, min_cell_size: int = 10, **changed: Any) -> str:
        """Puts a bundle in place; returns its revision."""
        rules = local_folder(self.folder / "rules", min_cell_size=min_cell_size)
        fields = {"scope": "anytown", "federation": "demo"} | changed
        bundle = bundle_of(rules, *(keys or (KEY,)), **fields)
        bundle.write(self.path)
        return bundle.rules.revision

    async def _open(self, rules: PolicyFolder) -> PolicyEngine:
        if self.broken:
            raise PolicyUnavailableError("the engine cannot run these rules")
        self.engines.append(Engine(rules.revision))
        return self.engines[-1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_new_bundle_takes_over(place: Place) -> None:
    first = place.publish(sequence=3)
    policy = place.watched()
    await policy.begin()
    noted: list[str] = []
    policy.on_change = lambda: noted.append(policy.running.revision)

    second = place.publish(sequence=4, min_cell_size=20)
    await policy.look()
    await policy.look()

    assert policy.running.revision == second != first
    assert policy.state.release is not None
    assert (policy.state.release.sequence, policy.state.problem) == (4, "")
    assert noted == [second]
    assert [engine.closed for engine in place.engines] == [True, False]


async def test_who_wants_to_know_is_told_which_file_was_refused_and_why(place: Place) -> None:
    place.publish(sequence=3)
    policy = place.watched()
    await policy.begin()
    told: list[tuple[str, str]] = []
    policy.tell_refusals(lambda scope, why: told.append((scope, why)))

    place.publish(sequence=2)
    await policy.look()
    await policy.look()

    policy.tell_refusals(lambda scope, why: told.append((scope, why)))

    assert told == [("anytown", policy.state.problem)] * 2
    assert policy.state.problem


@pytest.mark.parametrize(
    ("changed", "keys", "why"),
    [
        ({"sequence": 2}, [KEY], "sequence"),
        ({"sequence": 1}, [KEY], "sequence"),
        ({"sequence": 3, "expires": NOW}, [KEY], "expired"),
        ({"sequence": 3}, [APPROVER], "not signed by its owner"),
        ({"sequence": 3, "scope": "mill_river"}, [KEY], "somebody else"),
        ({"sequence": 3, "federation": "another"}, [KEY], "somebody else"),
        ({"sequence": 3, "replayed": None}, [KEY], "a second signs"),
    ],
)
async def test_a_bad_bundle_changes_nothing(
    place: Place, changed: dict[str, Any], keys: list[SigningKey], why: str
) -> None:
    """The one before goes on deciding; the status says what is wrong, until that is mended."""
    first = place.publish(sequence=2)
    policy = place.watched()
    await policy.begin()

    place.publish(*keys, min_cell_size=30, **changed)
    await policy.look()
    assert policy.running.revision == first
    assert why in policy.state.problem
    assert [not engine.closed for engine in place.engines].index(True) == 0
    assert all(engine.closed for engine in place.engines[1:])

    mended = place.publish(sequence=4, min_cell_size=30)
    await policy.look()
    assert (policy.running.revision, policy.state.problem) == (mended, "")


async def test_a_damaged_or_missing_file_changes_nothing(place: Place) -> None:
    first = place.publish(sequence=2)
    policy = place.watched()
    await policy.begin()

    place.path.write_bytes(place.path.read_bytes()[:100])
    await policy.look()
    assert (policy.running.revision, bool(policy.state.problem)) == (first, True)
    place.path.unlink()
    await policy.look()
    assert (policy.running.revision, bool(policy.state.problem)) == (first, True)


async def test_rules_that_do_not_compile_change_nothing(place: Place) -> None:
    """Nor is their sequence used up."""
    first = place.publish(sequence=2)
    policy = place.watched()
    await policy.begin()

    place.broken = True
    second = place.publish(sequence=3, min_cell_size=20)
    await policy.look()
    assert policy.running.revision == first
    place.broken = False
    os.utime(place.path)
    await policy.look()
    assert policy.running.revision == second


async def test_a_bundle_that_could_not_be_kept_is_tried_again(place: Place) -> None:
    """What is not kept is not taken, or an older one might follow it; the disk may be mended."""
    first = place.publish(sequence=2)
    policy = place.watched()
    await policy.begin()
    second = place.publish(sequence=3, min_cell_size=20)
    kept, place.shelf.take = place.shelf.take, full  # type: ignore[method-assign]  # a full disk
    await policy.look()
    assert (policy.running.revision, policy.state.problem) == (first, "the disk is full")

    place.shelf.take = kept  # type: ignore[method-assign]  # as it was
    await policy.look()
    assert (policy.running.revision, policy.state.problem) == (second, "")


def full(scope: str, sequence: int, packed: bytes) -> None:
    raise LogUnavailableError("the disk is full")


@pytest.mark.parametrize("approved", [True, False])
async def test_what_releases_more_needs_a_second_signature(place: Place, *, approved: bool) -> None:
    """Whatever the statement says of a trial: the node tries it again on its own questions."""
    first = place.publish(sequence=2)
    policy = place.watched()
    await policy.begin()
    policy.trial = Widening(answer=True)

    keys = [KEY, APPROVER] if approved else [KEY]
    second = place.publish(*keys, sequence=3, min_cell_size=5)
    await policy.look()

    assert policy.running.revision == (second if approved else first)
    assert ("released more" in policy.state.problem) is not approved


async def test_an_expired_policy_decides_nothing(place: Place) -> None:
    place.publish(sequence=2, expires=NOW + dt.timedelta(hours=1))
    policy = place.watched()
    await policy.begin()
    assert await policy.running.decide("a/b", {})

    place.clock.now = NOW + dt.timedelta(hours=1)
    with pytest.raises(PolicyUnavailableError, match="expired"):
        await policy.running.decide("a/b", {})
    place.publish(sequence=3)
    await policy.look()
    assert await policy.running.decide("a/b", {})


async def test_a_node_that_starts_again_goes_on_with_what_it_took(place: Place) -> None:
    """On a damaged, an older or a missing file; and takes none older than it ever took."""
    place.publish(sequence=1)
    older = place.path.read_bytes()
    second = place.publish(sequence=2, min_cell_size=20)
    await place.watched().begin()

    for content in (older, b"damaged"):
        place.path.write_bytes(content)
        again = place.watched()
        await again.begin()
        assert (again.running.revision, bool(again.state.problem)) == (second, True)
    place.path.unlink()
    again = place.watched()
    await again.begin()
    assert again.running.revision == second


async def test_the_same_file_is_no_problem_after_a_start(place: Place) -> None:
    revision = place.publish(sequence=2)
    await place.watched().begin()
    again = place.watched()
    await again.begin()

    assert (again.running.revision, again.state.problem) == (revision, "")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"replayed": None}, NotPermittedError),
        ({"scope": "mill_river"}, EvidenceInvalidError),
        ({"expires": NOW}, EvidenceInvalidError),
    ],
)
async def test_without_a_policy_that_may_be_taken_nothing_starts(
    place: Place, changed: dict[str, Any], error: type[HomeroomError]
) -> None:
    place.publish(**changed)
    with pytest.raises(error):
        await place.watched().begin()


async def test_a_kept_bundle_of_another_key_decides_nothing(place: Place) -> None:
    """After a change of keys the old bundle is not believed; the new file is."""
    stranger = bundle_of(
        local_folder(place.folder / "other", min_cell_size=1),
        APPROVER,
        scope="anytown",
        federation="demo",
    )
    place.shelf.take("anytown", 1, stranger.pack())
    revision = place.publish(sequence=2)
    policy = place.watched()
    await policy.begin()

    assert policy.running.revision == revision


async def test_a_folder_decides_as_it_is(place: Place) -> None:
    """For development: no signature, no sequence, no end."""
    policy = place.watched(TEMPLATE)
    await policy.begin()
    await policy.watch()

    assert policy.state.release is None
    assert policy.running.revision == PolicyFolder.read(TEMPLATE).revision


async def test_a_decision_is_made_by_one_engine_to_its_end() -> None:
    """The old engine ends what it began before it is closed; new decisions are the new one's."""
    old, new = Engine("old", waits=True), Engine("new")
    running = RunningPolicy(old, None, FakeClock(NOW))
    begun = asyncio.ensure_future(running.decide("a/b", {}))
    await asyncio.sleep(0)
    draining = asyncio.ensure_future(running.swap(new, None))
    await asyncio.sleep(0)

    assert await running.decide("a/b", {}) == {"revision": "new"}
    assert not draining.done()
    assert not old.closed
    old.going.set()
    assert await begun == {"revision": "old"}
    await draining
    assert old.closed
    assert not new.closed
