"""Makes days of attendance of rows about periods.

An absent day is one of which at least half was missed (CEDS 002022). How much was missed stays with
the day, so that a stricter rule can be applied later.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_ABSENT = ("unexcused_absence", "excused_absence")
_LESSER = ("tardy", "early_departure", "partial")


class DayKey(NamedTuple):
    """Whose day, and where."""

    student_id: str
    school_id: str
    event_date: str


@dataclass(slots=True)
class PeriodDays:
    """Gathers the periods of one file, and gives its days.

    Attributes:
        periods: how many a day has, where only exceptions are told; else 0.
    """

    periods: int
    _of_day: dict[DayKey, Counter[str]] = field(default_factory=dict)
    _first: dict[DayKey, int] = field(default_factory=dict)

    def add(self, key: DayKey, category: str, line: int) -> None:
        """Takes one period."""
        self._of_day.setdefault(key, Counter())[category] += 1
        self._first.setdefault(key, line)

    def days(self) -> Iterator[tuple[DayKey, int, str, str]]:
        """Each day with the line it was first told in, its category, and how much was missed."""
        for key, told in self._of_day.items():
            missed = sum(told[category] for category in _ABSENT)
            whole = max(self.periods, told.total()) if self.periods else told.total()
            category = self._category(told, missed, whole)
            yield key, self._first[key], category, f"{missed / whole:.3f}" if missed else ""

    @staticmethod
    def _category(told: Counter[str], missed: int, whole: int) -> str:
        if 2 * missed >= whole:
            return max(_ABSENT, key=lambda category: told[category])
        if missed:
            return "partial"
        lesser = next((category for category in _LESSER if told[category]), "")
        if lesser:
            return lesser
        # A word that nobody knows is passed on, so that the row rules tell of it.
        return next(iter(told))
