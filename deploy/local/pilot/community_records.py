"""What the community organizations hold about the children who take part in their programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random
from unicodedata import combining, normalize

from deploy.local.pilot.chance import Codes, happens, weighted
from deploy.local.pilot.district_records import Membership
from deploy.local.pilot.households import Child, Household
from deploy.local.pilot.names import NICKNAMES
from deploy.local.pilot.region import NEIGHBORHOOD, SHELTER, grade_code
from deploy.local.pilot.school_year import Calendar
from deploy.local.pilot.tables import Row, flag

_JOINS, _HOMELESS_JOINS = 0.69, 0.8
_SHELTERED = {"shelter": 1.0, "hotel_motel": 0.8, "doubled_up": 0.2, "unsheltered": 0.3}
_SHELTERED_UNKNOWN = 0.011
"""The share whom a shelter knows and whose district does not know them as homeless."""

_Programs = tuple[tuple[tuple[str, str], int], ...]
_YOUNG: _Programs = (
    (("After School Learning", "After School"), 60),
    (("Reading Circle", "Tutoring"), 40),
)
_TEENAGE: _Programs = (
    (("Youth Jobs", "Workforce"), 35),
    (("College Pathways", "Mentoring"), 35),
    (("Homework Center", "After School"), 30),
)
_FAMILIES_IN_SHELTER: _Programs = (
    (("Shelter Learning Room", "Tutoring"), 60),
    (("Family Stay", "Shelter"), 40),
)
_TEENAGE_GRADE = 8
_HOURS = ("1.0", "1.5", "2.0", "2.5")


@dataclass(frozen=True, slots=True)
class Participant:
    """A child as a community organization knows the child."""

    organization: str
    participant_id: str
    child: Child
    membership: Membership


class Community:
    """The two community organizations, and who takes part in what they offer."""

    def __init__(self, seed: int) -> None:
        self._ids = {NEIGHBORHOOD: Codes(seed, NEIGHBORHOOD, 9), SHELTER: Codes(seed, SHELTER, 8)}

    def participants(
        self, household: Household, members: list[tuple[Child, tuple[Membership, ...]]]
    ) -> list[Participant]:
        """The children of a household in each organization; whole households join."""
        chance = household.chance
        joins = happens(chance, _HOMELESS_JOINS if household.homeless else _JOINS)
        share = _SHELTERED.get(household.residence, _SHELTERED_UNKNOWN)
        sheltered = happens(chance, share)
        return [
            Participant(organization, self._id_of(organization, child), child, memberships[-1])
            for organization, takes in ((NEIGHBORHOOD, joins), (SHELTER, sheltered))
            for child, memberships in members
            if takes and memberships[-1].attended and not memberships[-1].graduated
        ]

    def _id_of(self, organization: str, child: Child) -> str:
        prefix = "NI-" if organization == NEIGHBORHOOD else "S"
        return prefix + self._ids[organization].of(child.number)


def community_rows(
    participant: Participant, household: Household
) -> Iterator[tuple[str, list[Row]]]:
    """Table and rows of one participant."""
    chance = household.chance
    yield "student", [_student_row(participant, household)]
    name, kind = _program_of(participant, chance)
    calendar = participant.membership.district.calendar
    first = int(chance.uniform(0.05, 0.3) * (calendar.reached - 1))
    end = calendar.days[-1] if calendar.is_over else ""
    yield (
        "program_participation",
        [(participant.participant_id, name, kind, calendar.days[first], end)],
    )
    yield "service_event", _service_rows(participant.participant_id, name, first, calendar, chance)


def _program_of(participant: Participant, chance: Random) -> tuple[str, str]:
    own = _TEENAGE if participant.child.grade >= _TEENAGE_GRADE else _YOUNG
    programs = _FAMILIES_IN_SHELTER if participant.organization == SHELTER else own
    return weighted(chance, programs)


def _service_rows(
    participant_id: str, name: str, first: int, calendar: Calendar, chance: Random
) -> list[Row]:
    """One or two days a week, most of them kept."""
    step, kept, hours = chance.choice((2, 3, 5)), chance.uniform(0.6, 0.97), chance.choice(_HOURS)
    return [
        (participant_id, name, calendar.days[day], hours)
        for day in range(first, calendar.reached, step)
        if happens(chance, kept)
    ]


def _student_row(participant: Participant, household: Household) -> Row:
    child, chance = participant.child, household.chance
    sheltered = participant.organization == SHELTER
    given, family = _as_told(child, chance)
    residence = household.residence if household.residence in ("shelter", "hotel_motel") else ""
    return (
        participant.participant_id,
        "",
        given,
        child.middle_name if happens(chance, 0.4) else "",
        family,
        _birth_date_as_told(child.birth_date, chance),
        child.gender if happens(chance, 0.95) else "",
        "",
        "",
        grade_code(child.grade) if happens(chance, 0.9) else "",
        "",
        "",
        flag(value=True) if sheltered else "",
        (residence or "shelter") if sheltered else "",
        "",
        "",
        participant.membership.school_id if happens(chance, 0.85) else "",
    )


def _as_told(child: Child, chance: Random) -> tuple[str, str]:
    """Given name and surname as the family wrote them on the form."""
    given, family = child.given_name, child.family_name
    mark = chance.random()
    if mark < 0.06:  # noqa: PLR2004 - a nickname, where there is one
        given = NICKNAMES.get(given, given)
    elif mark < 0.12:  # noqa: PLR2004 - typed on a keyboard without diacritics
        given, family = without_diacritics(given), without_diacritics(family)
    elif mark < 0.15:  # noqa: PLR2004 - one of two surnames
        family = family.split(" ")[0] if family[0:2].lower() != "de" else family
    elif mark < 0.17:  # noqa: PLR2004 - a blank for the hyphen, a curved apostrophe
        given, family = given.replace("'", "’"), family.replace("-", " ").replace("'", "’")
    return given, family


def without_diacritics(name: str) -> str:
    """A name in plain letters."""
    plain = name.replace("đ", "d").replace("Đ", "D")
    return "".join(mark for mark in normalize("NFKD", plain) if not combining(mark))


def _birth_date_as_told(birth: date, chance: Random) -> str:
    """A few write the day first."""
    if happens(chance, 0.005) and birth.day <= 12:  # noqa: PLR2004 - months
        return birth.replace(month=birth.day, day=birth.month).isoformat()
    return birth.isoformat()
