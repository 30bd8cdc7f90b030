"""What a district holds about one child."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.local.pilot.attendance import Habits, absences, attendance_rows
from deploy.local.pilot.conduct import conduct_of
from deploy.local.pilot.coursework import Learner, grade_rows, section_rows, test_rows
from deploy.local.pilot.households import Child, Household
from deploy.local.pilot.region import District, grade_code
from deploy.local.pilot.spells import GRADUATED, NO_SHOW, Spell
from deploy.local.pilot.tables import Row, flag

TableRows = tuple[str, list[Row]]


@dataclass(frozen=True, slots=True)
class Membership:
    """A child in one district: the district's id for the child, and the spells there."""

    district: District
    student_id: str
    spells: tuple[Spell, ...]

    @property
    def school_id(self) -> str:
        """The child's school now; empty after the child has left."""
        last = self.spells[-1]
        return last.school.school_id if last.is_current else ""

    @property
    def attended(self) -> bool:
        """Whether the child ever came."""
        return any(spell.exit_type != NO_SHOW for spell in self.spells)

    @property
    def graduated(self) -> bool:
        """Whether the child graduated there."""
        return self.spells[-1].exit_type == GRADUATED


def district_rows(
    child: Child, household: Household, memberships: tuple[Membership, ...]
) -> Iterator[tuple[str, str, list[Row]]]:
    """Organization, table and rows of one child in every district the child went to."""
    habits = Habits.of(child, household)
    learner = Learner.of(child, habits, household.chance)
    for membership in memberships:
        organization = membership.district.organization
        yield organization, "student", [_student_row(child, household, membership)]
        yield (
            organization,
            "enrollment",
            [_enrollment_row(membership, s, child) for s in membership.spells],
        )
        yield organization, "program_participation", _program_rows(child, household, membership)
        for spell in membership.spells:
            for table, rows in _spell_rows(
                child, household, membership.student_id, (spell, habits, learner)
            ):
                yield organization, table, rows


def _spell_rows(
    child: Child, household: Household, student_id: str, time: tuple[Spell, Habits, Learner]
) -> Iterator[TableRows]:
    spell, habits, learner = time
    chance = household.chance
    conduct = conduct_of(student_id, child, spell, chance)
    absent = absences(spell, habits, conduct.suspended, chance)
    yield "discipline_incident", conduct.incidents
    yield "discipline_action", conduct.actions
    yield "attendance", attendance_rows(student_id, spell, habits, absent, chance)
    yield "section_enrollment", section_rows(student_id, child, spell, chance)
    yield "course_grade", grade_rows(student_id, child, spell, learner, chance)
    yield "assessment_result", test_rows(student_id, child, spell, learner, absent)


def _student_row(child: Child, household: Household, membership: Membership) -> Row:
    return (
        membership.student_id,
        child.state_id,
        child.given_name,
        child.middle_name,
        child.family_name,
        child.birth_date.isoformat(),
        child.gender,
        household.races,
        flag(household.hispanic),
        grade_code(child.grade),
        flag(child.english_learner),
        flag(child.special_education),
        flag(household.homeless),
        household.residence,
        flag(child.foster_care),
        household.lunch,
        membership.school_id,
    )


def _enrollment_row(membership: Membership, spell: Spell, child: Child) -> Row:
    return (
        membership.student_id,
        spell.school.school_id,
        spell.entry_date,
        spell.district.calendar.school_year,
        spell.entry_type,
        grade_code(child.grade),
        spell.exit_date,
        spell.exit_type,
        flag(spell.exit_type == GRADUATED),
    )


def _program_rows(child: Child, household: Household, membership: Membership) -> list[Row]:
    if not membership.attended:
        return []
    begin, end = membership.spells[0].entry_date, membership.spells[-1].exit_date
    programs = (
        ("Sheltered English Immersion", "English Learner", child.english_learner),
        ("Special Education", "Special Education", child.special_education),
        ("McKinney-Vento Services", "Homeless", household.homeless),
        ("Title I Reading", "Title I", household.lunch == "free" and 0 < child.grade < 4),  # noqa: PLR2004 - grades 1 to 3
    )
    return [
        (membership.student_id, name, kind, begin, end) for name, kind, takes in programs if takes
    ]
