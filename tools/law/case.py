"""Reads a file of cases, of the form of `law/scenarios.yaml`."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Facts = Mapping[str, Any]

_LAST_SECOND = dt.timedelta(days=1) - dt.timedelta(seconds=1)
FOR_EVER = dt.date(2100, 1, 1)
LONG_AGO = dt.date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its facts, and what the law lets go.

    Attributes:
        permitted: the elements that may go; `students` those about whom, None for all who are
            asked for.
        protected_cells: the cells of a table that may not be told, nor be computed.
    """

    case_id: str
    title: str
    facts: Facts
    expect: str
    permitted: frozenset[str]
    students: frozenset[str] | None
    protected_cells: frozenset[str]
    recorded: bool
    also_recorded: frozenset[str]
    reasons: frozenset[str]

    @classmethod
    def of(cls, written: Facts) -> "Case":
        """The case as it is written in a file."""
        students = written.get("permitted_students")
        return cls(
            case_id=written["id"],
            title=written["title"],
            facts=written["facts"],
            expect=written["expect"],
            permitted=frozenset(written["permitted_elements"]),
            students=None if students is None else frozenset(students),
            protected_cells=frozenset(written.get("protect_cells") or ()),
            recorded=written["recorded"],
            also_recorded=frozenset(written.get("also_recorded") or ()),
            reasons=frozenset({written["reason_code"], *(written.get("also_acceptable") or ())}),
        )

    @property
    def now(self) -> dt.datetime:
        """The instant of the decision."""
        return instant_of(self.facts["now"])

    @property
    def request(self) -> Facts:
        request: Facts = self.facts["request"]
        return request

    @property
    def level(self) -> str:
        """Whether rows about students are asked for, rows without their names, or counts."""
        return str(self.request["level"])

    @property
    def requester(self) -> Facts:
        requester: Facts = self.facts["requester"]
        return requester

    @property
    def holder(self) -> Facts:
        holder: Facts = self.facts["holder"]
        return holder

    @property
    def special(self) -> Facts:
        return self.facts["special"] or {}

    @property
    def asked_students(self) -> Sequence[Facts]:
        """The students who are asked for, in the order of the request."""
        known = {student["id"]: student for student in self.facts["students"]}
        return [known[name] for name in self.request["students"]]


def read_cases(path: Path) -> list[Case]:
    """The cases of a file."""
    return [Case.of(written) for written in yaml.safe_load(path.read_text())["cases"]]


def instant_of(text: str) -> dt.datetime:
    """The instant that a text means; in UTC."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def begins(text: str | None, now: dt.datetime) -> dt.date:
    """The first whole day of a period, so that it has begun now exactly if the text says so."""
    if text is None:
        return LONG_AGO
    start = _start(text)
    tomorrow = now.date() + dt.timedelta(days=1)
    return start.date() if start <= now or start.date() >= tomorrow else tomorrow


def ends(text: str | None, now: dt.datetime) -> dt.date:
    """The last whole day of a period, so that it has ended now exactly if the text says so."""
    if text is None:
        return FOR_EVER
    end = _end(text)
    yesterday = now.date() - dt.timedelta(days=1)
    return end.date() if end >= now or end.date() <= yesterday else yesterday


def has_come(text: str | None, now: dt.datetime) -> bool:
    """Whether an instant, or the beginning of a day, has come."""
    return text is not None and _start(text) <= now


def day_of_text(text: str) -> dt.date:
    """The day that a text means; of an instant, its day in UTC."""
    return _start(str(text)).date()


def organization_named(name: str) -> str:
    """A case's name of an organization in the form that names have here."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


def _start(text: str) -> dt.datetime:
    return instant_of(text) if _is_instant(text) else _midnight(text)


def _end(text: str) -> dt.datetime:
    return instant_of(text) if _is_instant(text) else _midnight(text) + _LAST_SECOND


def _is_instant(text: str) -> bool:
    return "T" in str(text)


def _midnight(text: str) -> dt.datetime:
    day = dt.date.fromisoformat(str(text))
    return dt.datetime.combine(day, dt.time(), dt.UTC)
