"""What the store of a node's own state promises, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from services.node.domain.agreement_memory import Remembered
from services.node.migrations import STATE_VERSION_TABLE
from services.node.store.matter_tables import MATTER
from services.node.store.records import RecordStore
from services.node.store.state import LINK_CODE_BYTES, StateStore
from services.node.store.state_tables import LINK_CODE
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls

__all__ = ["urls"]

STUDENTS = (
    ("1", "Ana", "Nováková", dt.date(2012, 2, 29), "elm"),
    ("2", "Ben", None, None, "elm"),
    ("3", "Cem", "Øster", dt.date(2013, 1, 1), "oak"),
)


@pytest.fixture
def store(urls: Urls) -> Iterator[StateStore]:
    state, records = open_database(urls.state), open_database(urls.records)
    yield StateStore(state, records)
    state.dispose()
    records.dispose()


@pytest.fixture
def keys(urls: Urls) -> dict[str, int]:
    """Three students in the records; their keys by student id."""
    records = RecordStore(urls.records)
    with records.intake() as run:
        columns = ("student_id", "given_name", "family_name", "birth_date", "school_id")
        run.load("student", columns, STUDENTS)
    known = records.student_keys()
    records.close()
    return known


def rows_of(urls: Urls, table: Any) -> list[dict[str, Any]]:
    """A table's rows as another process sees them."""
    engine = open_database(urls.state)
    with engine.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(table))]
    engine.dispose()
    return rows


def test_the_migrations_make_exactly_the_tables_of_the_model(urls: Urls) -> None:
    engine = open_database(urls.state)
    ours = {*MATTER.metadata.tables, *(index_names())}
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": STATE_VERSION_TABLE,
                "compare_type": True,
                "include_name": lambda name, kind, _: kind != "table" or name in ours,
            },
        )
        differences = compare_metadata(context, MATTER.metadata)
    engine.dispose()

    assert differences == []


def index_names() -> list[str]:
    return [str(i.name) for table in MATTER.metadata.tables.values() for i in table.indexes]


# The registry's evidence.


def test_the_newest_registry_snapshot_is_kept(store: StateStore) -> None:
    assert store.load() is None

    store.save(b"\x00one")
    store.save(b"\x00two")

    assert store.load() == b"\x00two"


def test_how_far_an_agreement_was_seen_is_never_forgotten(store: StateStore) -> None:
    assert store.remembered() == {}

    store.remember({"A-1": Remembered(1, b"\x00one")})
    store.remember({"A-1": Remembered(2, b"\x00two"), "A-2": Remembered(3, b"\x00three")})
    store.remember({})

    assert store.remembered() == {
        "A-1": Remembered(2, b"\x00two"),
        "A-2": Remembered(3, b"\x00three"),
    }


# Link codes.


def test_every_student_gets_a_code_and_the_store_keeps_only_its_digest(
    store: StateStore, urls: Urls, keys: dict[str, int]
) -> None:
    forms = list(store.issue_link_codes(None))

    assert [(f.student_id, f.given_name, f.family_name, f.school_id) for f in forms] == [
        ("1", "Ana", "Nováková", "elm"),
        ("2", "Ben", "", "elm"),
        ("3", "Cem", "Øster", "oak"),
    ]
    assert len({form.link_code for form in forms}) == 3
    assert all(len(form.link_code) == 2 * LINK_CODE_BYTES for form in forms)
    kept = rows_of(urls, LINK_CODE)
    assert {row["student_key"] for row in kept} == set(keys.values())
    assert not {row["code_digest"] for row in kept} & {form.link_code for form in forms}


def test_codes_can_be_made_for_one_school(store: StateStore, keys: dict[str, int]) -> None:
    assert keys
    assert [form.student_id for form in store.issue_link_codes("oak")] == ["3"]
    assert list(store.issue_link_codes("fir")) == []
