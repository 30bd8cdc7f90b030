"""What became of each identity claim: linked, in review, or about nobody here.

A claim is matched when it arrives and again when the roster changes. What a person has said stays:
a rejected student is no candidate again, and a link that was undone is not made by itself.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from services.node.domain.matching import (
    Candidate,
    Hindrance,
    Identity,
    Lane,
    Linked,
    Review,
    RosterIndex,
    person_of,
)
from services.node.domain.matching.links import Fit, contested, still_holds
from services.node.domain.matching.match import Surroundings, decide, surroundings
from services.node.domain.matching.pattern import pattern_of
from services.node.domain.matching.rule import lane_of
from services.node.domain.recorder_names import KnownAs, NamedLink, RecordersWord, misnamed


class LinkState(StrEnum):
    """What became of a claim."""

    LINKED = "linked"  # by the strict rule
    CONFIRMED = "confirmed"  # by a person
    REVIEW = "review"
    CONTESTED = "contested"  # another claim fits the same student
    UNDONE = "undone"  # a person said that the link was wrong
    UNMATCHED = "unmatched"


IN_USE = frozenset({LinkState.LINKED, LinkState.CONFIRMED})
IN_QUEUE = frozenset({LinkState.REVIEW, LinkState.CONTESTED, LinkState.UNDONE})


class Offer(NamedTuple):
    """A candidate as a reviewer sees it.

    Attributes:
        pattern: what agrees and what does not; reasons: why it did not link by itself.
    """

    student_key: int
    bits: float
    pattern: tuple[str, ...]
    reasons: tuple[str, ...]


class ClaimLink(NamedTuple):
    """One claim and what became of it.

    Attributes:
        student_key: the student it is linked to, or is contested about.
        offers: the candidates, the best first.
        known: whom a person knew of who confirmed the link.
        rejected: whom a person has said it is not about.
        known_as: the name by which its recorder knows the student, if it says so.
    """

    consent_id: str
    claim: Identity
    state: LinkState = LinkState.UNMATCHED
    student_key: int | None = None
    bits: float = 0.0
    lane: Lane = Lane.OTHER
    offers: tuple[Offer, ...] = ()
    known: frozenset[int] = frozenset()
    rejected: frozenset[int] = frozenset()
    known_as: KnownAs | None = None

    @property
    def in_use(self) -> bool:
        """Whether its consent allows something about a student."""
        return self.state in IN_USE


class Nearby(NamedTuple):
    """Who was near a claim when it was looked up beforehand, with nobody ruled out.

    Attributes:
        run: the import that left the roster so; of another roster it says nothing.
        given_names: those that students of the roster bear.
    """

    run: int
    found: Surroundings
    given_names: Collection[str]


def near(link: ClaimLink, roster: RosterIndex) -> Surroundings:
    """Who is near a claim, but for those whom a person has ruled out."""
    return not_rejected(link, surroundings(person_of(link.claim), roster))


def not_rejected(link: ClaimLink, found: Surroundings) -> Surroundings:
    """Those who are near a claim, but for those whom a person has ruled out."""
    if not link.rejected:
        return found
    candidates = [each for each in found.candidates if each.student_key not in link.rejected]
    return Surroundings(candidates, found.twins - link.rejected)


def matched(link: ClaimLink, around: Surroundings, undone: frozenset[int]) -> ClaimLink:
    """What becomes of a claim by the roster as it is now.

    Args:
        link: the claim, and what became of it before.
        around: who is near it.
        undone: students whose link to these names was undone.
    """
    if link.state in {*IN_USE, LinkState.CONTESTED} and link.student_key is not None:
        if still_holds(link.student_key, around, link.known):
            return link
        return _for_review(link, around, LinkState.REVIEW)
    if link.state is LinkState.UNDONE:
        return _for_review(link, around, LinkState.UNDONE)
    outcome = decide(around, undone)
    if isinstance(outcome, Linked):
        best = outcome.candidate
        return link._replace(
            state=LinkState.LINKED,
            student_key=best.student_key,
            bits=best.bits,
            offers=(_offer(best),),
        )
    if isinstance(outcome, Review):
        return _offered(link, outcome.candidates, outcome.lane, LinkState.REVIEW)
    return link._replace(state=LinkState.UNMATCHED, student_key=None, offers=())


def confirmed(link: ClaimLink, student_key: int) -> ClaimLink:
    """The claim once a person has said whom it is about."""
    offer = next(offer for offer in link.offers if offer.student_key == student_key)
    return link._replace(
        state=LinkState.CONFIRMED,
        student_key=student_key,
        bits=offer.bits,
        known=frozenset(each.student_key for each in link.offers) | link.known,
    )


def rejected(link: ClaimLink) -> ClaimLink:
    """The claim once a person has said that it is about none of the candidates."""
    ruled_out = link.rejected | {offer.student_key for offer in link.offers}
    return link._replace(
        state=LinkState.UNMATCHED,
        student_key=None,
        offers=(),
        rejected=ruled_out,
        known=frozenset(),
    )


def undone(link: ClaimLink) -> ClaimLink:
    """The claim once a person has said that its link was wrong."""
    return link._replace(state=LinkState.UNDONE, student_key=None, known=frozenset())


class Standing(NamedTuple):
    """What other claims about its student are held against, of a claim that is in use or was."""

    consent_id: str
    claim: Identity
    state: LinkState
    bits: float
    known_as: KnownAs | None


def held_against_each_other(
    student_key: int,
    standings: Sequence[Standing],
    word: RecordersWord,
    given_names: Collection[str],
) -> Mapping[str, Sequence[Hindrance]]:
    """Those claims of one student whose standing changes, each with what now makes it doubtful.

    Each is held against the others, and against what recorders know of the student.
    """
    named = [NamedLink(one.consent_id, one.claim, one.known_as) for one in standings]
    elsewhere = misnamed(student_key, named, word, given_names)
    doubted = contested(
        Fit(one.consent_id, person_of(one.claim), one.bits, one.state is LinkState.CONFIRMED)
        for one in standings
    )
    found: dict[str, Sequence[Hindrance]] = {}
    for one in standings:
        doubts = list(_doubts(one.consent_id, doubted, elsewhere))
        if one.state is (LinkState.LINKED if doubts else LinkState.CONTESTED):
            found[one.consent_id] = doubts
    return found


def _doubts(
    consent_id: str, doubted: Collection[str], elsewhere: Collection[str]
) -> Iterator[Hindrance]:
    if consent_id in doubted:
        yield Hindrance.OTHER_CLAIM
    if consent_id in elsewhere:
        yield Hindrance.RECORDER


def with_doubts(link: ClaimLink, doubts: Sequence[Hindrance]) -> ClaimLink:
    """A link that is doubtful now and was not, or, without doubts, is not any more and was."""
    if doubts:
        offers = tuple(
            offer._replace(reasons=(*offer.reasons, *map(str, doubts))) for offer in link.offers
        )
        return link._replace(state=LinkState.CONTESTED, offers=offers, lane=Lane.LOOK_ALIKE)
    offers = tuple(offer._replace(reasons=()) for offer in link.offers)
    return link._replace(state=LinkState.LINKED, offers=offers)


def _for_review(link: ClaimLink, around: Surroundings, state: LinkState) -> ClaimLink:
    """A claim that was linked once: a person has to say whom it is about now."""
    shown = around.candidates[:_MOST_SHOWN]
    if not shown:
        left = LinkState.UNDONE if state is LinkState.UNDONE else LinkState.UNMATCHED
        return link._replace(state=left, student_key=None, offers=())
    why = shown[0].hindrances | {Hindrance.RIVAL}
    return _offered(link, shown, lane_of(shown[0].evidence, why), state)


def _offered(
    link: ClaimLink, candidates: Sequence[Candidate], lane: Lane, state: LinkState
) -> ClaimLink:
    offers = tuple(map(_offer, candidates))
    return link._replace(state=state, student_key=None, lane=lane, offers=offers)


def _offer(candidate: Candidate) -> Offer:
    return Offer(
        candidate.student_key,
        candidate.bits,
        tuple(pattern_of(candidate.evidence)),
        tuple(sorted(candidate.hindrances)),
    )


_MOST_SHOWN = 5
