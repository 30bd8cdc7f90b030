"""Whether a log only grew: the one rule of every witness."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from homeroom.audit.checkpoint import Checkpoint
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import EMPTY_ROOT, check_consistency


class Contradiction(StrEnum):
    """What is wrong with a log that did not only grow."""

    SHORTENED = "shortened"
    FORKED = "forked"


@dataclass(frozen=True, slots=True)
class LogBeginning:
    """What was lost, and what the log goes on from.

    Attributes:
        lost_position: the place of the lost checkpoint among those that were taken.
    """

    lost_position: int
    lost: Checkpoint
    now: Checkpoint
    reason: str
    begin_time: dt.datetime


def contradiction_between(
    known: Checkpoint | None, shown: Checkpoint, path: bytes
) -> Contradiction | None:
    """What a checkpoint contradicts of the one that is known; None if the log only grew.

    Args:
        known: the newest one; None if nothing is known of the log yet.
        shown: of the same log.
        path: what is said to lead from the one to the other.
    """
    size, root = (known.size, known.root) if known else (0, EMPTY_ROOT)
    if shown.size < size:
        return Contradiction.SHORTENED
    try:
        check_consistency(size, root, shown.size, shown.root, path)
    except EvidenceInvalidError:
        return Contradiction.FORKED
    return None
