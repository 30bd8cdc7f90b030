"""Reads whom a table counts: every student at the school of now, and the student's groups."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, select

from services.node.domain.freezing import Dimension, Measure, Pupil
from services.node.store.records.measures import MeasureRules, Measures
from services.node.store.records.tables import TABLES

_STUDENT = TABLES["student"].c
_SEVERAL = "two_or_more_races"
_HISPANIC = "hispanic_or_latino"


class Pupils:
    """Whom each measure counts, from the records at this moment."""

    def __init__(self, records: Engine) -> None:
        self._records = records
        self._measures = Measures(records)

    def counted(self, measure: Measure, rules: MeasureRules) -> list[Pupil]:
        """The students that a measure is about, with what it says of each."""
        groups = self._groups()
        if measure is Measure.STUDENTS:
            return [Pupil(key, *found) for key, found in groups.items()]
        return [*_at_home(groups, self._facts(measure, rules))]

    def _facts(
        self, measure: Measure, rules: MeasureRules
    ) -> Iterator[tuple[int, str, bool | None, tuple[int, int] | None]]:
        if measure is Measure.SUSPENDED:
            for one in self._measures.suspended_students(rules):
                yield one.student_key, one.school_id, one.suspended, None
            return
        for row in self._measures.attendance_of_students(rules):
            if measure is Measure.ATTENDANCE_RATE:
                days = (row.enrolled - row.absent, row.enrolled)
                yield row.student_key, row.school_id, None, days
            elif row.enrolled >= rules.min_days:
                yield row.student_key, row.school_id, row.chronic, None

    def _groups(self) -> Mapping[int, tuple[str, Mapping[Dimension, str]]]:
        """The school of now and the groups of each student who has one."""
        columns = (
            *(_STUDENT.student_key, _STUDENT.school_id, _STUDENT.grade_level, _STUDENT.gender),
            *(_STUDENT.races, _STUDENT.hispanic, _STUDENT.english_learner),
            *(_STUDENT.special_education, _STUDENT.homeless, _STUDENT.lunch_eligibility),
        )
        with self._records.connect() as connection:
            rows = connection.execute(select(*columns).where(_STUDENT.school_id.is_not(None)))
            return {row.student_key: (row.school_id, _groups_of(row)) for row in rows}


def _at_home(
    groups: Mapping[int, tuple[str, Mapping[Dimension, str]]],
    facts: Iterable[tuple[int, str, bool | None, tuple[int, int] | None]],
) -> Iterator[Pupil]:
    """What is told of each student at the school of now; a mover's other schools are left out."""
    for key, school, outcome, days in facts:
        if key in groups and groups[key][0] == school:
            yield Pupil(key, *groups[key], outcome, days)


def _groups_of(row: Any) -> Mapping[Dimension, str]:
    told = {
        Dimension.GRADE_LEVEL: row.grade_level,
        Dimension.GENDER: row.gender,
        Dimension.RACE: _race(row.races, row.hispanic),
        Dimension.ENGLISH_LEARNER: _yes_or_no(row.english_learner),
        Dimension.SPECIAL_EDUCATION: _yes_or_no(row.special_education),
        Dimension.HOMELESS: _yes_or_no(row.homeless),
        Dimension.LUNCH: row.lunch_eligibility,
    }
    return {dimension: group for dimension, group in told.items() if group}


def _race(races: str | None, hispanic: bool | None) -> str | None:
    """One of the seven Federal categories: who is Hispanic is that alone."""
    if hispanic:
        return _HISPANIC
    return _SEVERAL if races and ";" in races else races


def _yes_or_no(value: bool | None) -> str | None:
    return None if value is None else ("yes" if value else "no")
