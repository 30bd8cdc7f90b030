"""Keeps what families allow: settles each consent that arrives, and undoes each that is revoked."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from homeroom.consent_terms import OpenedConsent
from services.node.domain.consents import ConsentProblem, Grant, Student, grants_of, problem_of


@dataclass(frozen=True, slots=True)
class Arrived:
    """A consent that arrived.

    Attributes:
        statement: the recorder's signed statement, kept as it came.
        opened: what it says; None if it does not check.
    """

    consent_id: str
    recorder: str
    statement: bytes
    opened: OpenedConsent | None
    problem: ConsentProblem | None = None


@dataclass(frozen=True, slots=True)
class Revoked:
    """A consent that was withdrawn."""

    consent_id: str
    revoked_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a consent that arrived: grants, or the problem that allows none."""

    consent_id: str
    recorder: str
    statement: bytes
    student_key: int | None
    problem: ConsentProblem | None
    grants: Sequence[Grant]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the consent service has been followed.

    Attributes:
        sequence: of all changes; organization_sequence: of those that concern this organization.
    """

    sequence: int
    organization_sequence: int
    confirmed_at: dt.datetime | None


class ConsentShelf(Protocol):
    """Where a node keeps consents and grants."""

    def progress(self) -> Progress:
        """How far the consent service has been followed."""
        ...

    def confirm(self, progress: Progress) -> None:
        """Notes progress that brought no change."""
        ...

    def students_of(self, link_codes: Iterable[bytes]) -> Mapping[bytes, Student]:
        """The students whose forms bear these codes."""
        ...

    def apply(self, steps: Sequence[Settled | Revoked], progress: Progress) -> None:
        """Keeps steps, in order, and the progress they bring: all or none.

        A consent that was ever revoked stays revoked.
        """
        ...

    def unsettled(self) -> Sequence[Arrived]:
        """The consents that have a problem and are not revoked, as they came."""
        ...


def take(shelf: ConsentShelf, changes: Sequence[Arrived | Revoked], progress: Progress) -> None:
    """Settles changes in their order and keeps them."""
    codes = [c.opened.link_code for c in changes if isinstance(c, Arrived) and c.opened]
    students = shelf.students_of(codes)
    steps = [_settled(c, students) if isinstance(c, Arrived) else c for c in changes]
    shelf.apply(steps, progress)


def _settled(arrived: Arrived, students: Mapping[bytes, Student]) -> Settled:
    opened, problem = arrived.opened, arrived.problem
    student = students.get(opened.link_code) if opened else None
    if opened is None:
        problem = problem or ConsentProblem.EVIDENCE_INVALID
    else:
        problem = problem or problem_of(opened.terms, student)
    grants = grants_of(opened, student) if opened and student and problem is None else ()
    return Settled(
        arrived.consent_id,
        arrived.recorder,
        arrived.statement,
        student.student_key if student else None,
        problem,
        grants,
    )
