"""What the registry leaves out of old checkpoints hides nothing from anyone who follows a log."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.audit.checkpoint import cosign, registry_witness_name, witness_key
from homeroom.audit.following import FollowedLog, ShownCheckpoint, follow
from homeroom.errors import EvidenceInvalidError
from homeroom.signing import SigningKey
from services.registry.domain.thinning import KeptStep, thin
from tests.growing_logs import GrowingLog
from tests.organizations import NOW

KEY, REGISTRY = SigningKey.generate(), SigningKey.generate()
NAME = registry_witness_name("homeroom.test")
WITNESS = witness_key(NAME, REGISTRY.public)
HOUR = dt.timedelta(hours=1)

growths = st.lists(st.integers(1, 9), min_size=3, max_size=14)


def keys_at(_seen_at: dt.datetime) -> tuple[bytes, ...]:
    """The log's keys: it has never had another."""
    return (KEY.public,)


def log_of(entries: int) -> GrowingLog:
    log = GrowingLog("homeroom.test", "anytown", KEY)
    log.grow(*(b"%d" % number for number in range(entries)))
    return log


def chain(log: GrowingLog, sizes: Sequence[int]) -> list[KeptStep]:
    """A checkpoint of each size, one every five hours."""
    return [
        KeptStep(number + 1, log.checkpoint(size), log.path(before, size), NOW + 5 * number * HOUR)
        for number, (before, size) in enumerate(pairwise([0, *sizes]))
    ]


def thinned(
    steps: Sequence[KeptStep], followed: Collection[int], before: dt.datetime | None = None
) -> list[KeptStep]:
    """What is left of them; by default all are old."""
    found = thin(steps, followed, before or NOW + 10_000 * HOUR)
    assert not found.dropped & found.paths.keys()
    return [
        replace(one, path=found.paths.get(one.position, one.path))
        for one in steps
        if one.position not in found.dropped
    ]


def shown(log: GrowingLog, steps: Sequence[KeptStep], after: int) -> list[ShownCheckpoint]:
    """As the registry shows what is left, after a position."""
    found = []
    for before, one in pairwise([None, *steps]):
        if one is not None and one.position > after:
            note = log.note(one.checkpoint.size)
            note += cosign(note, NAME, REGISTRY, NOW)
            previous = before.position if before else 0
            found.append(ShownCheckpoint(one.position, note, one.path, previous))
    return found


def at(step: KeptStep) -> FollowedLog:
    return FollowedLog(step.position, step.checkpoint, "note\n", KEY.public)


@settings(max_examples=60)
@given(growths, st.data())
def test_whoever_follows_a_log_still_reaches_its_newest_checkpoint(
    grown: list[int], data: st.DataObject
) -> None:
    """From the newest that it cosigned, or from the first; in one thinning, or in two."""
    log, sizes = log_of(sum(grown)), list(accumulate(grown))
    steps = chain(log, sizes)
    followed = data.draw(st.sets(st.integers(1, len(steps)), max_size=3))
    some = data.draw(st.integers(0, len(steps)))
    left = thinned([*thinned(steps[:some], followed), *steps[some:]], followed)

    for start in {1, *followed}:
        known = at(steps[start - 1])
        found = follow(known, shown(log, left, start), log.origin, keys_at, WITNESS)
        assert found is not None
        assert (found.position, found.checkpoint) == (len(steps), log.checkpoint())


@settings(max_examples=60)
@given(growths, st.data())
def test_a_log_that_is_another_than_what_a_partner_knows_is_never_followed(
    grown: list[int], data: st.DataObject
) -> None:
    """Whatever the registry left out of it meanwhile, and whatever it shows instead."""
    log, sizes = log_of(sum(grown)), list(accumulate(grown))
    position = data.draw(st.integers(1, len(sizes) - 1))
    forked = log.copy(data.draw(st.integers(0, sizes[position - 1] - 1)))
    forked.grow(*(b"other" for _ in range(sizes[-1] - len(forked.leaves))))
    followed = data.draw(st.sets(st.just(position)))
    left = thinned(chain(forked, sizes), followed)
    known = at(chain(log, sizes)[position - 1])

    with pytest.raises(EvidenceInvalidError):
        follow(
            known,
            shown(forked, left, position),
            log.origin,
            keys_at,
            WITNESS,
        )


@given(growths, st.sets(st.integers(1, 14)), st.integers(0, 80), st.sets(st.integers(2, 14)))
def test_only_what_nobody_needs_is_left_out(
    grown: list[int], followed: set[int], hours: int, begun: set[int]
) -> None:
    """The first and the last of a day, what is young, what is followed, and every beginning."""
    log, before = log_of(sum(grown)), NOW + hours * HOUR
    steps = [
        replace(one, begins=one.position in begun, path=b"" if one.position in begun else one.path)
        for one in chain(log, list(accumulate(grown)))
    ]
    left = {one.position for one in thinned(steps, followed, before)}
    for one, after in pairwise(steps):
        needed = (
            one.position == 1
            or one.taken_at >= before
            or one.position in followed
            or bool({one.position, after.position} & begun)
            or one.taken_at.date() != after.taken_at.date()
        )
        assert (one.position in left) == needed, one.position
    assert steps[-1].position in left


def test_a_step_whose_path_does_not_prove_it_stays() -> None:
    """What cannot be led over is evidence of something."""
    log = log_of(9)
    steps = [replace(one, taken_at=NOW) for one in chain(log, [2, 5, 7, 9])]
    steps[2] = replace(steps[2], path=b"\0" * len(steps[2].path))

    assert [one.position for one in thinned(steps, ())] == [1, 2, 3, 4]
