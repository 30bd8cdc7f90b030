"""The organizations of the pilot: two districts, their schools, and two community organizations."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from deploy.local.pilot.names import SCHOOL_WORDS
from deploy.local.pilot.school_year import Calendar, harbor_calendar, mill_river_calendar
from homeroom.errors import RequestInvalidError

HARBOR = "harbor_ps"
MILL_RIVER = "mill_river_ps"
NEIGHBORHOOD = "neighborhood_initiative"
SHELTER = "shelter_network"

PRE_K, KINDERGARTEN, LAST_GRADE = -1, 0, 12

MOST_STUDENTS = 5_000_000
"""Beyond this the seven digits of a district's ids would not keep children apart."""

_STUDENTS_PER_SET = 2_000
_KIND = {
    "elementary": "Elementary School",
    "middle": "Middle School",
    "high": "High School",
    "k8": "K-8 School",
}


@dataclass(frozen=True, slots=True)
class PilotPlan:
    """What to make.

    Attributes:
        students: how many different children.
        today: the day the records are as of; families answered before it.
    """

    students: int = 2_000
    seed: int = 7
    school_year: str = "2025-2026"
    today: date = date(2026, 11, 22)

    def __post_init__(self) -> None:
        if self.students < 1:
            raise RequestInvalidError("a pilot has at least one student", field="students")
        if self.students > MOST_STUDENTS:
            raise RequestInvalidError("a pilot has five million students at most", field="students")


@dataclass(frozen=True, slots=True)
class School:
    """A school: its grades, and how it writes attendance down."""

    school_id: str
    name: str
    level: str
    attendance_kind: str
    grades: range


@dataclass(frozen=True)
class District:
    """A district: its calendar, and its schools in sets that each teach every grade."""

    organization: str
    calendar: Calendar
    sets: tuple[tuple[School, ...], ...]

    @property
    def schools(self) -> Iterator[School]:
        """All schools."""
        return (school for schools in self.sets for school in schools)

    def schools_of(self, school_set: int, grade: int) -> list[School]:
        """The schools of one set that teach a grade."""
        return [s for s in self.sets[school_set % len(self.sets)] if grade in s.grades]


@dataclass(frozen=True)
class Region:
    """Everything the records refer to, the same for every household."""

    plan: PilotPlan
    harbor: District
    mill_river: District

    @classmethod
    def of(cls, plan: PilotPlan) -> "Region":
        """Six schools for every two thousand students."""
        sets = max(1, plan.students // _STUDENTS_PER_SET)
        harbor = District(
            HARBOR,
            harbor_calendar(plan.school_year, plan.today),
            tuple(_harbor_schools(number) for number in range(sets)),
        )
        mill_river = District(
            MILL_RIVER,
            mill_river_calendar(plan.school_year, plan.today),
            tuple(_mill_river_schools(number) for number in range(sets)),
        )
        return cls(plan, harbor, mill_river)

    @property
    def districts(self) -> tuple[District, District]:
        """Both districts."""
        return self.harbor, self.mill_river

    @property
    def set_count(self) -> int:
        """How many sets of schools each district has."""
        return len(self.harbor.sets)

    def other(self, district: District) -> District:
        """The neighbour of a district."""
        return self.mill_river if district is self.harbor else self.harbor


def grade_code(grade: int) -> str:
    """PK, KG, 01 to 12."""
    return {PRE_K: "PK", KINDERGARTEN: "KG"}.get(grade, f"{grade:02d}")


def _harbor_schools(number: int) -> tuple[School, ...]:
    levels = (
        ("elementary", range(PRE_K, 6)),
        ("elementary", range(PRE_K, 6)),
        ("middle", range(6, 9)),
        ("high", range(9, 13)),
    )
    return tuple(
        _school("0035", number * len(levels) + place, level, "every_day", grades)
        for place, (level, grades) in enumerate(levels)
    )


def _mill_river_schools(number: int) -> tuple[School, ...]:
    """The high school writes down exceptions only."""
    return (
        _school("0187", number * 2, "k8", "every_day", range(PRE_K, 9)),
        _school("0187", number * 2 + 1, "high", "exceptions", range(9, 13)),
    )


def _school(district: str, place: int, level: str, attendance_kind: str, grades: range) -> School:
    shift = 0 if district == "0035" else len(SCHOOL_WORDS) // 2
    word = SCHOOL_WORDS[(place + shift) % len(SCHOOL_WORDS)]
    turn = place // len(SCHOOL_WORDS)
    name = f"{word} {_KIND[level]}" + (f" {turn + 1}" if turn else "")
    return School(f"{district}{place + 1:04d}", name, level, attendance_kind, grades)
