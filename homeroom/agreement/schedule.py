"""A schedule of an agreement: what may be shared for one purpose, of whom, and with whom."""

from collections.abc import Mapping
from typing import Literal

from homeroom.agreement.fields import Code, Codes, Elements, Frozen, Grounds, Period, Schools, Text

Level = Literal["student", "deidentified_student", "aggregate"]
"""How far an answer may tell students apart; each level includes those after it."""


class Schedule(Frozen):
    """What may be shared for one purpose.

    Attributes:
        text: what the purpose is, in the parties' words.
        activity: what the recipients do with the data.
        legal_basis: the grounds for this purpose, among the umbrella's; None means all of those.
        level: the most that an answer may tell about one student.
        schools: narrower than the umbrella's; a holder it leaves out shares nothing for this
            purpose. None means the umbrella's.
        authorized_roles: narrower than the umbrella's; None means the umbrella's.
        record_period: the days that the records may be about; None sets no limit.
    """

    purpose: Code
    text: Text
    activity: Text | None = None
    legal_basis: Grounds | None = None
    elements: Elements
    level: Level = "student"
    schools: Mapping[Code, Schools] | None = None
    authorized_roles: Codes | None = None
    record_period: Period | None = None
