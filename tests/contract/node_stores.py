"""A node's databases for a test, on SQLite and on PostgreSQL alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.node.migrations import RECORDS, RECORDS_VERSION_TABLE, STATE, STATE_VERSION_TABLE
from services.runtime.database import upgrade

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


class Urls:
    """Where a node's records and its own state are; brought up to date."""

    def __init__(self, records: str, state: str) -> None:
        self.records = records
        self.state = state
        upgrade(records, RECORDS, version_table=RECORDS_VERSION_TABLE)
        upgrade(state, STATE, version_table=STATE_VERSION_TABLE)


@pytest.fixture(params=BACKENDS)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Urls]:
    """Two files, or one database of PostgreSQL."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
        yield Urls(url, url)
    else:
        yield Urls(f"sqlite:///{tmp_path}/records.db", f"sqlite:///{tmp_path}/state.db")
