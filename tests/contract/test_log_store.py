"""What the node's log promises, on SQLite and on PostgreSQL alike."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, insert, select, text, update

from homeroom.errors import LogUnavailableError, QueryReplayedError
from services.node.domain.log import GENESIS, EntryKind
from services.node.store.log import LogStore
from services.node.store.state_tables import LOG_ENTRY
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, bring_up_to_date, urls

__all__ = ["urls"]


@pytest.fixture
def engine(urls: Urls) -> Iterator[Engine]:
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


@pytest.fixture
def log(engine: Engine) -> LogStore:
    return LogStore(engine)


def query(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


async def write(log: LogStore, count: int) -> None:
    for number in range(count):
        await log.append(EntryKind.DECIDED, query(number), {"number": number})


def change(engine: Engine, statement: Any) -> None:
    with writing(engine) as connection:
        connection.execute(statement)


async def test_entries_form_a_chain_from_the_first(log: LogStore) -> None:
    first = await log.append(EntryKind.DECIDED, query(1), {"b": 1, "a": "Ľuboš"})
    second = await log.append(EntryKind.RELEASED, query(1), {})
    entries = list(log.entries())

    assert (first.log_index, second.log_index) == (0, 1)
    assert [entry["previous_digest"] for entry in entries] == [GENESIS, first.digest]
    assert [entry["digest"] for entry in entries] == [first.digest, second.digest]
    assert entries[0]["query_digest"] == query(1).hex()
    assert entries[0]["content"] == '{"a":"\\u013dubo\\u0161","b":1}'
    assert log.size() == 2
    assert log.first_broken() is None


async def test_an_empty_log_is_whole(log: LogStore) -> None:
    assert log.size() == 0
    assert log.first_broken() is None


async def test_a_query_is_recorded_once_for_each_kind(log: LogStore) -> None:
    await log.append(EntryKind.DECIDED, query(1), {"first": True})

    with pytest.raises(QueryReplayedError):
        await log.append(EntryKind.DECIDED, query(1), {"first": False})
    await log.append(EntryKind.RELEASED, query(1), {})
    assert [entry["kind"] for entry in log.entries()] == ["decided", "released"]
    assert log.first_broken() is None


async def test_a_replay_is_refused_after_a_restart(log: LogStore, urls: Urls) -> None:
    await log.append(EntryKind.DECIDED, query(1), {})
    again = open_database(urls.state)

    with pytest.raises(QueryReplayedError):
        await LogStore(again).append(EntryKind.DECIDED, query(1), {})
    again.dispose()


async def test_entries_written_at_once_keep_the_chain(log: LogStore, urls: Urls) -> None:
    """Of one node and of the node that is about to replace it: none is lost or refused."""
    other_engine = open_database(urls.state)
    other = LogStore(other_engine)
    positions = await asyncio.gather(
        *((log, other)[n % 2].append(EntryKind.DECIDED, query(n), {"n": n}) for n in range(60))
    )
    other_engine.dispose()

    assert sorted(position.log_index for position in positions) == list(range(60))
    assert log.first_broken() is None
    assert {e["log_index"]: e["digest"] for e in log.entries()} == {
        position.log_index: position.digest for position in positions
    }


async def test_of_one_query_asked_many_times_at_once_one_is_recorded(log: LogStore) -> None:
    outcomes = await asyncio.gather(
        *(log.append(EntryKind.DECIDED, query(1), {}) for _ in range(8)), return_exceptions=True
    )

    assert sum(isinstance(outcome, QueryReplayedError) for outcome in outcomes) == 7
    assert log.size() == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"content": '{"number":99}'},
        {"kind": "released"},
        {"query_digest": "0" * 64},
        {"written_at": 1},
        {"previous_digest": "0" * 64},
        {"digest": "0" * 64},
        {"log_index": 70},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_a_changed_entry_is_found(
    log: LogStore, engine: Engine, changed: dict[str, Any]
) -> None:
    """Whatever is changed: who asked, what was decided, when."""
    await write(log, 5)
    change(engine, update(LOG_ENTRY).where(LOG_ENTRY.c.log_index == 2).values(**changed))

    assert log.first_broken() == 2


@pytest.mark.parametrize("dropped", [0, 1, 3])
async def test_a_dropped_entry_is_found(log: LogStore, engine: Engine, dropped: int) -> None:
    await write(log, 5)
    change(engine, delete(LOG_ENTRY).where(LOG_ENTRY.c.log_index == dropped))

    assert log.first_broken() == dropped


async def test_reordered_entries_are_found(log: LogStore, engine: Engine) -> None:
    await write(log, 5)
    for old, new in ((1, 71), (2, 1), (71, 2)):
        change(engine, update(LOG_ENTRY).where(LOG_ENTRY.c.log_index == old).values(log_index=new))

    assert log.first_broken() == 1


async def test_an_entry_put_in_between_is_found(log: LogStore, engine: Engine) -> None:
    await write(log, 3)
    with engine.connect() as connection:
        last = dict(
            connection.execute(select(LOG_ENTRY).where(LOG_ENTRY.c.log_index == 2)).one()._mapping
        )
    change(engine, insert(LOG_ENTRY).values(last | {"log_index": 3, "kind": "released"}))

    assert log.first_broken() == 3


async def test_a_name_with_any_character_can_be_recorded(log: LogStore) -> None:
    """A token may name its bearer with half a surrogate pair or a NUL."""
    await log.append(EntryKind.DECIDED, query(1), {"user": "\ud800 \x00 \n 🏫"})

    assert log.first_broken() is None


async def test_a_database_that_is_away_is_a_log_that_cannot_be_written(
    log: LogStore, engine: Engine
) -> None:
    change(engine, text("ALTER TABLE log_entry RENAME TO away"))

    with pytest.raises(LogUnavailableError):
        await log.append(EntryKind.DECIDED, query(1), {})


async def fill(log: LogStore) -> int:
    """Writes until the log refuses; returns how many entries it took."""
    for number in range(10_000):
        try:
            await log.append(EntryKind.DECIDED, query(number), {"padding": "x" * 500})
        except LogUnavailableError:
            return number
    pytest.fail("this disk is never full")


async def test_a_full_disk_is_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing half-written is left, and what was written before is whole."""
    urls = Urls(f"sqlite:///{tmp_path}/records.db", f"sqlite:///{tmp_path}/state.db")
    bring_up_to_date(urls.records, urls.state)
    engine = open_database(urls.state)
    full: list[int] = []

    @event.listens_for(engine, "connect")
    def limit(connection: sqlite3.Connection, _record: Any) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        full[:] = connection.execute(f"PRAGMA max_page_count = {pages + 8}").fetchone()

    log = LogStore(engine)
    written = await fill(log)
    with pytest.raises(LogUnavailableError):
        await log.append(EntryKind.DECIDED, query(20_000), {"padding": "x" * 50_000})
    assert full
    assert log.size() == written > 0
    assert log.first_broken() is None
    engine.dispose()
    again = open_database(urls.state)
    await LogStore(again).append(EntryKind.RELEASED, query(0), {})
    assert LogStore(again).first_broken() is None
    again.dispose()
