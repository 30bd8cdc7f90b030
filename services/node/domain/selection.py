"""Which rows a decision lets leave: the selection, its reader, and who is covered."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from homeroom.catalog import SUBJECT_REF, TOLD_BESIDE, Dataset
from homeroom.checks import RowCondition
from homeroom.question import Period
from homeroom.vocabulary import Element, Obligation, ReasonCode
from services.node.domain.consent_forms import CLASS
from services.node.domain.decision import Schools

_FEW_ROWS = 256
ROWS_PER_BATCH = 8_192
"""About 512 KiB of attendance: large enough that what each frame costs is little per row."""

MOST_BATCH_BYTES = 1024 * 1024
"""About how large a batch of long texts may be; far from what one message may be."""

MOST_UNSENT = 4
"""How many batches of an answer are in the node at once, read and not sent."""


class Relation(StrEnum):
    """How a person who claims a family's own right stands to the student (34 CFR 99.4, 99.5)."""

    PARENT = "parent"
    STUDENT = "student"


@dataclass(frozen=True, slots=True)
class RightsClaim:
    """Who claims the right to see a student's records, as a steward put it on file.

    Attributes:
        dependent_for_tax: whether the parent claims the student as a dependent (99.31(a)(8)).
        person: the name as the steward noted it, to compare with court orders on file.
    """

    relation: Relation
    dependent_for_tax: bool = False
    person: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows may leave, by what was decided; each student's own facts narrow it further.

    Attributes:
        conditions: the elements that may leave, and what each student's own facts must say before
            theirs does. Without a word the element rests on no student's facts, as in a study.
        classes: the classes of recipients that the requester is in at the instant.
        agreement_id: the one relied on; empty where the ground needs none.
        subject_refs: the students asked for; None means everyone who is covered.
        instant: the moment at which everything must be so.
        min_ages: elements that leave only for students of at least this age in years.
        matter_key: the matter of the ground, whose students alone it names.
        onward_to: to whom the requester will pass it on.
        caseload: the names of the students the user works with; None where that is everyone.
        sources: what each computed element was computed from.
        rights: who claims a family's own right, where that is the ground.
        row_obligations: what goes with a record that calls for it.
    """

    dataset: Dataset
    conditions: Mapping[Element, frozenset[RowCondition]]
    recipient: str
    classes: frozenset[str]
    agreement_id: str
    purpose: str
    schools: Schools
    subject_refs: tuple[str, ...] | None
    period: Period | None
    instant: dt.datetime
    min_ages: Mapping[Element, int] = field(default_factory=dict)
    matter_key: int | None = None
    onward_to: frozenset[str] = frozenset()
    caseload: tuple[str, ...] | None = ()
    sources: Mapping[Element, frozenset[Element]] = field(default_factory=dict)
    rights: RightsClaim | None = None
    row_obligations: frozenset[Obligation] = frozenset()

    @property
    def elements(self) -> frozenset[Element]:
        """Those that may leave, for students whose own facts allow it."""
        return frozenset(self.conditions)

    @property
    def elements_and_sources(self) -> frozenset[Element]:
        """Those, and what computed ones among them were computed from."""
        return self.elements.union(*self.sources.values())

    @property
    def as_of(self) -> dt.date:
        """The day of which flags are told: the last of the period asked for, no day to come."""
        today = self.instant.date()
        return today if self.period is None else min(self.period.end_date, today)

    @property
    def plain(self) -> bool:
        """Whether everything waits for a consent and for nothing else."""
        alone = frozenset({RowCondition.CONSENTED})
        return not self.min_ages and all(words == alone for words in self.conditions.values())

    @property
    def names_students(self) -> bool:
        """Whether it is about certain students, and not about everyone who is covered."""
        return self.subject_refs is not None or self.matter_key is not None

    @property
    def recipients(self) -> list[str]:
        """By what families may have named the requester: itself, or a class that it is in."""
        return [self.recipient, *sorted(CLASS + name for name in self.classes)]

    def telling(self, called_for: frozenset[Obligation]) -> "Selection":
        """The same; where no record calls for anything, its rows have no columns to say so."""
        return replace(self, row_obligations=self.row_obligations & called_for)

    @property
    def schema(self) -> pa.Schema:
        """What its rows look like; obligations, where there may be any, come last."""
        schema = self.dataset.schema_of(self.elements)
        for column in TOLD_BESIDE if self.row_obligations else ():
            schema = schema.append(column)
        return schema


Covered = Mapping[str, frozenset[Element]]
"""For each subject_ref the elements that may leave now."""

Window = tuple[str, int, str, str]
"""What one grant for the records of some days releases: to whom, what, the first and last day."""

Failure = tuple[int, Element, ReasonCode]
"""A student by key, an element, and the first condition on it that the student's facts fail."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who is covered at one instant.

    Attributes:
        windows: for a student whose grants are for the records of some days, each such grant.
        students: the key of each student whose records may leave, and its elements as one number.
        withheld: for a student, the rows that a condition on single rows withholds.
        called_for: the row obligations that some covered student's record calls for.
        failures: what is withheld of the students that were named, and why; for the holder alone.
        consents: the keys of a student and of each consent that counts for it here.
    """

    elements: Covered
    windows: Mapping[str, frozenset[Window]] = field(default_factory=dict)
    students: Sequence[tuple[int, int]] = ()
    withheld: Mapping[str, frozenset[tuple[str, ...]]] = field(default_factory=dict)
    called_for: frozenset[Obligation] = frozenset()
    failures: Sequence[Failure] = ()
    consents: Sequence[tuple[int, int]] = ()

    def since(self, begun: "Coverage", *, whole: bool = False) -> Covered:
        """What of an answer's beginning is still covered; what is covered only now was not noted.

        A row does not say which grant released it: where one for some days is gone, the student is.
        So where a row of the student is withheld that was not. With `whole`, a student of whom less
        may leave than at the beginning is gone too: something in a row may tell of the rest.
        """
        nothing: frozenset[Any] = frozenset()
        return {
            ref: elements & begun.elements[ref]
            for ref, elements in self.elements.items()
            if ref in begun.elements
            and begun.windows.get(ref, nothing) <= self.windows.get(ref, nothing)
            and self.withheld.get(ref, nothing) <= begun.withheld.get(ref, nothing)
            and not (whole and begun.elements.get(ref, nothing) - elements)
        }


class RowReader(Protocol):
    """The rows of one selection, some batches at a time, all from one state of the database."""

    async def next_batches(self) -> Sequence[pa.RecordBatch]:
        """The next batches, in the selection's schema; none after the last.

        At first one, so that an answer begins soon; then at most `MOST_UNSENT`.
        """
        ...

    async def close(self) -> None:
        """Ends the read, finished or not."""
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """What an answer begins with.

    Attributes:
        named: the key of each student whom the requester names; names of nobody left out.
        reader: the rows; None where they are not read, or could not be: whoever opens them then
            hears why.
    """

    coverage: Coverage
    named: Mapping[str, int]
    reader: RowReader | None = None


class Records(Protocol):
    """The node's records, as an answer reads them."""

    async def begin(self, selection: Selection, subject_refs: Sequence[str]) -> Beginning:
        """All of the below at once, as far as the first batch: a small answer waits once for it."""
        ...

    async def open(self, selection: Selection) -> RowReader:
        """Begins to read a selection, joined to the grants valid at its instant."""
        ...

    async def named(self, recipient: str, subject_refs: Sequence[str]) -> Mapping[str, int]:
        """The key of each student whom a requester names; names of nobody left out."""
        ...

    async def covered(self, selection: Selection) -> Coverage:
        """Who is covered at the selection's instant, and by which elements.

        Whoever the requester has no name for is given one.
        """
        ...


