"""Who goes away ends the work: the database's too, over real sockets and on both databases."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pyarrow as pa
import pytest

from homeroom.audit import AuditKind
from homeroom.errors import LogUnavailableError
from homeroom.signing import digest_of
from services.node.domain.selection import ROWS_PER_BATCH
from services.node.store.disclosure_tables import DISCLOSURE_MANIFEST
from services.node.store.log import LogStore
from services.node.store.reading import Compiled, ReadDatabases
from services.node.store.row_readers import ArrowReader, SqliteReader
from services.node.store.stopping import read
from services.runtime.database import open_database
from tests.contract.node_federation import GATEWAY, NodeFederation, node_federation
from tests.contract.node_stores import Urls, urls

__all__ = ["urls"]

T = TypeVar("T")

PATIENCE = 60
NEVER = {
    True: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    False: "SELECT max(i) FROM generate_series(1, 1000000000000) AS n(i)",
}
ENDLESS = {
    True: "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    False: "SELECT generate_series(1::bigint, 1000000000000) AS i",
}
NUMBERS = pa.schema([pa.field("i", pa.int64())])


@pytest.fixture
def databases(urls: Urls) -> ReadDatabases:
    return ReadDatabases(urls.records, urls.state)


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[NodeFederation]:
    # None waits for a caller to come back.
    async with node_federation(tmp_path, open_answers=0) as made:
        yield made


async def left(work: "asyncio.Future[Any]", then: Callable[[], object] = lambda: None) -> None:
    """Goes away a little after the work has begun, and waits for its end.

    Args:
        work: what is left.
        then: is done a little later, while the work is stopped.
    """
    await asyncio.sleep(0.3)
    work.cancel()
    asyncio.get_running_loop().call_later(0.3, then)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(asyncio.CancelledError):
            await work


async def until_quiet() -> None:
    """Waits until this process, the node's too, uses little of a processor."""
    async with asyncio.timeout(PATIENCE):
        while True:
            before = time.process_time()
            await asyncio.sleep(0.5)
            if time.process_time() - before < 0.25:
                return


async def until(look: Callable[[], T]) -> T:
    """Waits until a look gives something."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if found := look():
                return found
            await asyncio.sleep(0.1)


async def until_no_statement_runs(databases: ReadDatabases) -> None:
    """Waits until the server works on nothing in the test's database."""
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state = 'active'"
    )
    await until(lambda: databases.fetch(Compiled(others, ())) == [(0,)])


async def until_stopped(databases: ReadDatabases) -> None:
    await until_quiet()
    if not databases.is_sqlite:
        await until_no_statement_runs(databases)


async def test_a_statement_ends_when_nobody_waits_for_it(databases: ReadDatabases) -> None:
    never = Compiled(NEVER[databases.is_sqlite], ())
    await left(asyncio.ensure_future(read(lambda: databases.fetch(never))))

    await until_stopped(databases)
    assert databases.fetch(Compiled("SELECT 1", ())) == [(1,)]


async def test_a_reader_that_is_left_gives_its_connection_back(databases: ReadDatabases) -> None:
    opened = SqliteReader if databases.is_sqlite else ArrowReader
    connection = databases.borrow()
    reader = opened(connection, ENDLESS[databases.is_sqlite], (), NUMBERS, databases.give_back)

    async def read_on() -> None:
        while await reader.next_batches():
            pass

    await left(asyncio.ensure_future(read_on()))
    await reader.close()

    await until_stopped(databases)
    if databases.is_sqlite:
        assert databases.borrow() is connection
        assert connection.execute("SELECT 1").fetchall() == [(1,)]


async def test_what_is_opened_for_nobody_is_let_go_of(databases: ReadDatabases) -> None:
    """The caller left while the thread was at its last step."""
    given: list[str] = []
    alone = threading.Event()

    def work() -> str:
        alone.wait(PATIENCE)
        return "made"

    await left(asyncio.ensure_future(read(work, undo=given.append)), alone.set)

    assert given == ["made"]


async def test_another_statement_on_a_connection_given_back_is_not_broken_off(
    databases: ReadDatabases,
) -> None:
    """To be stopped touches only what the work still reads on."""
    alone = threading.Event()

    def work() -> None:
        databases.give_back(databases.borrow())
        alone.wait(PATIENCE)

    going = asyncio.ensure_future(read(work))
    connection = databases.borrow()
    databases.give_back(connection)
    await left(going, alone.set)

    assert databases.fetch(Compiled("SELECT 1", ())) == [(1,)]


async def test_a_failure_of_the_database_is_told_to_whoever_waits(
    databases: ReadDatabases,
) -> None:
    def busy() -> None:
        raise sqlite3.OperationalError("busy")

    with pytest.raises(LogUnavailableError):
        await read(busy)


def made_long(federation: NodeFederation, rows: str) -> None:
    """Has each row of attendance come as often as a statement has rows."""
    database = sqlite3.connect(federation.settings.records_url.removeprefix("sqlite:///"))
    repeated = f"SELECT k.* FROM attendance_kept AS k, ({rows}) AS often"  # noqa: S608  # our own
    database.execute("ALTER TABLE attendance RENAME TO attendance_kept")
    database.execute(f"CREATE VIEW attendance AS {repeated}")
    database.commit()
    database.close()


def endings(federation: NodeFederation, digest: bytes) -> list[dict[str, Any]]:
    """What the node's log says of how an answer ended."""
    state = open_database(federation.settings.state_url)
    entries = [e for e in LogStore(state).entries() if e.query_digest == digest.hex()]
    state.dispose()
    return [dict(e.said) for e in entries if e.kind == AuditKind.RELEASED]


async def test_a_caller_who_leaves_in_the_middle_ends_the_read_and_the_log_has_it_cut(
    federation: NodeFederation,
) -> None:
    made_long(federation, f"{ENDLESS[True]} LIMIT 2000000")
    request = federation.asker.request()
    digest = digest_of(request.query.statement)
    call = federation.stub(*GATEWAY).Answer(request, timeout=600)
    for _ in range(3):
        assert (await call.read()).frame.sealed_rows
    assert endings(federation, digest) == []
    call.cancel()

    (ending,) = await until(lambda: endings(federation, digest))
    await until_quiet()
    assert ending["cut"]
    assert ending["ending"] == "no_permitted_answer"
    assert 3 * ROWS_PER_BATCH <= ending["rows"] < 1_000_000
    state = Urls(federation.settings.records_url, federation.settings.state_url)
    (manifest,) = state.rows(DISCLOSURE_MANIFEST)
    assert manifest["cut"]
    assert manifest["row_count"] == ending["rows"]


async def test_a_caller_who_leaves_before_the_first_row_ends_the_read(
    federation: NodeFederation,
) -> None:
    made_long(federation, NEVER[True])
    request = federation.asker.request()
    call = federation.stub(*GATEWAY).Answer(request, timeout=600)
    reading = asyncio.ensure_future(call.read())
    await asyncio.sleep(1)
    call.cancel()
    with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
        await reading

    await until_quiet()
    # Nothing was decided, and nothing left.
    assert endings(federation, digest_of(request.query.statement)) == []
