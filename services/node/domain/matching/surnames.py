"""Compares surnames: one or two of them, in any order, with or without their particles."""

from enum import StrEnum
from functools import lru_cache

from rapidfuzz.distance import OSA

from services.node.domain.matching.names import PARTICLES, NamePart

_LENGTH_FOR_ONE_SLIP = 3
_LENGTH_FOR_TWO_SLIPS = 9
_SHORTEST_PART = 2


class Surname(StrEnum):
    """How two surnames compare.

    `PART`: one leaves out a part of the other. `CROSSED`: they share a part, and each has another:
    cousins and strangers do.
    """

    EQUAL = "surname_equal"
    PART = "surname_part_equal"
    SIMILAR = "surname_small_typo"
    CROSSED = "surname_crossed"
    OTHER_SCRIPT = "surname_in_another_script"
    MISSING = "surname_missing"
    DIFFERENT = "surname_different"


@lru_cache(maxsize=16_384)
def compare_surnames(one: NamePart, other: NamePart) -> Surname:
    """How two surnames compare."""
    if not one or not other:
        return Surname.MISSING
    if one.joined == other.joined or sorted(one.core) == sorted(other.core):
        return Surname.EQUAL
    if one.script != other.script:
        return Surname.OTHER_SCRIPT
    fewer, more = sorted((one, other), key=lambda part: len(part.core))
    if _glued(fewer, more) or _glued(more, fewer):
        return Surname.EQUAL
    return _compare_parts(fewer, more)


def slip(one: str, other: str) -> bool:
    """Whether two words differ by a slip of the pen only, for their length."""
    shorter = min(len(one), len(other))
    if shorter < _LENGTH_FOR_ONE_SLIP:
        return False
    allowed = 2 if shorter >= _LENGTH_FOR_TWO_SLIPS else 1
    return OSA.distance(one, other, score_cutoff=allowed) <= allowed


def _compare_parts(fewer: NamePart, more: NamePart) -> Surname:
    left = [part for part in more.core if part not in fewer.core]
    unmatched = [part for part in fewer.core if part not in more.core]
    shared = len(fewer.core) - len(unmatched)
    if not unmatched and any(len(part) >= _SHORTEST_PART for part in fewer.core):
        return Surname.PART
    slips = sum(any(slip(part, candidate) for candidate in left) for part in unmatched)
    if slips == len(unmatched) or slip(fewer.joined, more.joined):
        return Surname.SIMILAR
    if shared or slips:
        return Surname.CROSSED
    return Surname.DIFFERENT


def _glued(one: NamePart, other: NamePart) -> bool:
    """Whether one is the other with its particles written into it: Delacruz and Cruz."""
    if len(one.core) != 1 or not one.joined.endswith(joined := "".join(other.core)):
        return False
    front = one.joined[: -len(joined)]
    return front in _GLUED_PARTICLES


_GLUED_PARTICLES = frozenset(PARTICLES) | {"dela", "delas", "delos", "vander", "vonder", "vande"}
