"""Why something of a student's is withheld: the first check that the student's own facts fail.

For the holder's own register, which says it of each student who was asked for by name. A requester
is never told.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from homeroom.checks import ORDER_OF_CHECKS, RowCondition
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.consents import AgeRule, adults_born_by
from services.node.domain.selection import Selection

_PLACE = {code: place for place, code in enumerate(ORDER_OF_CHECKS)}

CODES: Mapping[RowCondition, ReasonCode] = {
    RowCondition.SPECIFICALLY_CONSENTED: ReasonCode.PROTECTED_MEAL_ELIGIBILITY,
    RowCondition.ONWARD_CONSENTED: ReasonCode.REDISCLOSURE_NOT_PERMITTED,
    RowCondition.SURVEY_CONSENTED: ReasonCode.PPRA_CONSENT_REQUIRED,
    RowCondition.PART_B_CONSENTED: ReasonCode.IDEA_CONSENT_REQUIRED,
    RowCondition.ON_CASELOAD: ReasonCode.USER_NO_LEGITIMATE_INTEREST,
    RowCondition.NAMED_IN_MATTER: ReasonCode.USER_NO_LEGITIMATE_INTEREST,
    RowCondition.DIRECTORY_NOT_OPTED_OUT: ReasonCode.DIRECTORY_OPT_OUT,
    RowCondition.LIVING_SITUATION_HIDDEN: ReasonCode.PROTECTED_LIVING_SITUATION,
    RowCondition.SINGLE_SUBJECT: ReasonCode.OTHER_STUDENT_INFORMATION_WITHHELD,
    RowCondition.RIGHTS_HELD: ReasonCode.RIGHTS_NOT_HELD_BY_REQUESTER,
    RowCondition.AGGREGATED: ReasonCode.DEIDENTIFICATION_INSUFFICIENT,
    RowCondition.DEIDENTIFIED: ReasonCode.DEIDENTIFICATION_INSUFFICIENT,
}
"""What each condition is called where it fails; what consents lack is looked at one by one."""


@dataclass(frozen=True, slots=True)
class GrantOnFile:
    """One grant of a consent, whatever it is for and whenever it counts."""

    recipient: str
    purpose: str
    agreement_id: str
    elements: frozenset[Element]
    valid_from: int
    valid_to: int
    age_rule: AgeRule


@dataclass(frozen=True, slots=True)
class ConsentOnFile:
    """A consent that names the student.

    Attributes:
        problem: the reason for which it allows nothing, if it has one that is a reason code.
    """

    birth_date: dt.date | None
    revoked: bool
    problem: str | None
    grants: Sequence[GrantOnFile]


def first_of(codes: Iterable[ReasonCode]) -> ReasonCode:
    """The decisive one of several failed checks."""
    return min(codes, key=_PLACE.__getitem__)


def what_consents_lack(
    consents: Iterable[ConsentOnFile], selection: Selection, elements: Collection[Element]
) -> ReasonCode:
    """The first check that the best of a student's consents fails, for any of some elements."""
    found = [
        code
        for consent in consents
        for code in [_best(_of_consent(consent, selection, element) for element in elements)]
    ]
    return _best(found) if found else ReasonCode.CONSENT_MISSING


def _best(codes: Iterable[ReasonCode]) -> ReasonCode:
    """The failure of what came furthest."""
    return max(codes, key=_PLACE.__getitem__, default=ReasonCode.CONSENT_MISSING)


def _of_consent(consent: ConsentOnFile, selection: Selection, element: Element) -> ReasonCode:
    if consent.revoked:
        return ReasonCode.CONSENT_REVOKED
    if consent.problem in _PLACE:
        return ReasonCode(consent.problem)
    return _best(
        next(_failed(grant, consent.birth_date, selection, element)) for grant in consent.grants
    )


def _failed(
    grant: GrantOnFile, born: dt.date | None, selection: Selection, element: Element
) -> Iterator[ReasonCode]:
    """The checks that a grant fails, in their order; what none of these finds is of other days."""
    instant, grown = int(selection.instant.timestamp()), adults_born_by(selection.instant.date())
    of_age = born is not None and born <= grown
    wanted = {AgeRule.NONE: True, AgeRule.MINOR: born is not None and not of_age}
    if not wanted.get(grant.age_rule, of_age):
        yield ReasonCode.CONSENT_SIGNER_NOT_ENTITLED
    if not grant.valid_from <= instant < grant.valid_to:
        yield ReasonCode.CONSENT_NOT_IN_EFFECT
    if grant.recipient not in selection.recipients:
        yield ReasonCode.CONSENT_RECIPIENT_MISMATCH
    if grant.purpose != selection.purpose or grant.agreement_id not in ("", selection.agreement_id):
        yield ReasonCode.CONSENT_PURPOSE_MISMATCH
    if element not in grant.elements:
        yield ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE
    yield ReasonCode.CONSENT_ELEMENT_OUT_OF_SCOPE
