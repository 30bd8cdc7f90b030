"""The days a district teaches in one school year."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate

from homeroom.errors import RequestInvalidError

INSTRUCTIONAL_DAYS = 180
"""How many days Massachusetts asks a school to teach."""

QUARTERS = ("Q1", "Q2", "Q3", "Q4")

_MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY = range(6)


def first_year_of(school_year: str) -> int:
    """The calendar year in which a school year such as `2025-2026` begins.

    Raises:
        RequestInvalidError: if it is not two years in a row.
    """
    first, dash, second = school_year.partition("-")
    if not (dash and first.isdecimal() and second.isdecimal() and int(second) == int(first) + 1):
        raise RequestInvalidError(
            "a school year is two years in a row, such as 2025-2026", field="school_year"
        )
    return int(first)


@dataclass(frozen=True)
class Calendar:
    """The instructional days of one district.

    Attributes:
        planned: every instructional day of the year.
        reached: how many of them have come; records exist of these only.
    """

    school_year: str
    planned: tuple[date, ...]
    reached: int

    @cached_property
    def days(self) -> tuple[str, ...]:
        """The days that have come, as text."""
        return tuple(day.isoformat() for day in self.planned[: self.reached])

    @property
    def is_over(self) -> bool:
        """Whether the last day of the year has come."""
        return self.reached == len(self.planned)

    @property
    def quarter_ends(self) -> tuple[int, ...]:
        """The index of the last planned day of each quarter."""
        size = len(self.planned) // len(QUARTERS)
        return tuple(size * number - 1 for number in range(1, len(QUARTERS) + 1))

    @cached_property
    def illness(self) -> tuple[float, ...]:
        """Running totals of how likely a pupil falls ill on each day that has come."""
        return tuple(accumulate(_illness_weight(day) for day in self.planned[: self.reached]))

    def index_after(self, day: str) -> int:
        """The index of the first day that has come after a date."""
        return bisect_right(self.days, day)

    def index_from(self, day: str) -> int:
        """The index of the first day that has come on or after a date."""
        return bisect_left(self.days, day)


def harbor_calendar(school_year: str, today: date) -> Calendar:
    """Begins on the Thursday after Labor Day; teachers meet on a Friday in March."""
    year = first_year_of(school_year)
    begin = _nth(year, 9, _MONDAY, 1) + timedelta(days=3)
    return _calendar(school_year, begin, {_nth(year + 1, 3, _FRIDAY, 2)}, today)


def mill_river_calendar(school_year: str, today: date) -> Calendar:
    """Begins on the Wednesday before Labor Day; teachers meet on election Tuesday."""
    year = first_year_of(school_year)
    begin = _nth(year, 9, _MONDAY, 1) - timedelta(days=5)
    return _calendar(school_year, begin, {_nth(year, 11, _TUESDAY, 1)}, today)


def _calendar(school_year: str, begin: date, own_days_off: set[date], today: date) -> Calendar:
    closed = days_off(school_year) | own_days_off
    planned: list[date] = []
    day = begin
    while len(planned) < INSTRUCTIONAL_DAYS:
        if day.weekday() < _SATURDAY and day not in closed:
            planned.append(day)
        day += timedelta(days=1)
    reached = sum(day <= today for day in planned)
    if not reached:
        raise RequestInvalidError("the school year has not begun", field="school_year")
    return Calendar(school_year, tuple(planned), reached)


def days_off(school_year: str) -> set[date]:
    """The holidays and vacation weeks every district keeps."""
    year = first_year_of(school_year)
    thanksgiving = _nth(year, 11, _THURSDAY, 4)
    presidents, patriots = _nth(year + 1, 2, _MONDAY, 3), _nth(year + 1, 4, _MONDAY, 3)
    memorial = _nth(year + 1, 6, _MONDAY, 1) - timedelta(days=7)
    closed = {
        _nth(year, 9, _MONDAY, 1),  # Labor Day
        _nth(year, 10, _MONDAY, 2),  # Indigenous Peoples' Day
        date(year, 11, 11),  # Veterans Day
        thanksgiving,
        thanksgiving + timedelta(days=1),
        _nth(year + 1, 1, _MONDAY, 3),  # Martin Luther King Day
        memorial,
        date(year + 1, 6, 19),  # Juneteenth
    }
    for first, length in ((date(year, 12, 24), 10), (presidents, 5), (patriots, 5)):
        closed.update(first + timedelta(days=offset) for offset in range(length))
    return closed


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _illness_weight(day: date) -> float:
    """Winter, the edges of the week and two waves of flu keep more children at home."""
    weight = 1.0
    if day.month in (12, 1, 2):
        weight *= 1.6
    if day.weekday() in (_MONDAY, _FRIDAY):
        weight *= 1.3
    if (day.month, day.day // 11) in ((12, 1), (2, 0)):
        weight *= 2.2
    return weight
