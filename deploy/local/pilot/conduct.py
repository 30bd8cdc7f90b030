"""Discipline: incidents in which a child was the offender, and what the school did."""

from dataclasses import dataclass, field
from random import Random

from deploy.local.pilot.chance import happens, weighted
from deploy.local.pilot.households import Child
from deploy.local.pilot.spells import EXPELLED, Spell
from deploy.local.pilot.tables import Row

_BEHAVIORS = (
    ("Disruption of school", 30),
    ("Fighting", 22),
    ("Insubordination", 18),
    ("Truancy", 8),
    ("Bullying", 7),
    ("Threat", 6),
    ("Vandalism", 5),
    ("Substance possession", 4),
)
_ACTIONS = (("in_school_suspension", 40), ("out_of_school_suspension", 36), ("other", 24))
_PLANNED_DAYS = ((1, 45), (2, 25), (3, 18), (5, 9), (10, 3))
_SECONDARY_GRADE = 6


@dataclass(slots=True)
class Conduct:
    """A child's discipline at one school, and the days suspended out of it."""

    incidents: list[Row] = field(default_factory=list)
    actions: list[Row] = field(default_factory=list)
    suspended: set[int] = field(default_factory=set)


def conduct_of(student_id: str, child: Child, spell: Spell, chance: Random) -> Conduct:
    """Nothing for most children; one or more incidents for a few of a hundred."""
    conduct = Conduct()
    if spell.last < spell.first:
        return conduct
    book = _Book(student_id, spell, conduct, chance)
    share = 0.07 if child.grade >= _SECONDARY_GRADE else 0.018
    length = spell.last - spell.first + 1
    while happens(chance, share * min(1.0, length / 120)):
        book.incident(spell.first + int(chance.random() * length))
        share = 0.35
    if spell.exit_type == EXPELLED:
        book.expulsion()
    return conduct


class _Book:
    """Writes incidents and actions down under ids of their own."""

    def __init__(self, student_id: str, spell: Spell, conduct: Conduct, chance: Random) -> None:
        self._student_id = student_id
        self._spell = spell
        self._conduct = conduct
        self._chance = chance
        self._days = spell.district.calendar.days

    def incident(self, day: int) -> None:
        """An incident; its action begins on the same or the next day."""
        incident_id = self._write_incident(day, weighted(self._chance, _BEHAVIORS))
        begin = min(day + self._chance.randrange(2), self._spell.last)
        action_type = weighted(self._chance, _ACTIONS)
        if action_type == "other":
            return self._write_action(incident_id, action_type, begin, ("", ""))
        planned = weighted(self._chance, _PLANNED_DAYS)
        served = planned - 1 if planned > 1 and happens(self._chance, 0.15) else planned
        served = min(served, self._spell.last - begin + 1)
        if action_type == "out_of_school_suspension":
            self._conduct.suspended.update(range(begin, begin + served))
        return self._write_action(incident_id, action_type, begin, (str(planned), str(served)))

    def expulsion(self) -> None:
        """The incident that ended the spell."""
        last = self._spell.last
        incident_id = self._write_incident(last, "Threat")
        remaining = len(self._spell.district.calendar.planned) - last - 1
        self._write_action(incident_id, "expulsion", last, (str(remaining), ""))

    def _write_incident(self, day: int, behavior: str) -> str:
        """One row for each behavior; some incidents have two."""
        number = len(self._conduct.actions) + 1
        incident_id = f"I{self._student_id}-{self._spell.first}-{number}"
        behaviors = {behavior: None}
        if happens(self._chance, 0.1):
            behaviors[weighted(self._chance, _BEHAVIORS)] = None
        self._conduct.incidents += [
            (incident_id, self._student_id, b, self._spell.school.school_id, self._days[day])
            for b in behaviors
        ]
        return incident_id

    def _write_action(
        self, incident_id: str, action_type: str, day: int, length: tuple[str, str]
    ) -> None:
        action_id, school_id = f"A{incident_id[1:]}", self._spell.school.school_id
        self._conduct.actions.append(
            (action_id, self._student_id, action_type, self._days[day], school_id, *length)
        )
