"""Cuts what a statement names into lists that every database takes."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

IN_LIST = 500
"""How many values one statement names: below every database's limit of parameters."""

T = TypeVar("T")


def in_lists(values: Iterable[T]) -> Iterator[list[T]]:
    """The values, some at a time."""
    remaining = iter(values)
    while some := list(islice(remaining, IN_LIST)):
        yield some
