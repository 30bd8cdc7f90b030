"""Compares two persons field by field: the evidence that decides, and that a reviewer reads."""

import datetime as dt
from enum import StrEnum
from typing import NamedTuple

from services.node.domain.matching.given_names import Given, Middle, compare_given
from services.node.domain.matching.identity import Person
from services.node.domain.matching.names import NO_NAME, PersonName
from services.node.domain.matching.surnames import Surname, compare_surnames

_CLOSE_YEARS = 2
PLACEHOLDER_YEARS = 3


class BirthDate(StrEnum):
    """How two birth dates compare."""

    EQUAL = "birth_date_equal"
    SWAPPED = "birth_date_day_and_month_swapped"
    NEAR = "birth_date_day_or_month_differs"
    OTHER_YEAR = "birth_date_year_differs"
    PLACEHOLDER = "birth_date_placeholder"
    DIFFERENT = "birth_date_different"
    MISSING = "birth_date_missing"


class Field(StrEnum):
    """How two values compare that are equal or not."""

    EQUAL = "equal"
    DIFFERENT = "different"
    MISSING = "missing"


class Evidence(NamedTuple):
    """What speaks for and against two persons being one.

    Attributes:
        order_turned: given and family name stand in each other's place.
        weak_date: both were born on 1 January by what is written: papers say so where the day is
            not known, so it tells little.
        doubtful: a name has signs or mixed scripts that no name has.
        rare_name: the names agree in full, and hardly anyone else has them; looked up only where
            it makes a difference.
    """

    given: Given
    middle: Middle
    surname: Surname
    birth_date: BirthDate
    sex: Field
    phone: Field
    address: Field
    school: Field
    local_id: Field
    order_turned: bool
    weak_date: bool
    doubtful: bool
    rare_name: bool = False

    @property
    def household(self) -> bool:
        """Whether telephone or address agree."""
        return self.phone is Field.EQUAL or self.address is Field.EQUAL


def compare(one: Person, other: Person) -> Evidence:
    """What speaks for and against two persons being one; the order does not matter."""
    given, middle, surname, turned = _names(one, other)
    birth_date = compare_birth_dates(one.birth_date, other.birth_date)
    return Evidence(
        given,
        middle,
        surname,
        birth_date,
        _field(one.sex, other.sex),
        _field(one.phone, other.phone),
        _field(one.address, other.address),
        _field(one.school_id, other.school_id),
        _field(one.local_id, other.local_id),
        turned,
        birth_date is BirthDate.EQUAL and _first_of_january(one.birth_date),
        one.name.doubtful or other.name.doubtful,
    )


def compare_birth_dates(one: dt.date | None, other: dt.date | None) -> BirthDate:
    """How two birth dates compare."""
    if one is None or other is None:
        return BirthDate.MISSING
    if one == other:
        return BirthDate.EQUAL
    years = abs(one.year - other.year)
    if (_first_of_january(one) or _first_of_january(other)) and years <= PLACEHOLDER_YEARS:
        return BirthDate.PLACEHOLDER
    return _slip(one, other, years)


def _slip(one: dt.date, other: dt.date, years: int) -> BirthDate:
    """How two unlike dates may be one, mistyped."""
    if (one.year, one.month, one.day) == (other.year, other.day, other.month):
        return BirthDate.SWAPPED
    differing = (one.month != other.month) + (one.day != other.day)
    if years == 0 and differing == 1:
        return BirthDate.NEAR
    if differing == 0 and years <= _CLOSE_YEARS:
        return BirthDate.OTHER_YEAR
    return BirthDate.DIFFERENT


def _names(one: Person, other: Person) -> tuple[Given, Middle, Surname, bool]:
    mine, theirs = one.name, other.name
    surname = compare_surnames(mine.family, theirs.family)
    given, middle = compare_given(mine.given, mine.middle, theirs.given, theirs.middle)
    if given is not Given.DIFFERENT or surname not in {Surname.DIFFERENT, Surname.CROSSED}:
        return given, middle, surname, False
    turned = _turned_names(mine, theirs)
    return (turned[0], middle, turned[1], True) if turned else (given, middle, surname, False)


def _turned_names(mine: PersonName, theirs: PersonName) -> tuple[Given, Surname] | None:
    """How names compare if someone wrote the family name first; None if not even so.

    Nobody knows who did. Either field may hold the given name, so the one that agrees less is
    taken for it: Marc and Marco are brothers, whichever field they stand in.
    """
    ways = [
        (compare_given(one, NO_NAME, other, NO_NAME)[0], compare_surnames(another, yet_another))
        for one, other, another, yet_another in (
            (mine.given, theirs.family, mine.family, theirs.given),
            (mine.family, theirs.given, mine.given, theirs.family),
        )
    ]
    if any(given is Given.DIFFERENT or surname is Surname.DIFFERENT for given, surname in ways):
        return None
    return next((way for way in ways if way[0] is not Given.EQUAL), ways[0])


def _field(one: str, other: str) -> Field:
    if not one or not other:
        return Field.MISSING
    return Field.EQUAL if one == other else Field.DIFFERENT


def _first_of_january(day: dt.date | None) -> bool:
    return day is not None and (day.month, day.day) == (1, 1)
