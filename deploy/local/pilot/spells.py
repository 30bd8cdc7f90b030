"""Where a child was enrolled during the year: the spells, and how each began and ended."""

from dataclasses import dataclass

from deploy.local.pilot.chance import happens, weighted
from deploy.local.pilot.households import Child, Household
from deploy.local.pilot.region import LAST_GRADE, District, Region, School

NO_SHOW = "No show"
EXPELLED = "Expelled"
GRADUATED = "Graduated"

_ORIGINAL, _REENTRY = "Original entry", "Re-entry"
_FROM_OTHER, _NEWCOMER = "Transfer from another district", "New to the state"
_TO_OTHER, _WITHDRAWN = "Transferred to another district", "Withdrawn"
_WITHIN = "Transfer within the district"
_YEAR_END = "End of school year"

_PATHS = (
    ("stay", 870),
    ("late", 45),
    ("leave", 25),
    ("transfer", 22),
    ("change_school", 14),
    ("return", 14),
    ("no_show", 10),
)
_HOMELESS_PATHS = (("stay", 720), ("late", 70), ("leave", 40), ("transfer", 110), ("return", 60))
_SHORT_YEAR = 30
_SECONDARY_GRADE = 6


@dataclass(frozen=True, slots=True)
class Spell:
    """A child's time at one school; `first` to `last` are days of the district's calendar.

    Attributes:
        last: the last day attended; a no-show's lies before `first`.
        exit_type: empty while the spell is open.
    """

    district: District
    school: School
    first: int
    last: int
    entry_type: str
    exit_type: str

    @property
    def entry_date(self) -> str:
        """The first day."""
        return self.district.calendar.days[self.first]

    @property
    def exit_date(self) -> str:
        """The last day, empty while the spell is open."""
        if not self.exit_type:
            return ""
        return self.district.calendar.days[max(self.first, self.last)]

    @property
    def is_current(self) -> bool:
        """Whether the child is still a pupil of the school, or is after the summer."""
        return self.exit_type in ("", _YEAR_END)

    @property
    def days(self) -> tuple[str, ...]:
        """The instructional days of the spell."""
        return self.district.calendar.days[self.first : self.last + 1]


def path_of(household: Household, region: Region) -> tuple[str, float, float]:
    """What befalls the household in the year, and at which two parts of it."""
    chance = household.chance
    path = weighted(chance, _HOMELESS_PATHS if household.homeless else _PATHS)
    if min(district.calendar.reached for district in region.districts) < _SHORT_YEAR:
        path = "stay"
    first, second = sorted((chance.uniform(0.08, 0.55), chance.uniform(0.3, 0.85)))
    return path, first, max(second, first + 0.06)


class Enrolment:
    """Makes the spells of the children of one household, who move together."""

    def __init__(self, region: Region, household: Household) -> None:
        self._region = region
        self._household = household
        self._home = region.harbor if household.in_harbor else region.mill_river
        self._path, self._first_part, self._second_part = path_of(household, region)
        # Brothers and sisters go to the same school where the district has two.
        self._pick = household.chance.randrange(8)

    def spells_of(self, child: Child) -> tuple[Spell, ...]:
        """The child's spells in the order of time."""
        chance = self._household.chance
        expelled = happens(chance, 0.0015)
        if self._path == "stay" and expelled and child.grade >= _SECONDARY_GRADE:
            middle = self._day(self._home, self._second_part)
            return (self._spell(child, self._home, (0, middle), _ORIGINAL, EXPELLED),)
        makers = {
            "late": self._late,
            "leave": self._leave,
            "transfer": self._transfer,
            "change_school": self._change_school,
            "return": self._return,
            "no_show": self._no_show,
        }
        return makers.get(self._path, self._stay)(child)

    def _stay(self, child: Child) -> tuple[Spell, ...]:
        return (self._to_the_end(child, self._home, 0, _ORIGINAL),)

    def _late(self, child: Child) -> tuple[Spell, ...]:
        return (
            self._to_the_end(child, self._home, self._day(self._home, self._first_part), _NEWCOMER),
        )

    def _leave(self, child: Child) -> tuple[Spell, ...]:
        last = self._day(self._home, self._second_part)
        return (self._spell(child, self._home, (0, last), _ORIGINAL, _WITHDRAWN),)

    def _transfer(self, child: Child) -> tuple[Spell, ...]:
        """Leaves for the neighbouring district, with some days between."""
        last = self._day(self._home, self._second_part)
        left = self._spell(child, self._home, (0, last), _ORIGINAL, _TO_OTHER)
        other = self._region.other(self._home)
        first = other.calendar.index_after(left.exit_date) + self._pick % 4
        return left, self._to_the_end(child, other, first, _FROM_OTHER)

    def _change_school(self, child: Child) -> tuple[Spell, ...]:
        """Goes to another school of the district, or back to the same one if there is one only."""
        last = self._day(self._home, self._first_part)
        left = self._spell(child, self._home, (0, last), _ORIGINAL, _WITHIN)
        schools = self._home.schools_of(self._household.school_set, child.grade)
        if len(schools) == 1:
            return self._stay(child)
        self._pick += 1
        back = self._to_the_end(child, self._home, last + 1, _WITHIN)
        self._pick -= 1
        return left, back

    def _return(self, child: Child) -> tuple[Spell, ...]:
        """Withdraws, and comes back to the same school weeks later."""
        last = self._day(self._home, self._first_part)
        again = max(self._day(self._home, self._second_part), last + 4)
        left = self._spell(child, self._home, (0, last), _ORIGINAL, _WITHDRAWN)
        return left, self._to_the_end(child, self._home, again, _REENTRY)

    def _no_show(self, child: Child) -> tuple[Spell, ...]:
        """Expected on the first day, never came; half are at the neighbours' instead."""
        expected = self._spell(child, self._home, (0, -1), _ORIGINAL, NO_SHOW)
        if self._pick % 2:
            return (expected,)
        other = self._region.other(self._home)
        first = other.calendar.index_from(expected.entry_date)
        return expected, self._to_the_end(child, other, first, _FROM_OTHER)

    def _to_the_end(self, child: Child, district: District, first: int, entry: str) -> Spell:
        calendar = district.calendar
        exit_type = ""
        if calendar.is_over:
            graduates = child.grade == LAST_GRADE and happens(self._household.chance, 0.88)
            exit_type = GRADUATED if graduates else _YEAR_END
        return self._spell(child, district, (first, calendar.reached - 1), entry, exit_type)

    def _spell(
        self, child: Child, district: District, days: tuple[int, int], entry: str, exit_type: str
    ) -> Spell:
        schools = district.schools_of(self._household.school_set, child.grade)
        school = schools[self._pick % len(schools)]
        return Spell(district, school, *days, entry, exit_type)

    def _day(self, district: District, part: float) -> int:
        return int(part * (district.calendar.reached - 1))
