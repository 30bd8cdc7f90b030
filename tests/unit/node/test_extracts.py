"""Records without names: random codes, no rare combination, no order that tells."""

from collections import Counter
from collections.abc import Sequence
from random import Random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.catalog import dataset_named
from homeroom.checks import RowCondition
from homeroom.levels import RECORD_CODE
from homeroom.question import Level
from homeroom.vocabulary import Basis, Element, ReasonCode
from services.node.domain.decision import Decision, Grant, Schools
from services.node.domain.ending import Ending
from services.node.domain.extracts import STUDENT_KEY, Chance, coded, smallest_group
from services.node.domain.register import Regime
from tests.organizations import NOW
from tests.unit.node.answering import Node, Told

ELEMENTS = frozenset({Element.DAILY_ATTENDANCE})
ASKING = {
    "level": Level.DEIDENTIFIED_STUDENT,
    "basis": Basis.DEIDENTIFIED,
    "elements": tuple(ELEMENTS),
}


def rows(said: Sequence[tuple[int, str]]) -> pa.Table:
    """Days of students, each a tuple of the student's key and what the row says."""
    schema = pa.schema([pa.field(STUDENT_KEY, pa.int64()), pa.field("category", pa.string())])
    return pa.table([[key for key, _ in said], [text for _, text in said]], schema=schema)


def attendance(students: int) -> pa.Table:
    """The same one day of so many students, in the columns of the dataset."""
    schema = small_schema()
    values = {"category": "tardy"}
    columns = [
        list(range(students)) if f.name == STUDENT_KEY else [values.get(f.name)] * students
        for f in schema
    ]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def small_schema() -> pa.Schema:
    columns = [*dataset_named("attendance").schema_of(ELEMENTS)][1:]
    return pa.schema([pa.field(STUDENT_KEY, pa.int64()), *columns])


def decision(words: frozenset[RowCondition]) -> Decision:
    grant = Grant(
        conditions=dict.fromkeys(ELEMENTS, words),
        schools=Schools(),
        min_cell_size=10,
        obligations=frozenset(),
        row_obligations=frozenset(),
        not_after=NOW,
    )
    return Decision(frozenset({ReasonCode.PERMITTED_DEIDENTIFIED}), frozenset(), grant)


def node_with(table: pa.Table, *, more: frozenset[RowCondition] = frozenset()) -> Node:
    node = Node(judge=lambda _: decision(more | {RowCondition.DEIDENTIFIED}))
    node.extracts.rows = table
    return node


async def told_of(table: pa.Table, *, more: frozenset[RowCondition] = frozenset()) -> Told:
    return await node_with(table, more=more).answer(**ASKING)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=12))
def test_the_rarest_combination_is_of_all_that_is_said_of_a_student(
    said: list[tuple[int, str]],
) -> None:
    each = {key: tuple(sorted(text for k, text in said if k == key)) for key, _ in said}
    assert smallest_group(rows(said)) == min(Counter(each.values()).values(), default=None)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=8), st.randoms())
def test_a_code_stands_for_one_student_of_one_answer(
    said: list[tuple[int, str]], order: Random
) -> None:
    numbers = iter(range(100))
    found = coded(rows(said), Chance(lambda: f"code {next(numbers)}", order.shuffle))
    assert found.column_names == [RECORD_CODE, "category"]
    given_codes = found.column(RECORD_CODE).to_pylist()
    assert len(set(given_codes)) == len({key for key, _ in said})
    by_code = Counter(zip(given_codes, found.column("category").to_pylist(), strict=True))
    assert sorted(by_code.values()) == sorted(Counter(said).values())


async def test_records_that_enough_students_share_leave_under_codes() -> None:
    told = await told_of(attendance(12))
    table = told.table()
    assert table.column_names[0] == RECORD_CODE
    assert len(set(table.column(RECORD_CODE).to_pylist())) == 12
    assert told.closing.reasons == (ReasonCode.PERMITTED_DEIDENTIFIED,)


@pytest.mark.parametrize(
    ("students", "event", "regimes"),
    [(12, "unnamed_answer", set()), (9, "request_refused", {Regime.FERPA})],
)
async def test_an_extract_is_recorded_as_what_it_is(
    students: int, event: str, regimes: set[Regime]
) -> None:
    """What identifies nobody is no disclosure (99.31(b)); a request that is refused is recorded."""
    node = node_with(attendance(students))
    await node.answer(**ASKING)
    (record,) = node.log.register

    assert str(record.event) == event
    assert record.regimes == regimes
    assert record.refused == {}


async def test_two_answers_have_no_code_in_common() -> None:
    first, second = await told_of(attendance(10)), await told_of(attendance(10))
    codes = [set(told.table().column(RECORD_CODE).to_pylist()) for told in (first, second)]
    assert not codes[0] & codes[1]


async def test_a_combination_that_few_share_refuses_all() -> None:
    told = await told_of(attendance(9))
    assert told.pieces == []
    assert told.closing.ending is Ending.NO_PERMITTED_ANSWER
    assert told.closing.reasons == (ReasonCode.DEIDENTIFICATION_INSUFFICIENT,)


@pytest.mark.parametrize("word", [RowCondition.CONSENTED, RowCondition.SINGLE_SUBJECT])
async def test_an_element_with_any_other_condition_is_not_extracted(word: RowCondition) -> None:
    told = await told_of(attendance(12), more=frozenset({word}))
    assert told.pieces == []
