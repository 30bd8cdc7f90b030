"""Households and their children: the only thing the pilot knows before any record is written.

Each household has a random state of its own, derived from the seed and its number. So twins and
siblings share what they share in life, and nothing is kept from one household to the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from deploy.local.pilot.chance import Codes, chance_of, happens, weighted
from deploy.local.pilot.names import COMMUNITIES, MIDDLE_FEMALE, MIDDLE_MALE, Community
from deploy.local.pilot.region import KINDERGARTEN, LAST_GRADE, PRE_K, PilotPlan
from deploy.local.pilot.school_year import first_year_of

_SIZES = ((1, 55), (2, 30), (3, 11), (4, 4))
# Younger brothers and sisters fill the lower grades, so the eldest are more often in the upper.
_ELDEST_GRADES = tuple((grade, 8 + grade) for grade in range(PRE_K, LAST_GRADE + 1))
_RESIDENCES = (("doubled_up", 60), ("shelter", 22), ("hotel_motel", 14), ("unsheltered", 4))
_RELATIONS = (("parent", 89), ("guardian", 7), ("acting_as_parent", 4))
_HOMELESS = 0.05
_HARBOR = 0.7
_TWINS = 0.016
_MIXED = 0.05
_RETAINED = 0.06
_LEAP_DAY = 0.03
_NO_STATE_ID = 0.006
_NONBINARY = 0.008
_MOTHER_SIGNS = 0.75
_SAME_SURNAME = 0.7
_ALIKE = 0.3
_TEENAGE_GRADE = 6


@dataclass(slots=True)
class Child:
    """One child, as the districts write the child down."""

    number: int
    state_id: str
    given_name: str
    middle_name: str
    family_name: str
    birth_date: date
    gender: str
    grade: int
    english_learner: bool
    special_education: bool
    foster_care: bool


@dataclass(slots=True)
class Household:
    """Children who live together, and who answers for them."""

    number: int
    chance: Random
    community: Community
    races: str
    hispanic: bool
    family_name: str
    language: str
    in_harbor: bool
    school_set: int
    guardian_name: str
    relation: str
    lunch: str
    residence: str
    children: tuple[Child, ...] = ()

    @property
    def homeless(self) -> bool:
        """Whether the districts know the children as homeless."""
        return bool(self.residence)


def households(plan: PilotPlan, set_count: int) -> Iterator[Household]:
    """Households until the plan's number of children is reached."""
    state_ids = Codes(plan.seed, "state", 10)
    made = number = 0
    while made < plan.students:
        household = _household(number, chance_of(plan.seed, "household", number), set_count)
        children = _Children(plan, household, state_ids, made).all()
        household.children = children[: plan.students - made]
        made += len(household.children)
        number += 1
        yield household


def _household(number: int, chance: Random, set_count: int) -> Household:
    shares = [(community, community.share) for community in COMMUNITIES]
    community = weighted(chance, shares)
    second = weighted(chance, shares) if happens(chance, _MIXED) else community
    residence = weighted(chance, _RESIDENCES) if happens(chance, _HOMELESS) else ""
    speaks = chance.randrange(100) < community.at_home
    family_name = _family_name(community, chance)
    return Household(
        number=number,
        chance=chance,
        community=community,
        races=_races(community, second, chance),
        hispanic=community.hispanic or second.hispanic,
        family_name=family_name,
        language=community.language if speaks else "en",
        in_harbor=happens(chance, _HARBOR),
        school_set=chance.randrange(set_count),
        guardian_name=_guardian_name(community, family_name, chance),
        relation=weighted(chance, _RELATIONS),
        lunch="free" if residence else _lunch(chance, speaks=speaks),
        residence=residence,
    )


def _races(community: Community, second: Community, chance: Random) -> str:
    """The races of both parents; a declined answer adds nothing to a given one."""
    races = set(weighted(chance, community.races).split(";"))
    if second is not community:
        races.update(weighted(chance, second.races).split(";"))
    if len(races) > 1:
        races.discard("declined")
    return ";".join(sorted(races))


def _guardian_name(community: Community, family_name: str, chance: Random) -> str:
    """Most guardians have the child's surname, some their own."""
    given_names = community.female if happens(chance, _MOTHER_SIGNS) else community.male
    surname = family_name if happens(chance, _SAME_SURNAME) else chance.choice(community.family)
    return f"{chance.choice(given_names)} {surname}"


