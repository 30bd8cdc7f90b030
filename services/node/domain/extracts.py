"""Records without names: under codes made for one answer alone, in groups that are large enough.

A code is random and the rule that ties it to a student is kept nowhere, so that nothing leads back
(34 CFR 99.31(b)(2)). What a student's records say together is the student's combination; where one
is shared by too few, nothing leaves at all.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from homeroom.levels import RECORD_CODE
from services.node.domain.selection import Selection

STUDENT_KEY = "student_key"

_MOST_ROWS = 500_000
"""The most records that are held at once to look at their combinations."""


@dataclass(frozen=True, slots=True)
class Chance:
    """Where codes and orders come from that nobody can guess."""

    new_code: Callable[[], str]
    shuffle: Callable[[list[int]], None]


class Extracts(Protocol):
    """The node's records about everyone, for an answer that names nobody."""

    async def extract(self, selection: Selection, at_most: int) -> pa.Table:
        """The rows in a selection's scope: first the student's key, then the elements."""
        ...


async def all_rows(extracts: Extracts, selection: Selection) -> pa.Table | None:
    """The rows of a selection; None if there are more than can be looked at."""
    rows = await extracts.extract(selection, _MOST_ROWS + 1)
    return None if rows.num_rows > _MOST_ROWS else rows


def smallest_group(rows: pa.Table) -> int | None:
    """How many students share the rarest combination; None of no students."""
    combinations: dict[int, list[str]] = defaultdict(list)
    values = [column.to_pylist() for column in rows.drop_columns([STUDENT_KEY]).columns]
    for key, *said in zip(rows.column(STUDENT_KEY).to_pylist(), *values, strict=True):
        combinations[key].append(repr(said))
    shared = Counter(tuple(sorted(said)) for said in combinations.values())
    return min(shared.values(), default=None)


def coded(rows: pa.Table, chance: Chance) -> pa.Table:
    """The rows in random order, with a random code in the place of the student's key."""
    codes: dict[int, str] = defaultdict(chance.new_code)
    named = [codes[key] for key in rows.column(STUDENT_KEY).to_pylist()]
    order = list(range(rows.num_rows))
    chance.shuffle(order)
    without = rows.drop_columns([STUDENT_KEY])
    return without.add_column(
        0, pa.field(RECORD_CODE, pa.string(), nullable=False), [pa.array(named, pa.string())]
    ).take(pa.array(order, pa.int64()))
