"""What a partner believes of the checkpoints that it is shown of another's log."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.audit.checkpoint import cosign, registry_witness_name, witness_key
from homeroom.audit.following import (
    FollowedLog,
    LogContradictedError,
    ShownCheckpoint,
    follow,
)
from homeroom.audit.growth import LogBeginning
from homeroom.errors import EvidenceInvalidError
from homeroom.signing import SigningKey
from tests.growing_logs import GrowingLog
from tests.organizations import NOW

REGISTRY, KEY, NEXT_KEY = (SigningKey.generate() for _ in range(3))
NAME = registry_witness_name("homeroom.test")
WITNESS = witness_key(NAME, REGISTRY.public)


def log_of(entries: int) -> GrowingLog:
    grown = GrowingLog("homeroom.test", "anytown", KEY)
    grown.grow(*(b"%d" % number for number in range(entries)))
    return grown


def shown(log: GrowingLog, position: int, before: int, size: int | None = None) -> ShownCheckpoint:
    note = log.note(size)
    line = cosign(note, NAME, REGISTRY, NOW)
    return ShownCheckpoint(position, note + line, log.path(before, size), position - 1)


def followed(
    known: FollowedLog | None, *checkpoints: ShownCheckpoint, key: SigningKey = KEY
) -> FollowedLog | None:
    origin = "homeroom/homeroom.test/anytown/log"
    keys = (key.public, KEY.public) if key is not KEY else (key.public,)
    return follow(known, checkpoints, origin, lambda _seen_at: keys, WITNESS)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_a_log_that_grows_is_followed_to_its_newest_checkpoint(steps: list[int]) -> None:
    log, sizes = log_of(sum(steps)), [0]
    for step in steps:
        sizes.append(sizes[-1] + step)
    chain = [
        shown(log, number + 1, before, size)
        for number, (before, size) in enumerate(itertools.pairwise(sizes))
    ]

    found = followed(None, *chain)

    assert found is not None
    assert (found.position, found.checkpoint) == (len(steps), log.checkpoint())
    # Whoever comes later starts from what is shown first.
    assert followed(None, chain[-1]) == found
    assert followed(found) == found


def test_a_log_that_is_another_is_not_followed() -> None:
    """Whatever the witness says of it: it may be the witness that lies."""
    log = log_of(5)
    known = followed(None, shown(log, 1, 0))
    forked = log.copy(4)
    forked.grow(b"other", b"and more")

    for wrong in (shown(forked, 2, 5), shown(forked, 2, 5, 5)):
        with pytest.raises(LogContradictedError) as found:
            followed(known, wrong)
        assert found.value.refused_note == wrong.note
    with pytest.raises(LogContradictedError) as shortened:
        followed(known, shown(log.copy(3), 2, 3))
    assert shortened.value.kind == "shortened"


def test_what_is_not_signed_by_log_and_witness_counts_for_nothing() -> None:
    log = log_of(5)
    known = followed(None, shown(log, 1, 0))
    log.grow(b"more")
    good = shown(log, 2, 5)

    stranger = GrowingLog("homeroom.test", "anytown", NEXT_KEY, log.leaves)
    for wrong in (
        replace(good, note=log.note()),
        replace(good, position=3, previous=2),
        replace(good, position=1),
        shown(stranger, 2, 5),
    ):
        with pytest.raises(EvidenceInvalidError):
            followed(known, wrong)
    assert followed(known, good) is not None


def test_a_log_whose_key_changes_is_followed_across_the_change() -> None:
    """What the key before signed counts until the first that the new one signed, and not after."""
    log = log_of(5)
    known = followed(None, shown(log, 1, 0))
    log.grow(b"a")
    second = shown(log, 2, 5)
    log.key = NEXT_KEY
    log.grow(b"b")
    third = shown(log, 3, 6)

    found = followed(known, second, third, key=NEXT_KEY)

    assert found is not None
    assert (found.position, found.key) == (3, NEXT_KEY.public)
    log.key = KEY
    log.grow(b"c")
    with pytest.raises(EvidenceInvalidError):
        followed(found, shown(log, 4, 7), key=NEXT_KEY)


def test_a_new_beginning_is_followed_and_counted() -> None:
    log = log_of(5)
    known = followed(None, shown(log, 1, 0))
    assert known is not None
    older = log.copy(3)
    said = LogBeginning(1, log.checkpoint(), older.checkpoint(), "The disk died.", NOW)
    begun = replace(shown(older, 2, 3), beginning=said)

    found = followed(known, begun)

    assert found is not None
    assert (found.checkpoint.size, found.begun_anew) == (3, 1)
    for wrong in (replace(said, lost_position=2), replace(said, lost=older.checkpoint())):
        with pytest.raises(LogContradictedError):
            followed(known, replace(begun, beginning=wrong))
