"""Elements with what they wait for, as a decision grants them."""

from collections.abc import Iterable, Mapping

from homeroom.checks import RowCondition
from homeroom.vocabulary import Element

Conditions = Mapping[Element, frozenset[RowCondition]]


def waiting(elements: Iterable[Element], *words: RowCondition) -> Conditions:
    """Elements that all wait for the same."""
    return dict.fromkeys(elements, frozenset(words))


def consented(elements: Iterable[Element]) -> Conditions:
    """Elements that wait for a consent, and for nothing else."""
    return waiting(elements, RowCondition.CONSENTED)
