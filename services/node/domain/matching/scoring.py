"""Weighs evidence in bits, as Fellegi and Sunter do: how much it speaks for one student, not two.

Weights are log2(m / u): m, how often a field agrees so for one student's two records; u, how often
for two students of one roster. The names' u comes from the roster itself: sharing a rare name says
more. The score never decides alone that two records are one student (`rule.py`); it ranks, and says
what is worth a person's look.
"""

from collections.abc import Mapping
from math import log2
from typing import Final

from services.node.domain.matching.comparison import BirthDate, Evidence, Field
from services.node.domain.matching.given_names import Given, Middle
from services.node.domain.matching.surnames import Surname

_MOST_NAME_BITS: Final = 11.0
_FEWEST_NAME_BITS: Final = 4.0
# A name is taken to be borne by 1 student in 500 until the roster is large enough to tell.
_PRIOR_STUDENTS: Final = 2_000
_PRIOR_BEARERS: Final = 4

# What is lost of a name's own bits when it does not agree in full.
_GIVEN: Final[Mapping[Given, float]] = {
    Given.EQUAL: 0.0,
    Given.SHORT_FORM: -2.5,
    Given.REORDERED: -3.0,
    Given.SHORTER: -3.0,
    Given.RELATED: -4.0,
    Given.SIMILAR: -4.0,
}
_GIVEN_ALONE: Final[Mapping[Given, float]] = {
    Given.MIDDLE: 3.0,
    Given.INITIAL: 2.0,
    Given.OTHER_SCRIPT: 0.0,
    Given.MISSING: 0.0,
    Given.CLASHING: -6.0,
    Given.DIFFERENT: -8.0,
}
_MIDDLE: Final[Mapping[Middle, float]] = {
    Middle.EQUAL: 4.0,
    Middle.INITIAL: 3.0,
    Middle.MISSING: 0.0,
    Middle.DIFFERENT: -5.0,
}
_SURNAME: Final[Mapping[Surname, float]] = {
    Surname.EQUAL: 0.0,
    Surname.PART: -1.5,
    Surname.SIMILAR: -2.0,
    Surname.CROSSED: -4.0,
}
_SURNAME_ALONE: Final[Mapping[Surname, float]] = {
    Surname.OTHER_SCRIPT: 0.0,
    Surname.MISSING: 0.0,
    Surname.DIFFERENT: -4.0,
}
_BIRTH_DATE: Final[Mapping[BirthDate, float]] = {
    BirthDate.EQUAL: 12.5,
    BirthDate.SWAPPED: 7.0,
    BirthDate.NEAR: 5.0,
    BirthDate.OTHER_YEAR: 5.0,
    BirthDate.PLACEHOLDER: 0.0,
    BirthDate.MISSING: 0.0,
    BirthDate.DIFFERENT: -9.0,
}
_WEAK_DATE: Final = 4.0
_SEX: Final = {Field.EQUAL: 1.0, Field.MISSING: 0.0, Field.DIFFERENT: -5.0}
_PHONE: Final = {Field.EQUAL: 9.0, Field.MISSING: 0.0, Field.DIFFERENT: -1.0}
_ADDRESS: Final = {Field.EQUAL: 9.0, Field.MISSING: 0.0, Field.DIFFERENT: -1.0}
# Telephone and address both agree for whole families: the second adds little.
_BOTH_HOUSEHOLD: Final = 11.0
_SCHOOL: Final = {Field.EQUAL: 4.0, Field.MISSING: 0.0, Field.DIFFERENT: -1.0}
_LOCAL_ID: Final = {Field.EQUAL: 14.0, Field.MISSING: 0.0, Field.DIFFERENT: -4.0}
_DOUBTFUL: Final = -3.0


def name_bits(bearers: int, students: int) -> float:
    """What agreeing on a name tells, that so many students of the roster bear."""
    share = (bearers + _PRIOR_BEARERS) / (students + _PRIOR_STUDENTS)
    return min(_MOST_NAME_BITS, max(_FEWEST_NAME_BITS, -log2(share)))


def score(evidence: Evidence, given_bits: float, surname_bits: float) -> float:
    """The bits that speak for one student, given what agreeing on these names tells."""
    return (
        _name(_GIVEN, _GIVEN_ALONE, evidence.given, given_bits)
        + _name(_SURNAME, _SURNAME_ALONE, evidence.surname, surname_bits)
        + _MIDDLE[evidence.middle]
        + (_WEAK_DATE if evidence.weak_date else _BIRTH_DATE[evidence.birth_date])
        + _SEX[evidence.sex]
        + _household(evidence)
        + _SCHOOL[evidence.school]
        + _LOCAL_ID[evidence.local_id]
        + (_DOUBTFUL if evidence.doubtful else 0.0)
    )


def _name(
    loss: Mapping[Given, float] | Mapping[Surname, float],
    alone: Mapping[Given, float] | Mapping[Surname, float],
    found: Given | Surname,
    bits: float,
) -> float:
    """A name's own bits less what is lost of them; other outcomes weigh the same for all names."""
    if found in loss:
        return bits + loss[found]  # type: ignore[index]  # a table and its own key
    return alone[found]  # type: ignore[index]  # the same


def _household(evidence: Evidence) -> float:
    if evidence.phone is Field.EQUAL and evidence.address is Field.EQUAL:
        return _BOTH_HOUSEHOLD
    return _PHONE[evidence.phone] + _ADDRESS[evidence.address]
