"""Watches links that were made: other claims and newcomers to the roster may make them doubtful.

A link has to be the best on both sides. Claims arrive one by one, so each new one is held against
those that its student is linked to already; the roster changes, so links are looked at again.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from services.node.domain.matching.comparison import BirthDate, Field, compare
from services.node.domain.matching.given_names import Given, Middle
from services.node.domain.matching.identity import Person
from services.node.domain.matching.match import GAP_BITS, Surroundings
from services.node.domain.matching.rule import SURNAMES_ONE

_MOST_IDENTITIES = 16


@dataclass(frozen=True, slots=True)
class Fit:
    """A claim that is linked to a student, or would be.

    Attributes:
        confirmed: a person said so; no other claim changes it.
    """

    claim_id: str
    person: Person
    bits: float
    confirmed: bool = False


def contested(fits: Iterable[Fit]) -> frozenset[str]:
    """The claims of one student that a person has to judge, as another claim fits as well.

    Two claims of one identity do not contest each other: a family signs many forms. Of two
    identities the one that fits clearly better stays linked.
    """
    groups: list[list[Fit]] = []
    for fit in fits:
        group = next((each for each in groups if one_identity(each[0].person, fit.person)), None)
        if group is not None:
            group.append(fit)
        else:
            groups.append([fit])
        if len(groups) > _MOST_IDENTITIES:
            # So many identities for one student: somebody is trying names.
            return frozenset(each.claim_id for each in fits if not each.confirmed)
    return frozenset(
        fit.claim_id
        for group in groups
        for fit in group
        if not any(each.confirmed for each in group) and _beaten(fit, group, groups)
    )


def one_identity(one: Person, other: Person) -> bool:
    """Whether two claims say the same person, so far as both say anything."""
    evidence = compare(one, other)
    return (
        evidence.given is Given.EQUAL
        and evidence.middle is not Middle.DIFFERENT
        and evidence.surname in SURNAMES_ONE
        and evidence.birth_date in {BirthDate.EQUAL, BirthDate.MISSING}
        and evidence.sex is not Field.DIFFERENT
        and evidence.local_id is not Field.DIFFERENT
    )


def still_holds(student_key: int, near: Surroundings, known: Collection[int] = ()) -> bool:
    """Whether a link made before would not be doubted by the roster as it is now.

    What corroborated it may be gone since: families move. Doubtful is a link whose evidence now
    contradicts it, or beside which someone stands who was not considered then.

    Args:
        student_key: the student of the link.
        near: who is near its claim now.
        known: who was near it when a person confirmed it.
    """
    own = next((each for each in near.candidates if each.student_key == student_key), None)
    if own is None:
        return False
    rivals = {
        each.student_key
        for each in near.candidates
        if each.student_key != student_key and own.bits - each.bits < GAP_BITS
    }
    if own.evidence.given is not Given.EQUAL:
        rivals |= near.twins - {student_key}
    return rivals <= set(known)


def _beaten(fit: Fit, group: list[Fit], groups: list[list[Fit]]) -> bool:
    return any(
        other.confirmed or fit.bits - other.bits < GAP_BITS
        for rival in groups
        if rival is not group
        for other in rival
    )
