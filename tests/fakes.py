"""The ports of a node's domain, kept in memory; what happens to them is noted in one order."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from homeroom.audit import AuditEntry, AuditKind, Position, encode_content
from homeroom.audit.entry import SALT_BYTES
from homeroom.catalog import SUBJECT_REF
from homeroom.errors import HomeroomError, LogUnavailableError, QueryReplayedError
from homeroom.facts import Facts
from homeroom.federation import FederationState
from homeroom.vocabulary import Element
from services.node.domain.aggregates import AskedTable, TableRelease
from services.node.domain.copies import CopiedPiece
from services.node.domain.decision import Decision
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.extracts import STUDENT_KEY
from services.node.domain.log import Disclosed, Note
from services.node.domain.on_file import NOTHING_ON_FILE, Looked, OnFile, Waiting
from services.node.domain.register import DisclosureRecord, Manifest
from services.node.domain.replica import Evidence, Freshness
from services.node.domain.selection import (
    Beginning,
    Coverage,
    Covered,
    RowReader,
    Selection,
    Window,
)

Step = Callable[[], None]
Row = tuple[str, Mapping[str, Any]]
"""A subject_ref, and a value for each column."""


@dataclass
class FakeClock:
    """A clock that only the test moves."""

    now: dt.datetime

    def __call__(self) -> dt.datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@dataclass
class FakeReplica:
    """What a node knows, as the test says; implements `Replica`."""

    known: Evidence
    failure: HomeroomError | None = None
    waited_for: list[tuple[int, int]] = field(default_factory=list)

    def evidence(self) -> Evidence:
        if self.failure is not None:
            raise self.failure
        return self.known

    async def wait_for(self, registry_sequence: int, consent_sequence: int) -> None:
        self.waited_for.append((registry_sequence, consent_sequence))

    def learn(self, federation: FederationState | None = None) -> None:
        """Another state of agreements, or of consents alone; confirmed as the one before."""
        registry, consents = self.known.epoch
        moved = (registry + 1, consents) if federation else (registry, consents + 1)
        self.known = replace(
            self.known, federation=federation or self.known.federation, epoch=moved
        )

    def confirm(self, now: dt.datetime) -> None:
        """Both states are confirmed at a moment."""
        self.known = replace(
            self.known,
            registry=Freshness(self.known.registry.sequence, now),
            consent=Freshness(self.known.consent.sequence, now),
        )


@dataclass
class FakePolicies:
    """Decides as a function of the facts; implements `Policies`."""

    judge: Callable[[Facts], Decision]
    asked: list[Facts] = field(default_factory=list)

    async def decide(self, facts: Facts) -> Decision:
        self.asked.append(facts)
        return self.judge(facts)


@dataclass
class FakeFiles:
    """What is on file, as the test says; implements `Files`."""

    on_file: OnFile = NOTHING_ON_FILE
    looked: list[Looked] = field(default_factory=list)

    async def find(self, looked: Looked) -> OnFile:
        self.looked.append(looked)
        return self.on_file


@dataclass
class FakeLog:
    """A log in memory; implements `Log`.

    Attributes:
        events: where each entry is noted, beside whatever else a test notes there.
        refused: the kinds of entries that cannot be written.
    """

    events: list[str] = field(default_factory=list)
    refused: set[AuditKind] = field(default_factory=set)
    entries: list[tuple[AuditKind, bytes, Mapping[str, Any]]] = field(default_factory=list)
    disclosed: list[tuple[int, int]] = field(default_factory=list)
    records: list[DecisionRecord] = field(default_factory=list)
    register: list[DisclosureRecord] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    tables: list[TableRelease] = field(default_factory=list)
    manifests: list[Manifest] = field(default_factory=list)
    copies: list[CopiedPiece] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[Note] = (),
    ) -> Position:
        await asyncio.sleep(0)
        if kind in self.refused:
            raise LogUnavailableError("the log cannot be written")
        if any(entry[:2] == (kind, query_digest) for entry in self.entries):
            raise QueryReplayedError("this query was asked before")
        index = len(self.entries)
        salt, written = bytes(SALT_BYTES), encode_content(content)
        entry = AuditEntry(index, 0, kind, query_digest.hex(), salt, written)
        self.entries.append((kind, query_digest, content))
        self.notes += notes
        for note in notes:
            self._keep(note)
        self.events.append(str(kind))
        return Position(index, entry.leaf().hex())

    def _keep(self, note: Note) -> None:
        match note:
            case Disclosed():
                self.disclosed += note.students
            case DecisionRecord():
                self.records.append(note)
            case DisclosureRecord():
                self.register.append(note)
            case Waiting():
                self.waiting.append(note)
            case TableRelease():
                self.tables.append(note)
            case Manifest():
                self.manifests.append(note)
            case CopiedPiece():
                self.copies.append(note)

    def content_of(self, kind: AuditKind) -> Mapping[str, Any]:
        """What the only entry of a kind says."""
        (content,) = [entry[2] for entry in self.entries if entry[0] is kind]
        return content


@dataclass
class FakeRecords:
    """Rows in memory, joined to grants as the store joins them; implements `Records`.

    Attributes:
        batches: the rows of each batch.
        grants: what each family allows at the moment; a test changes it between batches.
        windows: the grants that are for the records of some days, by subject_ref.
        before: what happens before a batch is handed out, by the batch's number.
        opening: what happens after the coverage was read, before the rows are.
        together: how many batches are read at once, after the first.
        stalled: where set, no batch after the first comes before it.
    """

    batches: Sequence[Sequence[Row]]
    grants: dict[str, frozenset[Element]]
    events: list[str] = field(default_factory=list)
    windows: dict[str, frozenset[Window]] = field(default_factory=dict)
    before: dict[int, Step] = field(default_factory=dict)
    opening: Step = lambda: None
    together: int = 1
    stalled: asyncio.Event | None = None
    opened: list[Selection] = field(default_factory=list)
    closed: int = 0

    async def begin(self, selection: Selection, subject_refs: Sequence[str]) -> Beginning:
        coverage = await self.covered(selection)
        named = await self.named(selection.recipient, subject_refs)
        return Beginning(coverage, named, await self.open(selection.telling(coverage.called_for)))

    async def open(self, selection: Selection) -> RowReader:
        self.opening()
        self.opened.append(selection)
        self.events.append("opened")
        return FakeReader(self, selection, (await self.covered(selection)).elements)

    async def named(self, recipient: str, subject_refs: Sequence[str]) -> Mapping[str, int]:
        """Everyone whose family ever decided has a number."""
        numbers = {ref: number for number, ref in enumerate(self.grants)}
        return {ref: numbers[ref] for ref in subject_refs if ref in numbers}

    async def covered(self, selection: Selection) -> Coverage:
        asked = selection.subject_refs
        covered = {
            ref: elements & selection.elements
            for ref, elements in self.grants.items()
            if elements & selection.elements and (asked is None or ref in asked)
        }
        students = [(number, 1) for number, _ in enumerate(covered)]
        return Coverage(
            covered, {ref: self.windows[ref] for ref in covered if ref in self.windows}, students
        )


@dataclass
class FakeReader:
    """The batches of one selection, by the grants at the moment it was opened."""

    records: FakeRecords
    selection: Selection
    covered: Covered
    _next: int = 0
    _reading: bool = False

    async def next_batches(self) -> Sequence[pa.RecordBatch]:
        self._reading = True
        try:
            await asyncio.sleep(0)
            if self._next and self.records.stalled is not None:
                await self.records.stalled.wait()
        except asyncio.CancelledError:
            # As a store's thread: it is stopped, and its end is awaited.
            await asyncio.sleep(0.01)
            raise
        finally:
            self._reading = False
        # As before a batch: between the last and the end much may happen.
        self.records.before.get(self._next, lambda: None)()
        most = self.records.together if self._next else 1
        rows = self.records.batches[self._next : self._next + most]
        self._next += len(rows)
        self.records.events += ["read"] * bool(rows)
        return [batch_of(self.selection, some, self.covered) for some in rows]

    async def close(self) -> None:
        assert not self._reading, "the read was ended while a thread was still at it"
        self.records.closed += 1


def batch_of(selection: Selection, rows: Sequence[Row], covered: Covered) -> pa.RecordBatch:
    """What a store gives of rows: only covered students, and null where they allow nothing."""
    row_element = selection.dataset.row_element
    columns = selection.dataset.columns_of(selection.elements)
    given = [
        {SUBJECT_REF: ref}
        | {c.name: values[c.name] if c.element in covered[ref] else None for c in columns}
        for ref, values in rows
        if ref in covered and (row_element is None or row_element in covered[ref])
    ]
    return pa.RecordBatch.from_pylist(given, schema=selection.schema)


@dataclass
class FakeAggregates:
    """One table, or none; implements `AggregateShelf`."""

    table: AskedTable | None = None

    async def asked(self, requester: str, name: str, min_size: int) -> AskedTable | None:
        return self.table


@dataclass
class FakeExtracts:
    """Rows about everyone, under the keys of students; implements `Extracts`."""

    rows: pa.Table | None = None

    async def extract(self, selection: Selection, at_most: int) -> pa.Table:
        if self.rows is None:
            columns = [*selection.dataset.schema_of(selection.elements)][1:]
            return pa.schema([pa.field(STUDENT_KEY, pa.int64()), *columns]).empty_table()
        return self.rows.slice(0, at_most)


@dataclass
class FakeCopies:
    """Copies in memory, not sealed; implements `Copies`.

    Attributes:
        kept: the newest piece of each place that was kept for itself, beside no log entry.
        beside: the pieces that were kept beside log entries.
        broken: whether nothing can be kept.
    """

    events: list[str] = field(default_factory=list)
    kept: dict[int, CopiedPiece] = field(default_factory=dict)
    broken: bool = False
    content_key: bytes = b""
    beside: Sequence[CopiedPiece] = ()

    def seal(
        self, query_digest: bytes, sequence: int, content_key: bytes, piece: bytes
    ) -> CopiedPiece:
        self.content_key = content_key
        return CopiedPiece(query_digest.hex(), sequence, "", 0, piece)

    async def keep(self, copied: Sequence[CopiedPiece]) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise LogUnavailableError("a copy cannot be kept")
        first = copied[0].sequence
        self.kept = {place: one for place, one in self.kept.items() if place < first}
        self.kept |= {one.sequence: one for one in copied}
        self.events.append("copied")

    async def some_of(self, query_digest: bytes, first: int, most: int) -> Sequence[bytes]:
        await asyncio.sleep(0)
        kept = {one.sequence: one for one in self.beside} | self.kept
        wanted = range(first, first + most)
        return [kept[place].sealed for place in wanted if place in kept]
