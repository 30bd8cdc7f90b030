"""Finds the students whom consents name, by a form's code or by what the form says of them."""

from collections.abc import Mapping, Sequence

from homeroom.consent_terms import IdentityClaim, OpenedConsent
from services.node.domain.claim_links import ClaimLink, LinkState, Nearby
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Student
from services.node.domain.matching import Identity
from services.node.domain.recorder_names import KnownAs
from services.node.store.claims import Claimed, ClaimStore
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

    def find(
        self, consents: Sequence[OpenedConsent], nearby: Mapping[str, Nearby]
    ) -> Sequence[Student | ConsentProblem]:
        claims = {
            one.consent_id: Claimed(identity_of(one.claim), _known_as(one))
            for one in consents
            if one.claim is not None
        }
        coded = [one for one in consents if one.claim is None]
        found = self._students.find(coded)
        names = {
            (known_as, student.student_key)
            for one, student in zip(coded, found, strict=True)
            if isinstance(student, Student) and (known_as := _known_as(one))
        }
        links = self._claims.match(claims, names, nearby) if claims or names else {}
        students = self._students.students(
            link.student_key
            for link in links.values()
            if link.in_use and link.student_key is not None
        )
        by_code = iter(found)
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


def _known_as(consent: OpenedConsent) -> KnownAs | None:
    """The name by which the recorder knows the student, if it says so."""
    if not consent.knows_student:
        return None
    return KnownAs(consent.recorder, consent.subject_refs[consent.recorder])


def _found(link: ClaimLink, students: Mapping[int, Student]) -> Student | ConsentProblem:
    if link.in_use and link.student_key is not None:
        return students.get(link.student_key, ConsentProblem.STUDENT_NOT_FOUND)
    return _PROBLEM[link.state]
