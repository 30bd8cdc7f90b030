"""Daily attendance: who was absent, late or gone early, on which instructional day."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from deploy.local.pilot.chance import happens, rounded, weighted
from deploy.local.pilot.households import Child, Household
from deploy.local.pilot.spells import Spell
from deploy.local.pilot.tables import Row

_PRESENT = "in_attendance"
_RUNS = ((1, 55), (2, 24), (3, 12), (4, 6), (5, 3))
_EXCUSES = (
    ("medical appointment", 5),
    ("family emergency", 3),
    ("religious observance", 2),
    ("bereavement", 1),
)
_HIGH_SCHOOL = 9

Event = tuple[str, str, str]
"""Category, reason, and how many days it took."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How often a child misses school or comes late."""

    absent: float
    tardy: float

    @classmethod
    def of(cls, child: Child, household: Household) -> "Habits":
        """Most children attend 94 to 98 days of a hundred; about one in six misses ten or more."""
        chance = household.chance
        chronic = 0.42 if household.homeless else 0.135
        if child.grade >= _HIGH_SCHOOL or child.grade < 1:
            chronic += 0.06
        if happens(chance, chronic):
            absent = 0.105 + min(0.45, chance.expovariate(18))
        else:
            absent = min(0.088, chance.betavariate(2.0, 46.0))
        return cls(absent, chance.betavariate(1.0, 26.0))


def absences(
    spell: Spell, habits: Habits, suspended: Iterable[int], chance: Random
) -> dict[int, Event]:
    """The days of a spell on which the child was absent, most in runs of illness."""
    absent: dict[int, Event] = dict.fromkeys(
        suspended, ("excused_absence", "out_of_school_suspension", "1")
    )
    length = max(0, spell.last - spell.first + 1)
    target = min(length, rounded(chance, habits.absent * length) + len(absent))
    while len(absent) < target:
        begin = _illness_day(spell, chance)
        run = min(weighted(chance, _RUNS), target - len(absent))
        event = _absence(run, habits, chance)
        for day in range(begin, min(begin + run, spell.last + 1)):
            absent.setdefault(day, event)
    return absent


def _illness_day(spell: Spell, chance: Random) -> int:
    totals = spell.district.calendar.illness
    low = totals[spell.first - 1] if spell.first else 0.0
    mark = low + chance.random() * (totals[spell.last] - low)
    return min(max(bisect_right(totals, mark), spell.first), spell.last)


def _absence(run: int, habits: Habits, chance: Random) -> Event:
    excused = 0.72 if run > 1 else 0.5
    if habits.absent > 0.1:  # noqa: PLR2004 - chronically absent
        excused -= 0.25
    if happens(chance, excused):
        reason = "illness" if happens(chance, 0.75) else weighted(chance, _EXCUSES)
        return "excused_absence", reason, "1"
    return "unexcused_absence", "", "1"


def attendance_rows(
    student_id: str, spell: Spell, habits: Habits, absent: dict[int, Event], chance: Random
) -> list[Row]:
    """A row for every day, or at a school that writes exceptions only, for every exception."""
    if spell.last < spell.first:
        return []
    school_id, days = spell.school.school_id, spell.district.calendar.days
    events = absent | _late_or_early(spell, habits, absent, chance)
    rows: list[Row]
    if spell.school.attendance_kind == "every_day":
        rows = [(student_id, school_id, day, _PRESENT, "", "") for day in spell.days]
        for day, event in events.items():
            rows[day - spell.first] = (student_id, school_id, days[day], *event)
    else:
        rows = [(student_id, school_id, days[day], *events[day]) for day in sorted(events)]
    # A few come late and leave early on one day: two events, as student systems export them.
    rows += [
        (student_id, school_id, days[day], "early_departure", "", "")
        for day, event in events.items()
        if event[0] == "tardy" and day % 37 == 0
    ]
    return rows


def _late_or_early(
    spell: Spell, habits: Habits, absent: dict[int, Event], chance: Random
) -> dict[int, Event]:
    length = spell.last - spell.first + 1
    events: dict[int, Event] = {}
    for event, rate in (
        (("early_departure", "", ""), 0.006),
        (("partial", "medical appointment", "0.5"), 0.002),
        (("tardy", "", ""), habits.tardy),
    ):
        for _ in range(rounded(chance, rate * length)):
            day = spell.first + int(chance.random() * length)
            if day not in absent:
                events[day] = event
    return events
