"""Answers that name nobody: counts of a frozen table, and records under codes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from homeroom.checks import RowCondition
from homeroom.question import Level, Question
from homeroom.vocabulary import Element, ReasonCode
from services.node.domain.aggregates import (
    AggregateShelf,
    AskedTable,
    Settled,
    TableRelease,
    in_scope,
    rows_of,
    settle,
)
from services.node.domain.decision import Decision, Grant, Schools
from services.node.domain.disclosure.table import Mark
from services.node.domain.extracts import Chance, Extracts, all_rows, coded, smallest_group
from services.node.domain.ruling import Asked, Ruling

_CONDITION = {
    Level.AGGREGATE: frozenset({RowCondition.AGGREGATED}),
    Level.DEIDENTIFIED_STUDENT: frozenset({RowCondition.DEIDENTIFIED}),
}
"""The only condition that an element may have to leave at a level without names."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """What is told in answer to one question, without a name.

    Attributes:
        rows: None where nothing may be told.
        elements: what was granted and is told of.
        reasons: why a part is withheld or masked, or why there is no answer.
        release: what the release ledger gets; None if nothing is told, or it was told before.
    """

    rows: pa.Table | None
    elements: frozenset[Element] = frozenset()
    reasons: frozenset[ReasonCode] = frozenset()
    release: TableRelease | None = None

    def content(self, question: Question) -> dict[str, Any]:
        """What the log's entry says of it."""
        return {
            "level": str(question.level),
            "table": question.table,
            "released": sorted(self.elements),
            "withheld_for": sorted(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class UnnamedAnswers:
    """Makes the answers that name nobody."""

    aggregates: AggregateShelf
    extracts: Extracts
    chance: Chance

    async def to(self, asked: Asked, ruling: Ruling) -> Unnamed | None:
        """The answer to a question at a level without names; None at the level of students."""
        level, grant = asked.question.level, ruling.decision.grant
        if level is Level.STUDENT:
            return None
        if grant is None or (ruling.agreement is None and asked.question.agreement_id):
            return Unnamed(None)
        if asked.question.validate_only:
            return Unnamed(pa.table({}), grantable(grant, level))
        if level is Level.AGGREGATE:
            return await self._counts(asked, ruling.decision, grant)
        return await self._records(ruling, grant)

    async def _counts(self, asked: Asked, decision: Decision, grant: Grant) -> Unnamed:
        question, requester = asked.question, asked.requester.organization_id
        table = await self.aggregates.asked(requester, question.table, grant.min_cell_size)
        if table is None or table.dataset != question.dataset:
            return _nothing(ReasonCode.REQUEST_NOT_SPECIFIC)
        if not table.elements <= grantable(grant, Level.AGGREGATE):
            withheld = {one.reason for one in decision.withheld if one.element in table.elements}
            return _nothing(*(withheld or {ReasonCode.REQUEST_NOT_SPECIFIC}))
        settled = await asyncio.to_thread(settle, table, grant.min_cell_size)
        return _told(requester, table, settled, in_scope(table, _schools(asked, grant)))

    async def _records(self, ruling: Ruling, grant: Grant) -> Unnamed:
        """Records without names, if every combination of values is shared by enough students."""
        elements = grantable(grant, Level.DEIDENTIFIED_STUDENT)
        if ruling.extract is None or ruling.extract.elements != elements:
            return _nothing(*{one.reason for one in ruling.decision.withheld})
        rows = await all_rows(self.extracts, ruling.extract)
        least = None if rows is None else await asyncio.to_thread(smallest_group, rows)
        if rows is None or (least is not None and least < grant.min_cell_size):
            return _nothing(ReasonCode.DEIDENTIFICATION_INSUFFICIENT)
        return Unnamed(coded(rows, self.chance), elements)


def grantable(grant: Grant, level: Level) -> frozenset[Element]:
    """The elements that may be told at a level without names, on no other condition."""
    only = _CONDITION[level]
    return frozenset(e for e, words in grant.conditions.items() if words == only)


def still_tells(now: Decision, told: Unnamed, level: Level, begun: Grant | None) -> bool:
    """Whether what may be told now includes all that an answer was begun with."""
    grant = now.grant
    return (
        grant is not None
        and begun is not None
        and grantable(grant, level) >= told.elements
        and grant.schools & begun.schools == begun.schools
        and grant.min_cell_size <= begun.min_cell_size
    )


def _schools(asked: Asked, grant: Grant) -> Schools:
    named = asked.question.school_ids
    return grant.schools & Schools(frozenset(named)) if named else grant.schools


def _told(requester: str, table: AskedTable, settled: Settled, told: frozenset[str]) -> Unnamed:
    if not told:
        return _nothing(ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE)
    if all(settled.marks[cell_id] is Mark.WITHHELD for cell_id in told):
        return _nothing(*settled.reasons)
    release = None
    if table.settled is None:
        release = TableRelease(requester, table.table_key, settled, table.before)
    rows = pa.Table.from_batches([rows_of(table, settled, told)])
    return Unnamed(rows, table.elements, settled.reasons, release)


def _nothing(*reasons: ReasonCode) -> Unnamed:
    return Unnamed(None, reasons=frozenset(reasons))


class TableReader:
    """A whole table as the reader of an answer; implements `RowReader`."""

    def __init__(self, rows: pa.Table | None, rows_at_once: int) -> None:
        self._batches = rows.to_batches(max_chunksize=rows_at_once) if rows is not None else []

    async def next_batches(self) -> Sequence[pa.RecordBatch]:
        return [self._batches.pop(0)] if self._batches else []

    async def close(self) -> None:
        self._batches = []
