"""What families answered when they were asked whether their children's records may be shared."""

from dataclasses import dataclass
from datetime import date, timedelta

from deploy.local.pilot.chance import happens, weighted
from deploy.local.pilot.community_records import Participant
from deploy.local.pilot.district_records import Membership
from deploy.local.pilot.households import Child, Household
from deploy.local.pilot.region import NEIGHBORHOOD, SHELTER
from deploy.local.pilot.tables import Row, joined
from homeroom.vocabulary import Element, SignerRelation

ANSWERS = ("yes", "no", "unanswered")

_USUAL = (
    Element.DAILY_ATTENDANCE,
    Element.SCHOOL_OF_ENROLLMENT,
    Element.GRADE_LEVEL,
    Element.COURSE_GRADES,
    Element.TEST_SCORES,
)
_STATUSES = (Element.EL_STATUS, Element.SPED_STATUS, Element.HOMELESS_STATUS)
_CHOICES = (
    (_USUAL, 52),
    ((*_USUAL, Element.SUSPENSIONS), 12),
    ((*_USUAL, *_STATUSES), 10),
    ((*_USUAL, Element.SUSPENSIONS, *_STATUSES), 16),
    ((Element.DAILY_ATTENDANCE,), 10),
)
_SHELTER_ELEMENTS = (Element.PROGRAM_PARTICIPATION, Element.PROGRAM_ATTENDANCE)
_ANSWER_SHARES = (("yes", 89), ("no", 4), ("unanswered", 7))
_DIRECT_SERVICE, _EARLY_WARNING = "direct_service", "homelessness_early_warning"
_FIRST_DAY_BEFORE, _LAST_DAY_BEFORE = 75, 8
_ADULT = 18


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a household answered for its children."""

    answer: str
    elements: tuple[Element, ...]
    purposes: tuple[str, ...]
    signed_on: date

    @classmethod
    def of(cls, household: Household, today: date) -> "_Answer":
        chance = household.chance
        early = happens(chance, 0.6 if household.homeless else 0.25)
        days_ago = chance.randrange(_LAST_DAY_BEFORE, _FIRST_DAY_BEFORE + 1)
        return cls(
            answer=weighted(chance, _ANSWER_SHARES),
            elements=weighted(chance, _CHOICES),
            purposes=(_DIRECT_SERVICE, _EARLY_WARNING) if early else (_DIRECT_SERVICE,),
            signed_on=today - timedelta(days=days_ago),
        )


def family_rows(
    household: Household,
    members: list[tuple[Child, tuple[Membership, ...]]],
    participants: list[Participant],
    today: date,
) -> list[Row]:
    """A row for each holder of a child whom the neighborhood initiative asks about."""
    asked = {p.child.number for p in participants if p.organization == NEIGHBORHOOD}
    if not asked:
        return []
    answer, rows = _Answer.of(household, today), list[Row]()
    for child, memberships in members:
        if child.number in asked:
            rows += [
                _row(m.district.organization, m.student_id, household, child, answer)
                for m in memberships
                if m.attended
            ]
    for participant in participants:
        if participant.organization == SHELTER and participant.child.number in asked:
            key = (SHELTER, participant.participant_id)
            rows.append(_row(*key, household, participant.child, answer))
    return rows


def _row(holder: str, student_id: str, household: Household, child: Child, answer: _Answer) -> Row:
    guardian, relation = household.guardian_name, household.relation
    if is_adult(child.birth_date, answer.signed_on):
        # The rights are the student's own from the eighteenth birthday (34 CFR 99.5).
        guardian = f"{child.given_name} {child.family_name}"
        relation = SignerRelation.ELIGIBLE_STUDENT.value
    elements = _SHELTER_ELEMENTS if holder == SHELTER else answer.elements
    allows, answered = answer.answer == "yes", answer.answer != "unanswered"
    return (
        holder,
        student_id,
        NEIGHBORHOOD,
        guardian,
        relation,
        household.language,
        answer.answer,
        joined(elements) if allows else "",
        joined(answer.purposes) if allows else "",
        answer.signed_on.isoformat() if answered else "",
    )


def is_adult(birth: date, day: date) -> bool:
    """Whether somebody is eighteen; who was born on 29 February is so from 1 March."""
    return (day.year - _ADULT, day.month, day.day) >= (birth.year, birth.month, birth.day)
