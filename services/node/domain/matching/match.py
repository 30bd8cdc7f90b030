"""Matches one identity claim to a roster: a link, candidates for a person to judge, or nobody."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.node.domain.matching.comparison import Evidence, Field, compare
from services.node.domain.matching.given_names import Given
from services.node.domain.matching.identity import Identity, Person, person_of
from services.node.domain.matching.roster import RosterIndex
from services.node.domain.matching.rule import (
    Hindrance,
    Lane,
    hindrances,
    lane_of,
    needs_rare_name,
    same_birth,
    worth_a_look,
)
from services.node.domain.matching.scoring import score

GAP_BITS = 3.0
"""By how much the best student must be ahead of the next."""
_SHOWN_BITS = 10.0
_MOST_SHOWN = 5


class Candidate(NamedTuple):
    """A student that a claim could be about, and what speaks for and against it."""

    student_key: int
    bits: float
    evidence: Evidence
    hindrances: frozenset[Hindrance]


@dataclass(frozen=True, slots=True)
class Review:
    """A claim that a person has to look at: the best candidate first."""

    candidates: Sequence[Candidate]
    lane: Lane


@dataclass(frozen=True, slots=True)
class Linked:
    """A claim that is about this student, by the strict rule."""

    candidate: Candidate

    def for_review(self) -> Review:
        """The same for a person to judge, as another claim fits the student as well."""
        why = self.candidate.hindrances | {Hindrance.OTHER_CLAIM}
        return Review([self.candidate._replace(hindrances=why)], Lane.LOOK_ALIKE)


@dataclass(frozen=True, slots=True)
class NoCandidate:
    """A claim that is about nobody of this roster, as far as can be seen."""


Outcome = Linked | Review | NoCandidate


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who is near a claim in the roster.

    Attributes:
        candidates: the students that it could be about, the best first.
        twins: the students whose surname and birth date are the claim's, whatever their names.
    """

    candidates: Sequence[Candidate]
    twins: frozenset[int]

    @property
    def students(self) -> frozenset[int]:
        """All of them: whom a reviewer of the claim has been told of."""
        return self.twins | {candidate.student_key for candidate in self.candidates}


NOBODY = Surroundings((), frozenset())


def match(claim: Identity, roster: RosterIndex, undone: Collection[int] = frozenset()) -> Outcome:
    """What a claim is about.

    Args:
        claim: what the family wrote.
        roster: the holder's students.
        undone: students that a person has said this claim is not about.
    """
    return decide(surroundings(person_of(claim), roster), undone)


def surroundings(claim: Person, roster: RosterIndex) -> Surroundings:
    """Who is near a claim in the roster; nobody if it stands where a name is not known."""
    name = claim.name
    if name.placeholder or not name.given or not name.family:
        return NOBODY
    found: list[Candidate] = []
    twins: set[int] = set()
    least = roster.least_bits
    for row in roster.rows_for(claim):
        candidate = _candidate(claim, roster.persons[row], roster.keys[row], roster)
        if same_birth(candidate.evidence):
            twins.add(candidate.student_key)
        if not candidate.hindrances or worth_a_look(candidate.evidence, candidate.bits, least):
            found.append(candidate)
    found.sort(key=lambda candidate: (-candidate.bits, candidate.student_key))
    return Surroundings(found, frozenset(twins))


def decide(near: Surroundings, undone: Collection[int] = frozenset()) -> Outcome:
    """What follows from who is near a claim."""
    if not near.candidates:
        return NoCandidate()
    best, *others = near.candidates
    why = best.hindrances | _rivalry(best, near)
    if best.student_key in undone:
        why |= {Hindrance.UNDONE}
    if not why:
        return Linked(best)
    best = best._replace(hindrances=why)
    shown = [each for each in others if best.bits - each.bits < _SHOWN_BITS]
    return Review([best, *shown[: _MOST_SHOWN - 1]], lane_of(best.evidence, why))


def _rivalry(best: Candidate, near: Surroundings) -> frozenset[Hindrance]:
    """What other students keep a claim from the one that fits it best."""
    why = set()
    if any(best.bits - each.bits < GAP_BITS for each in near.candidates[1:]):
        why.add(Hindrance.RIVAL)
    if best.evidence.given is not Given.EQUAL and near.twins - {best.student_key}:
        # A short form or a slip of the pen may mean the other one.
        why.add(Hindrance.TWIN)
    return frozenset(why)


def _candidate(claim: Person, student: Person, student_key: int, roster: RosterIndex) -> Candidate:
    evidence = _in_roster(compare(claim, student), claim, student, roster)
    why = frozenset(hindrances(evidence))
    if evidence.local_id is Field.EQUAL and roster.shares_id(claim.local_id):
        why |= {Hindrance.SHARED_ID}
    given, surname = _name_bits(claim, student, evidence, roster)
    return Candidate(student_key, score(evidence, given, surname), evidence, why)


def _in_roster(evidence: Evidence, claim: Person, student: Person, roster: RosterIndex) -> Evidence:
    """The evidence by what else the roster shows: which homes are shared, which names are rare."""
    if evidence.phone is Field.EQUAL and roster.is_shared_home(claim.phone):
        evidence = evidence._replace(phone=Field.MISSING)
    if evidence.address is Field.EQUAL and roster.is_shared_home(claim.address):
        evidence = evidence._replace(address=Field.MISSING)
    if needs_rare_name(evidence) and roster.is_rare(claim.name, student.name):
        evidence = evidence._replace(rare_name=True)
    return evidence


def _name_bits(
    claim: Person, student: Person, evidence: Evidence, roster: RosterIndex
) -> tuple[float, float]:
    """What the names tell: of two spellings the commoner, as a typo makes any name look rare."""
    mine, theirs = claim.name, student.name
    if evidence.order_turned:
        return roster.given_bits(theirs.given), roster.surname_bits(theirs.family)
    return (
        min(roster.given_bits(mine.given), roster.given_bits(theirs.given)),
        min(roster.surname_bits(mine.family), roster.surname_bits(theirs.family)),
    )
