"""Narrowing in the middle of an answer only takes away, and takes away all that it must."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeroom.catalog import CATALOG, SUBJECT_REF, Dataset, dataset_named
from homeroom.vocabulary import Element
from services.node.domain.decision import Schools
from services.node.domain.selection import Covered, Narrowing, Selection, still_permits
from tests import strategies
from tests.conditions import consented

VALUE: dict[pa.DataType, Any] = {
    pa.string(): "said",
    pa.date32(): dt.date(2024, 2, 29),
    pa.int64(): 3,
    pa.float64(): 0.5,
    pa.bool_(): True,
}


def batch(dataset: Dataset, elements: frozenset[Element], refs: list[str]) -> pa.RecordBatch:
    """Rows with a value in every column."""
    schema = dataset.schema_of(elements)
    values = {f.name: VALUE[f.type] for f in schema}
    return pa.RecordBatch.from_pylist([values | {SUBJECT_REF: ref} for ref in refs], schema=schema)


def selection(
    elements: frozenset[Element] = frozenset({Element.DAILY_ATTENDANCE}),
    schools: Schools | None = None,
) -> Selection:
    return Selection(
        dataset=dataset_named("attendance"),
        conditions=consented(elements),
        recipient="helpers",
        classes=frozenset(),
        agreement_id="A-1",
        purpose="direct_service",
        schools=schools or Schools(),
        subject_refs=None,
        period=None,
        instant=dt.datetime(2026, 10, 1, tzinfo=dt.UTC),
    )


@pytest.mark.parametrize("dataset", CATALOG, ids=lambda dataset: dataset.name)
@settings(max_examples=40)
@given(st.data())
def test_exactly_what_is_covered_stays(dataset: Dataset, data: st.DataObject) -> None:
    """Row by row and value by value, in the same order and the same schema."""
    elements = data.draw(st.frozensets(st.sampled_from(dataset.elements), min_size=1))
    if dataset.row_element:
        elements |= {dataset.row_element}
    refs = data.draw(st.lists(st.sampled_from(strategies.REFS), max_size=9))
    covered: Covered = data.draw(strategies.covered(dataset))
    rows = batch(dataset, elements, refs)
    narrowed = Narrowing(covered, dataset).apply(rows)

    stay = [
        ref
        for ref in refs
        if ref in covered and (dataset.row_element is None or dataset.row_element in covered[ref])
    ]
    assert narrowed.schema == rows.schema
    assert narrowed.column(SUBJECT_REF).to_pylist() == stay
    for ref, row in zip(stay, narrowed.to_pylist(), strict=True):
        for column in dataset.columns_of(elements):
            expected = VALUE[rows.schema.field(column.name).type]
            assert row[column.name] == (expected if column.element in covered[ref] else None)


@settings(max_examples=40)
@given(st.data())
def test_narrowing_twice_is_narrowing_once_and_by_less_takes_away_more(
    data: st.DataObject,
) -> None:
    dataset = dataset_named("students")
    covered: Covered = data.draw(strategies.covered(dataset))
    less = {ref: covered[ref] for ref in sorted(covered)[1:]}
    rows = batch(dataset, frozenset(dataset.elements), list(strategies.REFS))
    once = Narrowing(covered, dataset).apply(rows)

    assert Narrowing(covered, dataset).apply(once).equals(once)
    assert Narrowing(less, dataset).apply(once).equals(Narrowing(less, dataset).apply(rows))
    assert Narrowing({}, dataset).apply(rows).num_rows == 0


@pytest.mark.parametrize(
    ("now", "permitted"),
    [
        (selection(), True),
        (selection(frozenset(dataset_named("attendance").elements)), True),
        (selection(frozenset({Element.SCHOOL_OF_ENROLLMENT})), False),
        (selection(schools=Schools(frozenset({"elm"}))), False),
    ],
)
def test_an_answer_for_every_school_goes_on_only_if_all_of_it_is_still_permitted(
    now: Selection, permitted: bool
) -> None:
    assert still_permits(now, selection()) is permitted


@pytest.mark.parametrize(
    ("schools", "permitted"),
    [
        (Schools(), True),
        (Schools(frozenset({"elm", "oak", "fir"})), True),
        (Schools(frozenset({"elm"})), False),
        (Schools(frozenset()), False),
    ],
)
def test_an_answer_for_some_schools_goes_on_only_while_each_of_them_is_permitted(
    schools: Schools, permitted: bool
) -> None:
    begun = selection(schools=Schools(frozenset({"elm", "oak"})))

    assert still_permits(selection(schools=schools), begun) is permitted
