"""A node's databases for a test, on SQLite and on PostgreSQL alike."""

import datetime as dt
import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from homeroom.vocabulary import Element
from services.node.domain.consent_book import Settled, Verdict
from services.node.domain.consents import AgeRule, Grant, Student
from services.node.migrations import RECORDS, RECORDS_VERSION_TABLE, STATE, STATE_VERSION_TABLE
from services.runtime.database import open_database, upgrade
from tests.organizations import NOW
from tests.postgres import Postgres

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
DAY = dt.timedelta(days=1)
FAR = NOW + 300 * DAY
ANA = Student(7, dt.date(2012, 2, 29))


class Urls:
    """Where a node's records and its own state are."""

    def __init__(self, records: str, state: str) -> None:
        self.records = records
        self.state = state

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """A table's rows as another process sees them."""
        engine = open_database(self.state)
        with engine.connect() as connection:
            rows = [dict(row._mapping) for row in connection.execute(select(table))]
        engine.dispose()
        return rows


def bring_up_to_date(records: str, state: str) -> None:
    """Makes the tables of both databases."""
    upgrade(records, RECORDS, version_table=RECORDS_VERSION_TABLE)
    upgrade(state, STATE, version_table=STATE_VERSION_TABLE)


@cache
def _files(folder: Path) -> tuple[Path, Path]:
    """Two files with all tables, to be copied: making tables costs most of a short test."""
    records, state = folder / "records.db", folder / "state.db"
    bring_up_to_date(f"sqlite:///{records}", f"sqlite:///{state}")
    return records, state


def both_in_one(url: str) -> None:
    """Makes the tables of both in one database."""
    bring_up_to_date(url, url)


@pytest.fixture(params=BACKENDS)
def urls(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Urls]:
    """Two files, or one database of PostgreSQL."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.prepared_database(both_in_one)
        yield Urls(url, url)
        return
    shared = tmp_path_factory.getbasetemp() / "node_stores"
    shared.mkdir(exist_ok=True)
    yield new_files(shared, tmp_path)


def new_files(shared: Path, folder: Path) -> Urls:
    """Two new files in a folder, copied from those that are made once in a shared one."""
    for file in _files(shared):
        shutil.copy(file, folder / file.name)
    return Urls(f"sqlite:///{folder}/records.db", f"sqlite:///{folder}/state.db")


def grant(student_key: int = 7, **changed: Any) -> Grant:
    """A grant of attendance to helpers, valid since yesterday."""
    fields: dict[str, Any] = {
        "student_key": student_key,
        "recipient": "helpers",
        "purpose": "direct_service",
        "elements": frozenset({Element.DAILY_ATTENDANCE}),
        "valid_from": NOW - DAY,
        "valid_to": FAR,
        "age_rule": AgeRule.NONE,
    }
    return Grant(**(fields | changed))


def settled(
    consent_id: str = "c1",
    *grants: Grant,
    refs: Mapping[str, str] | None = None,
    **changed: Any,
) -> Settled:
    """An accepted consent of a parent, with the grants it makes."""
    fields: dict[str, Any] = {
        "consent_id": consent_id,
        "recorder": "helpers",
        "evidence": b"\x00signed",
        "student": ANA,
        "problem": None,
        "grants": grants,
        "verdict": Verdict((), FAR.date()),
        "subject_refs": {"helpers": "ref"} if refs is None else refs,
    }
    return Settled(**(fields | changed))
