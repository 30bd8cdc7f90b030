"""Makes the whole pilot: household by household, straight into the files."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from deploy.local.pilot.chance import Codes
from deploy.local.pilot.community_records import Community, community_rows
from deploy.local.pilot.district_records import Membership, district_rows
from deploy.local.pilot.families import family_rows
from deploy.local.pilot.households import Child, Household, households
from deploy.local.pilot.region import (
    HARBOR,
    MILL_RIVER,
    NEIGHBORHOOD,
    SHELTER,
    District,
    PilotPlan,
    Region,
    School,
)
from deploy.local.pilot.spells import Enrolment, Spell
from deploy.local.pilot.tables import TABLES, CsvFolder, Row
from homeroom.vocabulary import OrganizationKind

Progress = Callable[[int, int], None]
"""Is told how many students are made, of how many."""

_KINDS = {
    HARBOR: OrganizationKind.DISTRICT,
    MILL_RIVER: OrganizationKind.DISTRICT,
    NEIGHBORHOOD: OrganizationKind.COMMUNITY_ORG,
    SHELTER: OrganizationKind.SHELTER,
}
_ANSWER_COLUMN = 6
_PREFIX = {HARBOR: "", MILL_RIVER: "MR"}


@dataclass(frozen=True, slots=True)
class OrganizationMade:
    """An organization of the pilot, and how many rows each of its tables has."""

    organization: str
    kind: OrganizationKind
    schools: tuple[School, ...]
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class PilotSummary:
    """What was made.

    Attributes:
        students: different children; a mover has records in both districts.
        answers: rows of `families.csv` for each answer.
    """

    folder: Path
    plan: PilotPlan
    students: int
    households: int
    organizations: tuple[OrganizationMade, ...]
    answers: dict[str, int]


def generate(
    out: Path, plan: PilotPlan | None = None, on_progress: Progress | None = None
) -> PilotSummary:
    """Write the pilot into a folder; the same plan gives the same bytes.

    Memory does not grow with the number of students.

    Raises:
        RequestInvalidError: if the plan's school year is malformed or has not begun.
    """
    plan = plan or PilotPlan()
    region = Region.of(plan)
    with CsvFolder(out) as files:
        pilot = _Pilot(region, files)
        pilot.write_schools()
        for household in households(plan, region.set_count):
            pilot.write_household(household)
            if on_progress:
                on_progress(pilot.students, plan.students)
    return pilot.summary(out)


class _Pilot:
    """Writes households down and counts them."""

    def __init__(self, region: Region, files: CsvFolder) -> None:
        self._region = region
        self._files = files
        seed = region.plan.seed
        self._student_ids = {
            d.organization: Codes(seed, d.organization, 7) for d in region.districts
        }
        self._community = Community(seed)
        self._answers: Counter[str] = Counter()
        self.students = 0
        self._households = 0

    def write_schools(self) -> None:
        """The schools and their two half-years."""
        for district in self._region.districts:
            organization = district.organization
            for school in district.schools:
                row = (school.school_id, school.name, school.level, school.attendance_kind)
                self._files.add(organization, "school", [row])
                self._files.add(organization, "session", _session_rows(district, school))

    def write_household(self, household: Household) -> None:
        """Every record of every child of a household."""
        enrolment = Enrolment(self._region, household)
        members = [
            (child, tuple(self._memberships(child, enrolment.spells_of(child))))
            for child in household.children
        ]
        for child, memberships in members:
            for organization, table, rows in district_rows(child, household, memberships):
                self._files.add(organization, table, rows)
        participants = self._community.participants(household, members)
        for participant in participants:
            for table, rows in community_rows(participant, household):
                self._files.add(participant.organization, table, rows)
        answers = family_rows(household, members, participants, self._region.plan.today)
        self._files.add("", "families", answers)
        self._answers.update(row[_ANSWER_COLUMN] for row in answers)
        self.students += len(members)
        self._households += 1

    def _memberships(self, child: Child, spells: Iterable[Spell]) -> Iterable[Membership]:
        for organization, own in groupby(spells, lambda spell: spell.district.organization):
            legs = tuple(own)
            student_id = _PREFIX[organization] + self._student_ids[organization].of(child.number)
            yield Membership(legs[0].district, student_id, legs)

    def summary(self, folder: Path) -> PilotSummary:
        """What was written."""
        schools = {d.organization: tuple(d.schools) for d in self._region.districts}
        return PilotSummary(
            folder=folder,
            plan=self._region.plan,
            students=self.students,
            households=self._households,
            organizations=tuple(
                OrganizationMade(
                    organization,
                    kind,
                    schools.get(organization, ()),
                    {
                        table: self._files.counts[organization, table]
                        for table in TABLES[organization]
                    },
                )
                for organization, kind in _KINDS.items()
            ),
            answers=dict(self._answers),
        )


def _session_rows(district: District, school: School) -> list[Row]:
    calendar = district.calendar
    middle = calendar.quarter_ends[1] + 1
    return [
        (
            school.school_id,
            name,
            calendar.school_year,
            days[0].isoformat(),
            days[-1].isoformat(),
            str(len(days)),
        )
        for name, days in (
            ("Semester 1", calendar.planned[:middle]),
            ("Semester 2", calendar.planned[middle:]),
        )
    ]
