"""Decides what links by itself: the strict rule, and what keeps a pair from it.

Most wrong links of scoring methods are twins. So the score alone never links: the pattern of what
agrees does, and every hindrance sends the pair to a person.
"""

from collections.abc import Iterator
from enum import StrEnum

from services.node.domain.matching.comparison import BirthDate, Evidence, Field
from services.node.domain.matching.given_names import Given, Middle
from services.node.domain.matching.surnames import Surname


class Hindrance(StrEnum):
    """Why a pair does not link by itself."""

    GIVEN_NAME = "given_name_not_equal"
    SHORT_FORM_UNSUPPORTED = "short_form_needs_sex_and_household"
    ORDER_UNSUPPORTED = "turned_name_order_needs_household"
    MIDDLE_NAME = "middle_name_contradicts"
    SURNAME = "surname_not_equal"
    BIRTH_DATE = "birth_date_not_equal"
    WEAK_BIRTH_DATE = "birth_date_tells_little"
    SEX = "sex_contradicts"
    LOCAL_ID = "local_id_contradicts"
    DOUBTFUL_NAME = "name_has_unusual_signs"
    UNCORROBORATED = "nothing_else_agrees"
    RIVAL = "another_student_fits_too"
    TWIN = "a_twin_may_be_meant"
    OTHER_CLAIM = "another_claim_fits_this_student"
    RECORDER = "its_recorder_may_mean_another_student"
    SHARED_ID = "local_id_is_shared"
    UNDONE = "this_link_was_undone_before"


class Lane(StrEnum):
    """The part of the review queue that a claim stands in."""

    CORROBORATION = "only_corroboration_missing"
    LOOK_ALIKE = "look_alike"
    CHANGED_SURNAME = "changed_surname"
    OTHER = "other"


_NAMES_ONE = frozenset({Given.EQUAL, Given.SHORT_FORM})
SURNAMES_ONE = frozenset({Surname.EQUAL, Surname.PART, Surname.SIMILAR})
_MAY_BE_ONE = frozenset(Given) - {Given.CLASHING, Given.DIFFERENT}
_ANOTHER_CHILD = frozenset(
    {Hindrance.RIVAL, Hindrance.TWIN, Hindrance.OTHER_CLAIM, Hindrance.RECORDER}
)
_TWIN_LIKE = frozenset({Given.SIMILAR, Given.INITIAL, Given.MIDDLE, Given.RELATED})


def hindrances(evidence: Evidence) -> Iterator[Hindrance]:
    """What keeps a pair from linking by itself; nothing if the strict rule holds for it."""
    yield from _given_name(evidence)
    if evidence.middle is Middle.DIFFERENT:
        yield Hindrance.MIDDLE_NAME
    if evidence.surname not in SURNAMES_ONE or (
        # Short surnames of one tongue differ by a letter: Chan and Chen.
        evidence.surname is Surname.SIMILAR and not _sure_household(evidence)
    ):
        yield Hindrance.SURNAME
    yield from _birth_date(evidence)
    if evidence.sex is Field.DIFFERENT:
        yield Hindrance.SEX
    if evidence.local_id is Field.DIFFERENT:
        yield Hindrance.LOCAL_ID
    if evidence.doubtful:
        yield Hindrance.DOUBTFUL_NAME
    if not _corroborated(evidence):
        yield Hindrance.UNCORROBORATED


def needs_rare_name(evidence: Evidence) -> bool:
    """Whether a pair that agrees in its whole name links only if that name is rare."""
    if evidence.given is not Given.EQUAL or evidence.surname is not Surname.EQUAL:
        return False
    if evidence.order_turned:
        return False
    return evidence.birth_date is not BirthDate.EQUAL or not _corroborated(evidence)


def worth_a_look(evidence: Evidence, bits: float, least: float) -> bool:
    """Whether a person should see a pair that does not link by itself."""
    if not _could_be_one(evidence):
        return False
    if evidence.given is Given.EQUAL and evidence.birth_date is BirthDate.EQUAL:
        # A foster child's surname, address and telephone all change at once.
        return not evidence.weak_date or bits >= least
    return bits >= least


def same_birth(evidence: Evidence) -> bool:
    """Whether surname and birth date are those of a twin."""
    return (
        evidence.birth_date is BirthDate.EQUAL
        and not evidence.weak_date
        and evidence.surname in SURNAMES_ONE
    )


def lane_of(evidence: Evidence, why: frozenset[Hindrance]) -> Lane:
    """The part of the queue for a pair that does not link by itself."""
    if why == {Hindrance.UNCORROBORATED}:
        return Lane.CORROBORATION
    if not why.isdisjoint(_ANOTHER_CHILD) or evidence.given in _TWIN_LIKE:
        return Lane.LOOK_ALIKE
    if Hindrance.SURNAME in why:
        return Lane.CHANGED_SURNAME
    return Lane.OTHER


def _given_name(evidence: Evidence) -> Iterator[Hindrance]:
    if evidence.given not in _NAMES_ONE:
        yield Hindrance.GIVEN_NAME
    elif evidence.given is Given.SHORT_FORM and not (
        evidence.sex is Field.EQUAL and _sure_household(evidence)
    ):
        yield Hindrance.SHORT_FORM_UNSUPPORTED
    if evidence.order_turned and not _sure_household(evidence):
        yield Hindrance.ORDER_UNSUPPORTED


def _birth_date(evidence: Evidence) -> Iterator[Hindrance]:
    if not _one_birth_date(evidence):
        yield Hindrance.BIRTH_DATE
    if evidence.weak_date and not (evidence.surname is Surname.EQUAL and _sure_household(evidence)):
        yield Hindrance.WEAK_BIRTH_DATE


def _one_birth_date(evidence: Evidence) -> bool:
    """Whether the dates are one, or a slip of the pen in the same household."""
    if evidence.birth_date is BirthDate.SWAPPED:
        return evidence.household
    if evidence.birth_date in {BirthDate.NEAR, BirthDate.OTHER_YEAR}:
        # Nobody gives two children of one household the same name; two households at one shelter
        # may, unless the name is rare.
        return evidence.household and evidence.rare_name
    return evidence.birth_date is BirthDate.EQUAL


def _sure_household(evidence: Evidence) -> bool:
    return evidence.household or evidence.local_id is Field.EQUAL


def _corroborated(evidence: Evidence) -> bool:
    return (
        _sure_household(evidence)
        or evidence.middle in {Middle.EQUAL, Middle.INITIAL}
        or evidence.school is Field.EQUAL
        or (evidence.rare_name and evidence.birth_date is BirthDate.EQUAL)
    )


def _could_be_one(evidence: Evidence) -> bool:
    """Whether what speaks against a pair leaves it possible at all."""
    if evidence.given not in _MAY_BE_ONE:
        return _same_id(evidence)
    if evidence.given in _TWIN_LIKE and evidence.sex is Field.DIFFERENT:
        return _same_id(evidence)
    if evidence.birth_date is BirthDate.DIFFERENT:
        same_name = evidence.given is Given.EQUAL and evidence.surname in SURNAMES_ONE
        return same_name and (_sure_household(evidence))
    return True


def _same_id(evidence: Evidence) -> bool:
    """A shared id is never enough; with the birth date it is worth asking a person."""
    return (
        evidence.local_id is Field.EQUAL
        and evidence.birth_date is BirthDate.EQUAL
        and evidence.surname in SURNAMES_ONE
    )
