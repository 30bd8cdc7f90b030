"""A question: what an app asks organizations that hold records, checked before it is signed."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from homeroom.catalog import dataset_named
from homeroom.errors import RequestInvalidError
from homeroom.identity import require_organization_id
from homeroom.vocabulary import Basis, Element

MAX_ELEMENTS = 64
MAX_SUBJECT_REFS = 10_000
MAX_SCHOOLS = 200
MAX_HOLDERS = 500
MAX_ONWARD = 50

_AGREEMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SUBJECT_REF = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SCHOOL_ID = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,62}[^\s\x00-\x1f\x7f])?")
_MATTER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MAX_SEQUENCE = 2**63 - 1
NO_GROUND = "none"
"""The word that claims no ground."""


class Level(StrEnum):
    """How fine the answer may be."""

    STUDENT = "student"
    AGGREGATE = "aggregate"
    DEIDENTIFIED_STUDENT = "deidentified_student"


@dataclass(frozen=True, slots=True)
class Period:
    """A range of days, both included."""

    start_date: dt.date
    end_date: dt.date

    def __post_init__(self) -> None:
        if self.end_date < self.start_date:
            raise RequestInvalidError("the period ends before it begins", field="period")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Elements of one dataset, for one purpose on one ground.

    Attributes:
        agreement_id: the agreement relied on; empty where the ground needs none.
        basis: the ground that is claimed; None claims none.
        agreement_version: the version relied on; 0 without an agreement, and while the client has
            still to fill it in.
        level: whether rows about students are asked for, rows without their names, or counts.
        table: the aggregate table; given exactly where counts are asked for.
        onward_to: the organizations that the requester passes the data on to in the same act.
        matter_id: the matter at the holder that is relied on; empty means the one that fits.
        subject_refs: the students, by the names only this requester knows them by.
        everyone: every student the requester may see; exactly one of the two is given.
        school_ids: only students at these schools; empty means every school of the agreement.
        period: the days the records are about; None means every day the holder may release.
        holders: the organizations to ask; empty asks every party that holds the dataset.
        min_registry_sequence, min_consent_sequence: the state that a holder must have seen.
        validate_only: asks for the decision and its reasons only; no row is released.
    """

    purpose: str
    dataset: str
    elements: tuple[Element, ...]
    agreement_id: str = ""
    basis: Basis | None = Basis.CONSENT
    level: Level = Level.STUDENT
    table: str = ""
    onward_to: tuple[str, ...] = ()
    matter_id: str = ""
    subject_refs: tuple[str, ...] = ()
    everyone: bool = False
    school_ids: tuple[str, ...] = ()
    period: Period | None = None
    holders: tuple[str, ...] = ()
    agreement_version: int = 0
    min_registry_sequence: int = 0
    min_consent_sequence: int = 0
    validate_only: bool = False

    def __post_init__(self) -> None:
        _require_form(_CODE, (self.purpose,), "purpose")
        self._require_relied_on()
        self._require_elements()
        self._require_cohort()
        self._require_organizations()
        for sequence in (self.min_registry_sequence, self.min_consent_sequence):
            if not 0 <= sequence <= _MAX_SEQUENCE:
                raise RequestInvalidError("a sequence counts up from 0", field="min_sequence")

    @property
    def ground(self) -> str:
        """The ground that is claimed, in the word that is signed and decided by."""
        return NO_GROUND if self.basis is None else str(self.basis)

    def _require_relied_on(self) -> None:
        if self.agreement_id:
            _require_form(_AGREEMENT_ID, (self.agreement_id,), "agreement_id")
        if self.matter_id:
            _require_form(_MATTER_ID, (self.matter_id,), "matter_id")
        if not 0 <= self.agreement_version <= (_MAX_SEQUENCE if self.agreement_id else 0):
            raise RequestInvalidError("a version counts up from 1", field="agreement_version")

    def _require_organizations(self) -> None:
        _require_few(self.holders, MAX_HOLDERS, "holders")
        _require_few(self.onward_to, MAX_ONWARD, "onward_to")
        for named in (*self.holders, *self.onward_to):
            require_organization_id(named)

    def _require_elements(self) -> None:
        _require_few(self.elements, MAX_ELEMENTS, "elements")
        if not self.elements:
            raise RequestInvalidError("a question names at least one element", field="elements")
        foreign = set(self.elements) - set(dataset_named(self.dataset).elements)
        if foreign:
            raise RequestInvalidError(
                "the dataset has no such element", field="elements", element=min(foreign)
            )

    def _require_cohort(self) -> None:
        if self.everyone == bool(self.subject_refs):
            raise RequestInvalidError(
                "a question names its students, or says that it means everyone", field="cohort"
            )
        _require_few(self.subject_refs, MAX_SUBJECT_REFS, "subject_refs")
        _require_form(_SUBJECT_REF, self.subject_refs, "subject_refs")
        _require_few(self.school_ids, MAX_SCHOOLS, "school_ids")
        _require_form(_SCHOOL_ID, self.school_ids, "school_ids")
        if (self.level is Level.AGGREGATE) != bool(self.table):
            raise RequestInvalidError("counts are asked of a named table", field="table")
        _require_form(_CODE, filter(None, (self.table,)), "table")


def require_matter_id(matter_id: str) -> str:
    """Returns the name of a matter if it is well formed.

    Raises:
        RequestInvalidError: if it is not 1 to 64 letters, digits and . _ -.
    """
    _require_form(_MATTER_ID, (matter_id,), "matter_id")
    return matter_id


def elements_named(names: Iterable[str]) -> tuple[Element, ...]:
    """The elements of those names, in their order.

    Raises:
        RequestInvalidError: if the vocabulary lacks one.
    """
    try:
        return tuple(Element(name) for name in names)
    except ValueError:
        raise RequestInvalidError("the vocabulary has no such element", field="elements") from None


def basis_named(name: str) -> Basis | None:
    """The basis of that name; None for the word that claims no ground.

    Raises:
        RequestInvalidError: if the vocabulary has none.
    """
    try:
        return None if name == NO_GROUND else Basis(name)
    except ValueError:
        raise RequestInvalidError("the vocabulary has no such basis", field="basis") from None


def level_named(name: str) -> Level:
    """The level of that name.

    Raises:
        RequestInvalidError: if there is none.
    """
    try:
        return Level(name)
    except ValueError:
        raise RequestInvalidError("there is no such level", field="level") from None


def day_of(text: str, field: str) -> dt.date:
    """The day that a text of the form YYYY-MM-DD means.

    Raises:
        RequestInvalidError: if it is none, or is written in another form.
    """
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        day = None
    # fromisoformat also reads 20260105 and 2026-W02-1: two ways to write one signed day.
    if day is None or day.isoformat() != text:
        raise RequestInvalidError("a day is written YYYY-MM-DD", field=field)
    return day


def _require_few(named: tuple[str, ...], limit: int, field: str) -> None:
    if len(named) > limit:
        raise RequestInvalidError(f"at most {limit} are allowed", field=field, limit=str(limit))
    if len(set(named)) != len(named):
        raise RequestInvalidError("one is named twice", field=field)


def _require_form(form: re.Pattern[str], named: Iterable[str], field: str) -> None:
    # The value itself is not repeated: it may be a student's.
    if not all(form.fullmatch(name) for name in named):
        raise RequestInvalidError("it is not well formed", field=field)
