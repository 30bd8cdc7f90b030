"""Which checkpoints of a log the registry need not keep: what proves stays, and so does each step.

A log that is used all year shows a checkpoint every few seconds. Of what is old, the last of each
day is kept, and whatever somebody may still go on from: a partner follows a log from the newest
checkpoint that it cosigned, and an organization's word that its log was lost names the one before.
What was refused is kept apart, with both notes.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from homeroom.audit.checkpoint import Checkpoint
from homeroom.audit.growth import contradiction_between
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import joined_path

KEPT_WHOLE = dt.timedelta(days=30)
"""Younger ones all stay: a partner that was away so long finds its place again."""


@dataclass(frozen=True, slots=True)
class KeptStep:
    """A checkpoint as far as it matters for what follows from it.

    Attributes:
        path: leads from the one before.
        begins: whether the log began anew with it.
    """

    position: int
    checkpoint: Checkpoint
    path: bytes
    taken_at: dt.datetime
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Thinned:
    """What need not be kept.

    Attributes:
        dropped: the positions that are left out.
        paths: by position, the path from what is now the one before.
    """

    dropped: Collection[int]
    paths: Mapping[int, bytes]


def thin(steps: Iterable[KeptStep], followed: Collection[int], before: dt.datetime) -> Thinned:
    """What of a log's checkpoints need not be kept.

    Args:
        steps: from the first on, in their order; the last of them stays.
        followed: the positions of the newest that each witness cosigned.
        before: only what was taken earlier is left out.
    """
    kept: list[KeptStep] = []
    dropped: set[int] = set()
    paths: dict[int, bytes] = {}
    for step in steps:
        now = step
        if len(kept) > 1 and _may_go(kept[-1], now, followed, before):
            longer = _path_over(kept[-2], kept[-1], now)
            if longer is not None:
                dropped.add(kept.pop().position)
                now = replace(now, path=longer)
                paths[now.position] = longer
        kept.append(now)
    return Thinned(dropped, {at: path for at, path in paths.items() if at not in dropped})


def _may_go(
    step: KeptStep, after: KeptStep, followed: Collection[int], before: dt.datetime
) -> bool:
    return (
        step.taken_at < before
        and step.taken_at.date() == after.taken_at.date()
        and step.position not in followed
        and not (step.begins or after.begins)
    )


def _path_over(first: KeptStep, left_out: KeptStep, last: KeptStep) -> bytes | None:
    """The path over a checkpoint; None if there is none that proves the growth."""
    sizes = (first.checkpoint.size, left_out.checkpoint.size, last.checkpoint.size)
    try:
        path = joined_path(sizes, first.checkpoint.root, left_out.path, last.path)
    except EvidenceInvalidError:
        return None
    return None if contradiction_between(first.checkpoint, last.checkpoint, path) else path
