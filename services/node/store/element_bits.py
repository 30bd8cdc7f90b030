"""Writes a set of elements as one number, so that a grant is one row whatever it releases.

Each element has a bit by its place in the vocabulary: a word is only ever added at the end.
"""

from collections.abc import Iterable
from functools import lru_cache

from homeroom.vocabulary import Element

EVERY_ELEMENT = (1 << 63) - 1
"""All bits that a database's integer has."""

_BITS = {element: 1 << place for place, element in enumerate(Element)}


def bit_of(element: Element) -> int:
    """The number that has one element's bit."""
    return _BITS[element]


def mask_of(elements: Iterable[Element]) -> int:
    """The number that has the bits of these elements."""
    return _mask_of(frozenset(elements))


@lru_cache(maxsize=4_096)
def _mask_of(elements: frozenset[Element]) -> int:
    mask = 0
    for element in elements:
        mask |= _BITS[element]
    return mask


@lru_cache(maxsize=4_096)
def elements_in(mask: int) -> frozenset[Element]:
    """The elements whose bits a number has."""
    return frozenset(element for element, bit in _BITS.items() if mask & bit)
