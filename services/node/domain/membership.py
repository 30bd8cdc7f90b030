"""When a student was a member of a school, as it follows from all the student's spells.

Files say it badly: spells are never closed, overlap at one school, or are of students who never
came. Rows stay as the source gave them; membership is what measures and current schools rest on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

_DAY = timedelta(days=1)
_NO_SHOW = re.compile(r"no.?show|never.?attended|did.?not.?(enter|attend)")


@dataclass(frozen=True, slots=True)
class Spell:
    """A spell at a school, as the source gave it."""

    school_id: str
    entry_date: date
    exit_date: date | None
    exit_type: str | None = None
    primary_school: bool | None = None
    full_time_equivalency: float | None = None

    @property
    def no_show(self) -> bool:
        """Whether the student never came; the record stays, the student was no member."""
        return bool(self.exit_type and _NO_SHOW.search(self.exit_type.lower()))

    @property
    def shared(self) -> bool:
        """Whether the source says that it is one of several at once."""
        partial = self.full_time_equivalency is not None and self.full_time_equivalency < 1
        return self.primary_school is False or partial


@dataclass(frozen=True, slots=True)
class Membership:
    """The days of a spell, both included; no first day for who never came.

    Attributes:
        presumed: whether the end follows from a later spell, and not from the source.
    """

    first_day: date | None
    last_day: date | None
    presumed: bool = False

    def covers(self, day: date) -> bool:
        """Whether a day is among them."""
        if self.first_day is None or day < self.first_day:
            return False
        return self.last_day is None or day <= self.last_day


def memberships(spells: Sequence[Spell]) -> list[Membership]:
    """The membership of each spell of one student, in the order they were given.

    At one school a spell ends, at the latest, the day before the next one begins. A spell that was
    never closed ends when the student enters another school, if a later spell is open: unless the
    source says that the two are shared.
    """
    places = sorted(
        (place for place, spell in enumerate(spells) if not spell.no_show),
        key=lambda place: (spells[place].entry_date, place),
    )
    found = [Membership(None, None)] * len(spells)
    for order, place in enumerate(places):
        later = [spells[other] for other in places[order + 1 :]]
        found[place] = _membership(spells[place], later)
    return found


def _membership(spell: Spell, later: Sequence[Spell]) -> Membership:
    ends = [_before(other) for other in later if other.school_id == spell.school_id]
    moved = spell.exit_date is None and any(other.exit_date is None for other in later)
    if moved and not spell.shared:
        ends += [_before(other) for other in later if not other.shared]
    last = min((end for end in ends if end >= spell.entry_date), default=None)
    if last is None or (spell.exit_date is not None and spell.exit_date <= last):
        return Membership(spell.entry_date, spell.exit_date)
    return Membership(spell.entry_date, last, presumed=True)


def _before(spell: Spell) -> date:
    return spell.entry_date - _DAY


def current_school(spells: Sequence[Spell], found: Sequence[Membership]) -> str | None:
    """The school of the membership that ends last, if ever; of several the primary, the newest."""
    best = max(
        (
            (m.last_day or date.max, s.primary_school is not False, s.entry_date, s.school_id)
            for s, m in zip(spells, found, strict=True)
            if m.first_day is not None
        ),
        default=None,
    )
    return best[-1] if best else None


def overlapping(spells: Sequence[Spell]) -> int:
    """How many spells begin, at the same school, before the one before them has ended."""
    ordered = sorted(spells, key=lambda s: (s.school_id, s.entry_date))
    return sum(
        later.school_id == spell.school_id
        and (spell.exit_date is None or spell.exit_date > later.entry_date)
        for spell, later in pairwise(ordered)
    )


def without_primary(spells: Sequence[Spell], found: Sequence[Membership]) -> int:
    """How many open memberships there are beyond the one that is primary."""
    now = [s for s, m in zip(spells, found, strict=True) if m.first_day and m.last_day is None]
    return max(sum(s.primary_school is not False for s in now) - 1, 0)
