"""Courses, grades and tests."""

from collections.abc import Collection
from dataclasses import dataclass
from random import Random

from deploy.local.pilot.attendance import Habits
from deploy.local.pilot.households import Child
from deploy.local.pilot.region import PRE_K, grade_code
from deploy.local.pilot.school_year import QUARTERS
from deploy.local.pilot.spells import Spell
from deploy.local.pilot.tables import Row

_ELEMENTARY = (("ELA", "English Language Arts"), ("MAT", "Mathematics"), ("SCI", "Science"))
_MIDDLE = (*_ELEMENTARY, ("SOC", "Social Studies"), ("WLG", "World Language"))
_HIGH = {
    9: ("English 9", "Algebra 1", "Biology", "World History 1", "Spanish 1", "Health"),
    10: ("English 10", "Geometry", "Chemistry", "World History 2", "Spanish 2", "Studio Art"),
    11: ("English 11", "Algebra 2", "Physics", "United States History", "Spanish 3", "Drama"),
    12: ("English 12", "Statistics", "Marine Science", "Civics", "Ethnic Studies", "Finance"),
}
_HIGH_CODES = ("ENG", "MAT", "SCI", "HIS", "WLG", "ELE")
_LETTERS = ((93, "A"), (90, "A-"), (87, "B+"), (83, "B"), (80, "B-"), (77, "C+"), (73, "C"))
_LOW_LETTERS = ((70, "C-"), (67, "D+"), (60, "D"), (0, "F"))
_PASSING = 60
_YEAR = "Year"
_FIRST_HIGH, _FIRST_MIDDLE = 9, 6
_CREDITS = "5.0"

_TESTED_GRADES = frozenset((3, 4, 5, 6, 7, 8, 10))
_TESTS = (("ELA", "English Language Arts", 132), ("MAT", "Mathematics", 154))
_LEVELS = (
    (530, "Exceeding Expectations"),
    (500, "Meeting Expectations"),
    (470, "Partially Meeting Expectations"),
    (440, "Not Meeting Expectations"),
)
_LOWEST_SCORE, _HIGHEST_SCORE = 440, 560


@dataclass(frozen=True, slots=True)
class Learner:
    """How well a child does, on the scale of grades from 0 to 100."""

    level: float

    @classmethod
    def of(cls, child: Child, habits: Habits, chance: Random) -> "Learner":
        """Who misses much school learns less of it."""
        level = chance.gauss(83.0, 8.0) - 55.0 * max(0.0, habits.absent - 0.05)
        return cls(level - 3.0 * child.english_learner - 2.5 * child.special_education)


def courses_of(grade: int) -> list[tuple[str, str]]:
    """Code and title of the courses of a grade; none before kindergarten."""
    if grade == PRE_K:
        return []
    if grade >= _FIRST_HIGH:
        titles = zip(_HIGH_CODES, _HIGH[grade], strict=True)
        return [(f"{code}{grade:02d}", title) for code, title in titles]
    subjects = _MIDDLE if grade >= _FIRST_MIDDLE else _ELEMENTARY
    return [(f"{code}{grade_code(grade)}", f"{title} {_spoken(grade)}") for code, title in subjects]


def _spoken(grade: int) -> str:
    return str(grade) if grade else "K"


def section_rows(student_id: str, child: Child, spell: Spell, chance: Random) -> list[Row]:
    """The sections of a spell; a homeroom stays together in all of them."""
    if spell.last < spell.first:
        return []
    section, school_id = chance.randrange(1, 5), spell.school.school_id
    return [
        (
            student_id,
            school_id,
            f"{school_id}-{code}-{section:02d}",
            spell.entry_date,
            code,
            title,
            spell.exit_date,
        )
        for code, title in courses_of(child.grade)
    ]


def grade_rows(
    student_id: str, child: Child, spell: Spell, learner: Learner, chance: Random
) -> list[Row]:
    """A grade for each quarter that ended during the spell, and the year's if it ended there."""
    calendar, rows = spell.district.calendar, list[Row]()
    ended = [
        term
        for term, end in zip(QUARTERS, calendar.quarter_ends, strict=True)
        if spell.first <= end <= spell.last
    ]
    whole_year = calendar.is_over and spell.last == calendar.reached - 1 and ended
    for code, title in courses_of(child.grade):
        key = (student_id, spell.school.school_id, code)
        strength, total = learner.level + chance.gauss(0.0, 4.0), 0
        for term in ended:
            number = max(35, min(100, round(chance.gauss(strength, 4.0))))
            total += number
            rows.append((*key, term, "grading_period", title, _letter(number), str(number), ""))
        if whole_year:
            number = round(total / len(ended))
            earned = _credits(child.grade, number)
            rows.append((*key, _YEAR, "transcript", title, _letter(number), str(number), earned))
    return rows


def _letter(number: int) -> str:
    return next(letter for least, letter in (*_LETTERS, *_LOW_LETTERS) if number >= least)


def _credits(grade: int, number: int) -> str:
    """High school courses earn credits."""
    if grade < _FIRST_HIGH:
        return ""
    return _CREDITS if number >= _PASSING else "0.0"


def test_rows(
    student_id: str, child: Child, spell: Spell, learner: Learner, absent: Collection[int]
) -> list[Row]:
    """The state's tests in spring, taken on the first day the child was there."""
    rows = list[Row]()
    if child.grade not in _TESTED_GRADES:
        return rows
    days = spell.district.calendar.days
    for code, subject, planned in _TESTS:
        window = range(max(planned, spell.first), min(planned + 9, spell.last + 1))
        day = next((day for day in window if day not in absent), None)
        if day is None or planned < spell.first:
            continue
        score = _score(learner, child.number, planned)
        level = next(level for least, level in _LEVELS if score >= least)
        result_id = f"{code}{child.grade:02d}-{student_id}"
        title = f"State {subject} Grade {child.grade}"
        rows.append(
            (student_id, result_id, title, days[day], subject, "scaled score", str(score), level)
        )
    return rows


def _score(learner: Learner, number: int, planned: int) -> int:
    # The two tests of one child differ a little, without a draw that later records depend on.
    wobble = (number * 31 + planned * 17) % 25 - 12
    return max(_LOWEST_SCORE, min(_HIGHEST_SCORE, round(494 + (learner.level - 79) * 1.9) + wobble))
