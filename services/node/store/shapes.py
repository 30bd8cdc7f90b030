"""The shape of a selection: all that its statements are written from, and nothing else.

Writing a statement takes longer than a small answer's rows do, so that each is written once for all
selections of one shape. What changes with every question is no part of it and has a name in the
statement instead: who asks by which agreement for what, the moment, the days, the students. So no
statement that is kept can hold a moment that has passed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Date, String, bindparam

from homeroom.catalog import Dataset, dataset_named
from homeroom.checks import RowCondition
from homeroom.vocabulary import Element, Obligation
from services.node.domain.consent_forms import CLASS
from services.node.domain.consents import adults_born_by, born_by
from services.node.domain.decision import Schools
from services.node.domain.selection import RightsClaim, Selection
from services.node.store.lists import listed


def _given(name: str, kind: Any) -> BindParameter[Any]:
    # What is not given is null, and equal to nothing.
    return bindparam(name, type_=kind, required=False)


RECIPIENT = _given("asked_by", String())
PURPOSE = _given("asked_purpose", String())
AGREEMENT = _given("asked_agreement", String())
MATTER = _given("asked_matter", BigInteger())
INSTANT = _given("asked_at", BigInteger())
TODAY = _given("asked_on", Date())
ADULTS_BORN_BY = _given("adults_born_by", Date())
AS_OF = _given("as_of", Date())
FIRST_DAY = _given("period_first_day", Date())
LAST_DAY = _given("period_last_day", Date())
SUBJECT_REFS = _given("asked_subject_refs", String())
CASELOAD = _given("asked_caseload", String())

Recipient = str | BindParameter[Any]


@dataclass(frozen=True)
class Shape:
    """What a selection's statements are written from.

    Attributes:
        waits: each element with its conditions, as `Selection.conditions`.
        ages: as `Selection.min_ages`.
        names_some: whether some students are named, and not everyone is meant.
        has_caseload: whether only a caseload's students are meant.
        has_period: whether it is about some days.
        has_matter: whether it rests on a matter.
        derived: as `Selection.sources`.
    """

    dataset_name: str
    waits: tuple[tuple[Element, frozenset[RowCondition]], ...]
    classes: frozenset[str]
    schools: Schools
    ages: tuple[tuple[Element, int], ...]
    names_some: bool
    has_caseload: bool
    has_period: bool
    has_matter: bool
    onward_to: frozenset[str]
    derived: tuple[tuple[Element, frozenset[Element]], ...]
    rights: RightsClaim | None
    row_obligations: frozenset[Obligation]

    @cached_property
    def dataset(self) -> Dataset:
        return dataset_named(self.dataset_name)

    @cached_property
    def conditions(self) -> Mapping[Element, frozenset[RowCondition]]:
        return dict(self.waits)

    @cached_property
    def min_ages(self) -> Mapping[Element, int]:
        return dict(self.ages)

    @cached_property
    def sources(self) -> Mapping[Element, frozenset[Element]]:
        return dict(self.derived)

    @property
    def elements(self) -> frozenset[Element]:
        return frozenset(self.conditions)

    @property
    def elements_and_sources(self) -> frozenset[Element]:
        return self.elements.union(*self.sources.values())

    @property
    def recipients(self) -> Sequence[Recipient]:
        """By what families may have named the requester: itself, or a class that it is in."""
        return [RECIPIENT, *sorted(CLASS + name for name in self.classes)]


def shape_of(selection: Selection) -> Shape:
    """What a selection's statements are written from."""
    return Shape(
        dataset_name=selection.dataset.name,
        waits=tuple(sorted(selection.conditions.items())),
        classes=selection.classes,
        schools=selection.schools,
        ages=tuple(sorted(selection.min_ages.items())),
        names_some=selection.subject_refs is not None,
        has_caseload=selection.caseload is not None,
        has_period=selection.period is not None,
        has_matter=selection.matter_key is not None,
        onward_to=selection.onward_to,
        derived=tuple(sorted(selection.sources.items())),
        rights=selection.rights,
        row_obligations=selection.row_obligations,
    )


def born_by_now(years: int) -> BindParameter[Any]:
    """The latest birth date of those who have some years on the day."""
    return _given(f"born_by_{years}", Date())


def values_of(selection: Selection) -> Mapping[str, Any]:
    """What the names in its statements stand for."""
    today, period = selection.instant.date(), selection.period
    ages = {born_by_now(years).key: born_by(today, years) for years in selection.min_ages.values()}
    return ages | {
        RECIPIENT.key: selection.recipient,
        PURPOSE.key: selection.purpose,
        AGREEMENT.key: selection.agreement_id,
        MATTER.key: selection.matter_key,
        INSTANT.key: int(selection.instant.timestamp()),
        TODAY.key: today,
        ADULTS_BORN_BY.key: adults_born_by(today),
        AS_OF.key: selection.as_of,
        # A row without days is of any of those that are asked for, or says what is so now.
        FIRST_DAY.key: today if period is None else period.start_date,
        LAST_DAY.key: today if period is None else period.end_date,
        SUBJECT_REFS.key: listed(selection.subject_refs or ()),
        CASELOAD.key: listed(selection.caseload or ()),
    }