@dataclass(frozen=True)
class Narrowing:
    """What is still permitted in the middle of an answer; it can only take away."""

    covered: Covered
    dataset: Dataset

    @cached_property
    def _with_rows(self) -> frozenset[str]:
        """The names of those of whom a row may leave."""
        row_element = self.dataset.row_element
        if row_element is None:
            return frozenset(self.covered)
        return frozenset(ref for ref, some in self.covered.items() if row_element in some)

    @cached_property
    def _blanked(self) -> Mapping[str, frozenset[str]]:
        """For each column that not everyone releases, the names of those who do."""
        by_column = {
            column.name: frozenset(r for r, some in self.covered.items() if column.element in some)
            for column in self.dataset.columns
        }
        return {name: refs for name, refs in by_column.items() if len(refs) < len(self.covered)}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Drops the rows, and blanks the values, that are no longer permitted."""
        named = _named_in(batch)
        if not named <= self._with_rows:
            batch = batch.filter(_is_of(batch, named & self._with_rows))
        for name, releasing in self._blanked.items():
            if name in batch.schema.names and not named <= releasing:
                batch = _blank(batch, name, named & releasing)
        return batch


def _named_in(batch: pa.RecordBatch) -> frozenset[str]:
    """Whom its rows are about."""
    refs = batch.column(SUBJECT_REF)
    if len(refs) > _FEW_ROWS:
        # A student's rows stand together: there are far fewer names to look up than rows.
        refs = pc.run_end_encode(refs).values
    return frozenset(refs.to_pylist())


def _is_of(batch: pa.RecordBatch, refs: Collection[str]) -> pa.Array:
    """Which rows are about some students."""
    return pc.is_in(batch.column(SUBJECT_REF), pa.array(refs, pa.string()))


def _blank(batch: pa.RecordBatch, name: str, releasing: Collection[str]) -> pa.RecordBatch:
    keep = _is_of(batch, releasing)
    place = batch.schema.get_field_index(name)
    column = batch.schema.field(place)
    left = pc.if_else(keep, batch.column(place), pa.scalar(None, column.type))
    return batch.set_column(place, column, left)


def still_permits(now: Selection, begun: Selection) -> bool:
    """Whether what is permitted now includes all that an answer was begun with."""
    return (
        all(
            element in now.conditions
            and now.conditions[element] <= words
            and now.min_ages.get(element, 0) <= begun.min_ages.get(element, 0)
            for element, words in begun.conditions.items()
        )
        and now.schools & begun.schools == begun.schools
        and _covers(now.period, begun.period)
        and _rests_on(now) == _rests_on(begun)
    )


def _rests_on(selection: Selection) -> tuple[object, ...]:
    """What must not change in the middle of an answer: another matter has other students."""
    return (
        selection.agreement_id,
        selection.matter_key,
        selection.caseload,
        selection.rights,
        selection.sources,
        selection.row_obligations,
    )


def _covers(now: Period | None, begun: Period | None) -> bool:
    if now is None or begun is None:
        return now is None
    return now.start_date <= begun.start_date and begun.end_date <= now.end_date
