"""A question for counts: decided by policy, controlled, written down, and only then told."""

from collections.abc import Mapping
from typing import Any

import pytest

from homeroom.audit import AuditKind
from homeroom.checks import RowCondition
from homeroom.errors import LogUnavailableError
from homeroom.levels import CELL_SCHEMA
from homeroom.question import Level
from homeroom.vocabulary import Basis, Element, ReasonCode
from services.node.domain.aggregates import AskedTable, TableRelease, settle
from services.node.domain.decision import Decision, Grant, Schools
from services.node.domain.disclosure.table import Cell, Known, Table
from services.node.domain.ending import Ending
from tests.organizations import NOW
from tests.unit.node import federation as small
from tests.unit.node.answering import Node, Told

COUNTED = frozenset({RowCondition.AGGREGATED})
ASKING = {
    "level": Level.AGGREGATE,
    "table": "by_grade",
    "basis": Basis.AGGREGATE,
    "elements": (Element.DAILY_ATTENDANCE,),
}


def decision(
    words: frozenset[RowCondition] = COUNTED, schools: Schools | None = None, least: int = 10
) -> Decision:
    grant = Grant(
        conditions={Element.DAILY_ATTENDANCE: words},
        schools=schools or Schools(),
        min_cell_size=least,
        obligations=frozenset(),
        row_obligations=frozenset(),
        not_after=NOW,
    )
    return Decision(frozenset({ReasonCode.PERMITTED_AGGREGATE}), frozenset(), grant)


def table(*counts: int, **changed: Any) -> AskedTable:
    """A table of one school's grades."""
    cells = {f"1/g{n}": Cell(f"1/g{n}", "elm", f"g{n}", count) for n, count in enumerate(counts)}
    fields: dict[str, Any] = {
        "table_key": 1,
        "dataset": "attendance",
        "elements": frozenset({Element.DAILY_ATTENDANCE}),
        "own": cells,
        "around": Table(cells),
        "known": Known(),
    }
    return AskedTable(**(fields | changed))


def node_with(asked: AskedTable | None, decided: Decision | None = None) -> Node:
    node = Node(judge=lambda _: decided or decision())
    node.aggregates.table = asked
    return node


async def told_of(node: Node, **changed: Any) -> Told:
    return await node.answer(**(ASKING | changed))


def ledger(node: Node) -> list[TableRelease]:
    return node.log.tables


def shown(told: Told) -> Mapping[str, int | None]:
    rows = told.table()
    return dict(zip(rows["cell"].to_pylist(), rows["n"].to_pylist(), strict=True))


async def test_counts_are_told_with_the_reasons_of_what_is_withheld() -> None:
    node = node_with(table(44, 3))
    told = await told_of(node)

    assert told.table().schema == CELL_SCHEMA
    assert shown(told) == {"g0": 44, "g1": None}
    assert told.closing.ending is Ending.ANSWERED
    assert told.closing.reasons == (
        ReasonCode.PERMITTED_AGGREGATE,
        ReasonCode.SMALL_CELL_SUPPRESSED,
    )
    assert told.closing.released == (Element.DAILY_ATTENDANCE,)
    assert node.events == ["decided", "rows", "released", "closing"]
    (record,) = node.log.register
    assert (record.event, record.refused) == ("unnamed_answer", {})
    assert record.decided.released == {Element.DAILY_ATTENDANCE}
    assert record.decided.reasons == told.closing.reasons


async def test_the_ledger_is_written_with_the_decision_or_nothing_is_told() -> None:
    node = node_with(table(44, 3))
    await told_of(node)
    (release,) = ledger(node)
    assert (release.requester, release.table_key) == ("helpers", 1)

    unwritten = node_with(table(44, 3))
    unwritten.log.refused = {AuditKind.DECIDED}
    with pytest.raises(LogUnavailableError):
        await told_of(unwritten)
    assert unwritten.events == []


async def test_what_was_told_is_told_again_without_a_second_line() -> None:
    before = table(44, 3)
    again = node_with(table(44, 3, settled=settle(before, 10), before=1))
    assert shown(await told_of(again)) == {"g0": 44, "g1": None}
    assert ledger(again) == []


async def test_a_table_of_which_nothing_may_be_told_is_refused_with_its_reason() -> None:
    node = node_with(table(60, contributed=55))
    told = await told_of(node)

    assert told.pieces == []
    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.DIFFERENCING_RISK,)
    assert told.closing.released == ()
    (record,) = node.log.register
    assert (record.event, record.decided.released) == ("request_refused", frozenset())
    assert record.decided.reasons == (ReasonCode.DIFFERENCING_RISK,)
    assert ledger(node) == []


@pytest.mark.parametrize(
    "asked",
    [
        None,
        table(44, dataset="students"),
        table(44, elements=frozenset({Element.GPA})),
    ],
)
async def test_no_such_table_of_these_elements_looks_alike(asked: AskedTable | None) -> None:
    told = await told_of(node_with(asked))
    assert told.pieces == []
    assert told.closing.reasons == (ReasonCode.REQUEST_NOT_SPECIFIC,)


async def test_an_element_with_any_other_condition_is_not_counted() -> None:
    words = COUNTED | {RowCondition.CONSENTED}
    told = await told_of(node_with(table(44), decision(words)))
    assert told.pieces == []


async def test_the_strictest_minimum_of_the_decision_holds() -> None:
    told = await told_of(node_with(table(44, 15), decision(least=20)))
    assert shown(told) == {"g0": 44, "g1": None}


async def test_only_schools_of_the_grant_and_of_the_question_are_told() -> None:
    only_oak = decision(schools=Schools(frozenset({"oak"})))
    told = await told_of(node_with(table(44), only_oak))
    assert told.closing.reasons == (ReasonCode.AGREEMENT_SCHOOL_OUT_OF_SCOPE,)
    told = await told_of(node_with(table(44)), school_ids=("oak",))
    assert told.pieces == []


async def test_what_may_only_be_counted_has_no_rows() -> None:
    """At the level of students a grant for counts releases nobody's record."""
    node = node_with(table(44))
    told = await node.answer()
    assert told.pieces == []
    assert "opened" not in node.events


async def test_validating_writes_no_line_and_tells_no_count() -> None:
    node = node_with(table(44, 3))
    told = await told_of(node, validate_only=True)
    assert told.pieces == []
    assert told.closing.ending is Ending.ANSWERED
    assert ledger(node) == []
    assert [one.event for one in node.log.register] == ["request"]


async def test_counts_that_stop_being_permitted_do_not_leave() -> None:
    decisions = iter([decision(), small.denial()])
    node = Node(judge=lambda _: next(decisions))
    node.aggregates.table = table(44)
    settled = node.log.append

    async def learned(*args: Any, **more: Any) -> Any:
        node.replica.learn()
        node.log.append = settled  # type: ignore[method-assign]  # once
        return await settled(*args, **more)

    node.log.append = learned  # type: ignore[method-assign]  # something changes meanwhile
    told = await told_of(node)
    assert told.pieces == []
    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
