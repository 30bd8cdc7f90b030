"""Chance that depends on the seed alone."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

_T = TypeVar("_T")


def chance_of(seed: int, *place: str | int) -> Random:
    """The random state of one place; the same in every run and every process."""
    # A text seed is hashed with SHA-512, so neither PYTHONHASHSEED nor the platform matters.
    return Random("/".join(map(str, (seed, *place))))  # noqa: S311 - synthetic, not secret


def happens(chance: Random, share: float) -> bool:
    """Whether what happens with some probability does."""
    return chance.random() < share


def weighted(chance: Random, options: Sequence[tuple[_T, float]]) -> _T:
    """One of some options, each with its weight."""
    mark = chance.random() * sum(weight for _, weight in options)
    for option, weight in options:
        mark -= weight
        if mark < 0:
            return option
    return options[-1][0]


def rounded(chance: Random, amount: float) -> int:
    """An amount as a whole number, right on average."""
    return int(amount + chance.random())


class Codes:
    """Different codes for different children, in no order that tells one from the next."""

    def __init__(self, seed: int, kind: str, digits: int) -> None:
        self._size = 10**digits
        self._digits = digits
        chance = chance_of(seed, "codes", kind)
        # A multiplier that ends in 7 shares no factor with a power of ten: no code comes twice.
        self._step = chance.randrange(self._size // 1000, self._size // 10) * 10 + 7
        self._begin = chance.randrange(self._size)

    def of(self, number: int) -> str:
        """The code of the child with that number."""
        return f"{(number * self._step + self._begin) % self._size:0{self._digits}d}"