def _lunch(chance: Random, *, speaks: bool) -> str:
    free = 0.6 if speaks else 0.42
    return weighted(chance, (("free", free), ("reduced", 0.07), ("full", 0.93 - free)))


class _Children:
    """The children of one household, the eldest first."""

    def __init__(self, plan: PilotPlan, household: Household, codes: Codes, first: int) -> None:
        self._year = first_year_of(plan.school_year)
        self._household = household
        self._chance = household.chance
        self._codes = codes
        self._first = first

    def all(self) -> tuple[Child, ...]:
        """One to four children, twins among them."""
        chance, children = self._chance, list[Child]()
        grade = weighted(chance, _ELDEST_GRADES)
        for _ in range(weighted(chance, _SIZES)):
            children.append(self._child(grade, children))
            if happens(chance, _TWINS / 0.9):
                children.append(self._twin_of(children[-1], children))
            grade -= chance.choice((1, 2, 2, 3, 3, 4))
            if grade < PRE_K:
                break
        return tuple(children)

    def _child(self, grade: int, siblings: list[Child]) -> Child:
        gender = self._chance.choice(("female", "male"))
        return self._named(grade, self._birth_date(grade), gender, siblings)

    def _twin_of(self, child: Child, siblings: list[Child]) -> Child:
        """Same surname and birth date; some parents choose names that look alike."""
        gender = self._chance.choice(("female", "male"))
        initial = child.given_name[0] if happens(self._chance, _ALIKE) else ""
        return self._named(child.grade, child.birth_date, gender, siblings, initial)

    def _named(
        self, grade: int, birth: date, gender: str, siblings: list[Child], initial: str = ""
    ) -> Child:
        chance, number = self._chance, self._first + len(siblings)
        given = self._given_name(gender, {sibling.given_name for sibling in siblings}, initial)
        if grade >= _TEENAGE_GRADE and happens(chance, _NONBINARY):
            gender = "nonbinary"
        return Child(
            number=number,
            state_id="" if happens(chance, _NO_STATE_ID) else self._codes.of(number),
            given_name=given,
            middle_name=self._middle_name(gender),
            family_name=self._household.family_name,
            birth_date=birth,
            gender=gender,
            grade=grade,
            english_learner=happens(chance, self._learner_share(grade)),
            special_education=happens(chance, 0.23 if gender == "male" else 0.14),
            foster_care=happens(chance, 0.008),
        )

    def _given_name(self, gender: str, taken: set[str], initial: str) -> str:
        community = self._household.community
        names = community.female if gender == "female" else community.male
        free = [name for name in names if name not in taken]
        alike = [name for name in free if name.startswith(initial)]
        return self._chance.choice(alike or free)

    def _middle_name(self, gender: str) -> str:
        community, female = self._household.community, gender == "female"
        own = community.middle_female if female else community.middle_male
        if not happens(self._chance, 0.8 if own else 0.35):
            return ""
        return self._chance.choice(own or (MIDDLE_FEMALE if female else MIDDLE_MALE))

    def _learner_share(self, grade: int) -> float:
        if self._household.language == "en":
            return 0.01
        return 0.55 if grade < _TEENAGE_GRADE else 0.34

    def _birth_date(self, grade: int) -> date:
        """A day in the year that fits the grade; some children are a year older."""
        chance = self._chance
        older = grade > KINDERGARTEN and happens(chance, _RETAINED * (2 if grade > 8 else 1))  # noqa: PLR2004 - high school
        begin = date(self._year - 6 - grade - older, 9, 1)
        leap_day = begin + timedelta(days=181)
        if leap_day.month == 2 and happens(chance, _LEAP_DAY):  # noqa: PLR2004 - 29 February
            return leap_day
        return begin + timedelta(days=chance.randrange(365))


def _family_name(community: Community, chance: Random) -> str:
    """One surname, or both parents': side by side, or with a hyphen."""
    first, second = chance.choice(community.family), chance.choice(community.family)
    if chance.randrange(100) >= community.two_surnames or first == second:
        return first
    return f"{first}-{second}" if happens(chance, 0.18) else f"{first} {second}"
