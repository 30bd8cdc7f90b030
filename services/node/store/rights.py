"""What the holder's staff noted of the rights over students' records."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, select

from services.node.store.consent_tables import STUDENT_RIGHTS
from services.node.store.lists import one_of

_RIGHTS = STUDENT_RIGHTS.c
_ANY = select(_RIGHTS.student_key).limit(1)
"""Most holders have noted nothing of anybody."""


class RightsKind(StrEnum):
    """What the holder's staff may note of the rights over a student's records."""

    COURT_LIMIT = "court_limit"  # a court has ended a person's rights (34 CFR 99.4)
    ENTITLED = "entitled"  # a person is not the one whom a court's order names
    POSTSECONDARY = "postsecondary"  # the student is in postsecondary education (99.5(a)(1))


class NotedRight(NamedTuple):
    """One note: of which kind, about whom, from when."""

    kind: RightsKind
    person: str
    from_day: dt.date | None


class Rights(NamedTuple):
    """What notes mean for consents: see `Student`."""

    postsecondary_from: dt.date | None
    limited: tuple[str, ...]
    entitled: tuple[str, ...]


def noted_about(
    connection: Connection, student_keys: Iterable[int]
) -> Mapping[int, Sequence[NotedRight]]:
    """What is noted about some students; students without a note left out."""
    found: dict[int, list[NotedRight]] = {}
    if connection.scalar(_ANY) is None:
        return found
    chosen = select(STUDENT_RIGHTS).where(one_of(_RIGHTS.student_key, student_keys))
    for row in connection.execute(chosen.order_by(_RIGHTS.kind, _RIGHTS.person)):
        noted = NotedRight(RightsKind(row.kind), row.person, row.from_day)
        found.setdefault(row.student_key, []).append(noted)
    return found


def rights_noted(noted: Sequence[NotedRight]) -> Rights:
    """What notes about one student mean."""
    days = (one.from_day for one in noted if one.kind is RightsKind.POSTSECONDARY)
    return Rights(
        next(days, None),
        tuple(one.person for one in noted if one.kind is RightsKind.COURT_LIMIT),
        tuple(one.person for one in noted if one.kind is RightsKind.ENTITLED),
    )
