"""A node's records and grants, as a test of its answers fills and reads them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Table, insert

from homeroom.catalog import SUBJECT_REF, dataset_named
from homeroom.vocabulary import Element
from services.node.domain.consent_book import Progress, Step
from services.node.domain.decision import Schools
from services.node.domain.selection import (
    MOST_UNSENT,
    ROWS_PER_BATCH,
    Covered,
    RowReader,
    Selection,
)
from services.node.store.answers import AnswerStore
from services.node.store.consent_tables import SUBJECT_REF as NAMES
from services.node.store.consents import ConsentStore
from services.node.store.records import RecordStore
from services.node.store.subject_refs import SubjectRefStore
from services.runtime.database import open_database, writing
from tests.conditions import consented
from tests.contract.node_stores import ANA, DAY, Urls, grant, settled
from tests.organizations import NOW

MONDAY = dt.date(2026, 9, 7)
ATTENDANCE = dataset_named("attendance").elements


@dataclass
class Holding:
    """A node's records and grants, as a test fills them."""

    urls: Urls
    store: AnswerStore
    consents: ConsentStore
    records: RecordStore
    keys: Mapping[str, int] = field(default_factory=dict)
    granted: int = 0

    def add(self, table: str, *rows: Mapping[str, Any]) -> None:
        """Records; those of a student say it by `student`."""
        with self.records.intake() as run:
            given = [self._keyed(row) for row in rows]
            for names in {tuple(row) for row in given}:
                alike = [tuple(row.values()) for row in given if tuple(row) == names]
                run.load(table, names, alike)
        self.keys = self.records.student_keys()

    def grant(self, student: str, *elements: Element, **changed: Any) -> str:
        """One consent for a student; returns its identifier."""
        self.granted += 1
        consent_id = f"c{self.granted}"
        fields: dict[str, Any] = {"valid_to": NOW + DAY, "recipient": "helpers"} | changed
        recipient, name = fields["recipient"], fields.pop("subject_ref", f"ref-{student}")
        given = grant(self.keys[student], elements=frozenset(elements), **fields)
        # A class of recipients has no name for a student; each of its members gets one.
        refs = {} if recipient.startswith("class:") else {recipient: name}
        known = replace(ANA, student_key=self.keys[student])
        self.apply(settled(consent_id, given, refs=refs, student=known))
        return consent_id

    def put(self, table: Table, *rows: dict[str, Any]) -> None:
        """Rows of the node's own state."""
        engine = open_database(self.urls.state)
        with writing(engine) as connection:
            connection.execute(insert(table), list(rows))
        engine.dispose()

    def name(self, *students: str) -> None:
        """The requester's names for students."""
        rows = [
            {
                "recipient": "helpers",
                "subject_ref": f"ref-{name}",
                "student_key": self.keys[name],
                "in_use": True,
            }
            for name in students
        ]
        self.put(NAMES, *rows)

    def apply(self, *steps: Step) -> None:
        """What arrives of consents."""
        self.consents.apply(steps, Progress(1, 1, NOW))

    async def batches(self, selection: Selection) -> list[pa.RecordBatch]:
        """All batches of a selection, which are the same however the read begins.

        To begin gives names to those who have none: so it is compared with what is read after.
        """
        read = await _read(await self.store.open(selection), selection)
        begun = await self.store.begin(selection, selection.subject_refs or ())
        assert begun.coverage == await self.store.covered(selection)
        assert begun.reader is not None
        told = selection.telling(begun.coverage.called_for)
        opened = await self.store.open(told)
        assert await _read(begun.reader, told) == await _read(opened, told)
        return read

    async def rows(self, selection: Selection) -> list[dict[str, Any]]:
        return [row for batch in await self.batches(selection) for row in batch.to_pylist()]

    async def covered(self, selection: Selection) -> Covered:
        """For each name the elements that may leave."""
        return (await self.store.covered(selection)).elements

    async def refs(self, selection: Selection) -> list[str]:
        return sorted(row[SUBJECT_REF] for row in await self.rows(selection))

    def _keyed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        keyed = {name: value for name, value in row.items() if name != "student"}
        return {"student_key": self.keys[row["student"]], **keyed} if "student" in row else keyed


async def _read(reader: RowReader, selection: Selection) -> list[pa.RecordBatch]:
    """All batches of a reader; each has the selection's schema."""
    batches: list[pa.RecordBatch] = []
    while some := await reader.next_batches():
        assert len(some) <= (MOST_UNSENT if batches else 1)
        assert all(batch.schema == selection.schema for batch in some)
        assert all(batch.num_rows <= ROWS_PER_BATCH for batch in some)
        batches += some
    assert not await reader.next_batches()
    await reader.close()
    return batches


@contextmanager
def held(urls: Urls) -> Iterator[Holding]:
    """A holding of two databases, closed at the end."""
    state = open_database(urls.state)
    opened = RecordStore(urls.records)
    answers = AnswerStore(urls.records, urls.state, SubjectRefStore(state))
    yield Holding(urls, answers, ConsentStore(state), opened)
    opened.close()
    state.dispose()


@pytest.fixture
def holding(urls: Urls) -> Iterator[Holding]:
    with held(urls) as opened:
        yield opened


def selection(dataset: str = "attendance", **changed: Any) -> Selection:
    """Everything that a dataset has, asked by helpers."""
    named = dataset_named(dataset)
    whole = Selection(
        dataset=named,
        conditions=consented(named.elements),
        recipient="helpers",
        classes=frozenset(),
        agreement_id="A-1",
        purpose="direct_service",
        schools=Schools(),
        subject_refs=None,
        period=None,
        instant=NOW,
    )
    return replace(whole, **changed)


def event(student: str, day: dt.date = MONDAY, school: str = "elm") -> dict[str, Any]:
    return {"student": student, "school_id": school, "event_date": day, "category": "tardy"}


def student(name: str, school: str | None = "elm") -> dict[str, Any]:
    return {"student_id": name, "school_id": school}


def only(*schools: str) -> Schools:
    return Schools(frozenset(schools))


@pytest.fixture
def two(holding: Holding) -> Holding:
    """Ana and Ben, each with one day of attendance; no grant yet."""
    holding.add("student", student("ana"), student("ben"))
    holding.add("attendance", event("ana"), event("ben"))
    return holding
