"""Makes frozen tables of who is at a school: school by one more dimension, with all totals.

The lattice is closed: nobody asks for a group that is not in it. Every student counts once, at the
school the student is at now, so that the parts of every total add up to it.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from homeroom.errors import RequestInvalidError
from homeroom.vocabulary import Element
from services.node.domain.aggregates import FrozenTable
from services.node.domain.disclosure.table import Cell

ALL = ""
"""The group of everyone, and the school of every school."""
_UNKNOWN = "not_known"


class Measure(StrEnum):
    """What a table tells of a group."""

    STUDENTS = "students"
    CHRONIC_ABSENCE = "chronic_absence"
    SUSPENDED = "suspended"
    ATTENDANCE_RATE = "attendance_rate"


class Dimension(StrEnum):
    """By what else than the school students are grouped."""

    GRADE_LEVEL = "grade_level"
    GENDER = "gender"
    RACE = "race"
    ENGLISH_LEARNER = "english_learner"
    SPECIAL_EDUCATION = "special_education"
    HOMELESS = "homeless"
    LUNCH = "lunch"


_ELEMENT = {
    Dimension.GRADE_LEVEL: Element.GRADE_LEVEL,
    Dimension.GENDER: Element.GENDER,
    Dimension.RACE: Element.RACE_ETHNICITY,
    Dimension.ENGLISH_LEARNER: Element.EL_STATUS,
    Dimension.SPECIAL_EDUCATION: Element.SPED_STATUS,
    Dimension.HOMELESS: Element.HOMELESS_STATUS,
    Dimension.LUNCH: Element.FREE_REDUCED_LUNCH_STATUS,
}
_OF_MEASURE = {
    Measure.CHRONIC_ABSENCE: ("attendance_rates", Element.ATTENDANCE_RATE),
    Measure.SUSPENDED: ("suspensions", Element.SUSPENSIONS),
    Measure.ATTENDANCE_RATE: ("attendance_rates", Element.ATTENDANCE_RATE),
}


@dataclass(frozen=True, slots=True)
class Pupil:
    """One student as one measure counts the student.

    Attributes:
        groups: the group in each dimension; one that is left out is not known.
        outcome: whether the student has the outcome; None where the measure has none.
        days: the days attended and enrolled, where the measure is of days.
    """

    student_key: int
    school_id: str
    groups: Mapping[Dimension, str]
    outcome: bool | None = None
    days: tuple[int, int] | None = None


def table_name(measure: Measure, dimension: Dimension) -> str:
    """What a question calls the table of a measure by a dimension."""
    return f"{measure}_by_{dimension}"


def frozen(measure: Measure, dimension: Dimension, pupils: Collection[Pupil]) -> FrozenTable:
    """The table of a measure by school and one dimension, with the totals of both.

    Raises:
        RequestInvalidError: if it counts nobody.
    """
    if not pupils:
        raise RequestInvalidError("the records have no student to count", field="measure")
    inside = _by_place(dimension, pupils)
    schools = sorted({school for school, _ in inside if school != ALL})
    groups = sorted({group for _, group in inside if group != ALL})
    places = [(s, g) for s in (*schools, ALL) for g in (*groups, ALL)]
    cells = tuple(_cell(place, inside.get(place, [])) for place in places)
    dataset, element = _OF_MEASURE.get(measure, ("students", _ELEMENT[dimension]))
    lines = [(s, ALL, [(s, g) for g in groups]) for s in (*schools, ALL)]
    lines += [(ALL, g, [(s, g) for s in schools]) for g in (*groups, ALL)]
    return FrozenTable(
        name=table_name(measure, dimension),
        measure=measure,
        dataset=dataset,
        elements=frozenset({element}),
        cells=cells,
        lines=tuple(
            (_cell_id(school, group), *(_cell_id(*part) for part in parts))
            for school, group, parts in lines
        ),
        members={
            _cell_id(*place): frozenset(pupil.student_key for pupil in inside.get(place, []))
            for place in places
        },
    )


def _by_place(
    dimension: Dimension, pupils: Collection[Pupil]
) -> Mapping[tuple[str, str], list[Pupil]]:
    """The students of each school and group, and of the totals."""
    inside: dict[tuple[str, str], list[Pupil]] = defaultdict(list)
    for pupil in pupils:
        group = pupil.groups.get(dimension, _UNKNOWN)
        for school in (pupil.school_id, ALL):
            for of_group in (group, ALL):
                inside[school, of_group].append(pupil)
    return inside


def _cell_id(school: str, group: str) -> str:
    return f"{school}|{group}"


def _cell(place: tuple[str, str], pupils: Sequence[Pupil]) -> Cell:
    told = [pupil.outcome for pupil in pupils if pupil.outcome is not None]
    days = [pupil.days for pupil in pupils if pupil.days is not None]
    enrolled = sum(possible for _, possible in days)
    return Cell(
        _cell_id(*place),
        *place,
        n=len(pupils),
        numerator=sum(told) if told else None,
        rate=Fraction(100 * sum(there for there, _ in days), enrolled) if enrolled else None,
    )
