"""Finds the students whom consents name, by a form's code or by what the form says of them."""

from collections.abc import Mapping, Sequence

from homeroom.consent_terms import IdentityClaim, OpenedConsent
from services.node.domain.claim_links import ClaimLink, LinkState
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Student
from services.node.domain.matching import Identity
from services.node.store.claims import ClaimStore
from services.node.store.students import StudentStore

_PROBLEM = {
    LinkState.REVIEW: ConsentProblem.AWAITS_REVIEW,
    LinkState.CONTESTED: ConsentProblem.AWAITS_REVIEW,
    LinkState.UNDONE: ConsentProblem.LINK_UNDONE,
    LinkState.UNMATCHED: ConsentProblem.STUDENT_NOT_FOUND,
}


class StudentMatcher:
    """Finds students in the holder's roster; implements `Matcher`."""

    def __init__(self, students: StudentStore, claims: ClaimStore) -> None:
        self._students = students
        self._claims = claims

    def find(self, consents: Sequence[OpenedConsent]) -> Sequence[Student | ConsentProblem]:
        claims = {
            one.consent_id: identity_of(one.claim) for one in consents if one.claim is not None
        }
        links = self._claims.match(claims) if claims else {}
        students = self._students.students(
            link.student_key
            for link in links.values()
            if link.in_use and link.student_key is not None
        )
        by_code = iter(self._students.find([one for one in consents if one.claim is None]))
        return [
            next(by_code) if one.claim is None else _found(links[one.consent_id], students)
            for one in consents
        ]


def identity_of(claim: IdentityClaim) -> Identity:
    """What a form says, as matching takes it."""
    return Identity(
        given=claim.given_name,
        middle=claim.middle_name,
        family=claim.family_name,
        birth_date=claim.birth_date,
        sex=claim.sex,
        school_id=claim.school_id,
        local_id=claim.local_id,
        phone=claim.phone,
        address=claim.address,
        zip=claim.zip,
    )


def _found(link: ClaimLink, students: Mapping[int, Student]) -> Student | ConsentProblem:
    if link.in_use and link.student_key is not None:
        return students.get(link.student_key, ConsentProblem.STUDENT_NOT_FOUND)
    return _PROBLEM[link.state]
