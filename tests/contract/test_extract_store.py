"""What is read for an answer without names, on SQLite and on PostgreSQL alike."""

import datetime as dt

import pytest

from homeroom.catalog import CATALOG
from homeroom.question import Period
from services.node.domain.extracts import STUDENT_KEY
from tests.contract.holding import MONDAY, Holding, event, holding, only, selection, student
from tests.contract.node_stores import urls

__all__ = ["holding", "urls"]

MANY = 100


@pytest.fixture
def pupils(holding: Holding) -> Holding:
    """Two students at different schools, without a consent, each with one day."""
    holding.add("student", student("ana", school="elm"), student("ben", school="oak"))
    holding.add("attendance", event("ana"), event("ben", school="oak"))
    return holding


async def test_everyone_is_read_under_the_students_key(pupils: Holding) -> None:
    rows = await pupils.store.extract(selection(), MANY)
    assert sorted(rows.column(STUDENT_KEY).to_pylist()) == sorted(pupils.keys.values())
    assert rows.column_names == [STUDENT_KEY, *selection().schema.names[1:]]
    assert set(rows.column("event_date").to_pylist()) == {MONDAY}


async def test_only_students_of_granted_schools_are_read(pupils: Holding) -> None:
    rows = await pupils.store.extract(selection(schools=only("oak")), MANY)
    assert rows.column(STUDENT_KEY).to_pylist() == [pupils.keys["ben"]]


async def test_only_the_days_that_are_asked_for_are_read(pupils: Holding) -> None:
    before = Period(MONDAY - dt.timedelta(days=7), MONDAY - dt.timedelta(days=1))
    assert (await pupils.store.extract(selection(period=before), MANY)).num_rows == 0


async def test_no_more_is_read_than_can_be_looked_at(pupils: Holding) -> None:
    assert (await pupils.store.extract(selection(), 1)).num_rows == 1


async def test_every_dataset_can_be_extracted(pupils: Holding) -> None:
    for dataset in CATALOG:
        chosen = selection(dataset.name)
        rows = await pupils.store.extract(chosen, MANY)
        assert rows.column_names[1:] == dataset.schema_of(dataset.elements).names[1:]
