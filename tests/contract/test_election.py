"""What an election promises: one replica is elected, and nobody else writes or answers."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from homeroom.audit import AuditKind
from homeroom.errors import HomeroomError, LogUnavailableError, RequestInvalidError
from services.node.store.log import LogStore
from services.runtime.database import open_database, writing
from services.runtime.election import Election, Tenure, require_no_election
from services.runtime.gate import DeposedError
from tests.contract.node_stores import both_in_one
from tests.postgres import Postgres

pytestmark = pytest.mark.postgres

SILENCE = 2.0
LONG = 60.0
NOTE = text("UPDATE policy_bundle SET sequence = sequence + 1")


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.prepared_database(both_in_one)


@contextmanager
def a_tenure(url: str, silence: float = LONG) -> Iterator[Tenure]:
    """This replica is elected, and its number raised."""
    tenure = Election(url, silence).try_to_win()
    if tenure is None:
        raise AssertionError("another one is elected")
    try:
        tenure.begin()
        yield tenure
    finally:
        tenure.end()


@contextmanager
def fenced(url: str, tenure: Tenure) -> Iterator[Engine]:
    engine = open_database(url)
    tenure.fence(engine)
    try:
        yield engine
    finally:
        engine.dispose()


def run(url: str, statement: str) -> None:
    """As an operator does at the database itself."""
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(text(statement))
    engine.dispose()


def cut_off_lock(url: str) -> None:
    """The server ends the session that has the lock."""
    run(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )


def eventually(found: Callable[[], object], seconds: float = 10) -> None:
    patience = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < patience
        time.sleep(0.02)


async def append(engine: Engine, number: int) -> None:
    await LogStore(engine).append(AuditKind.DECIDED, bytes([number]) * 32, {"number": number})


def test_of_two_only_one_is_elected_until_it_leaves(url: str) -> None:
    with a_tenure(url) as first:
        assert Election(url, LONG).try_to_win() is None
    with a_tenure(url) as second:
        assert second.epoch == first.epoch + 1
        assert not first.holds()


def test_nodes_of_other_databases_are_elected_apart(postgres: Postgres) -> None:
    one, other = (postgres.prepared_database(both_in_one) for _ in range(2))
    with a_tenure(one) as first, a_tenure(other) as second:
        assert first.holds()
        assert second.holds()


async def test_who_was_deposed_appends_nothing(url: str) -> None:
    """Also on connections that it had before, and whatever it believes of itself."""
    with a_tenure(url) as deposed, fenced(url, deposed) as old:
        await append(old, 1)
        cut_off_lock(url)
        with a_tenure(url) as elected, fenced(url, elected) as new:
            with pytest.raises(LogUnavailableError):
                await append(old, 2)
            await append(new, 3)
            assert [entry.said["number"] for entry in LogStore(new).entries()] == [1, 3]


def test_who_was_deposed_writes_nothing_that_is_no_log(url: str) -> None:
    with a_tenure(url) as deposed, fenced(url, deposed) as old:
        with writing(old) as connection:
            connection.execute(NOTE)
        cut_off_lock(url)
        with (
            a_tenure(url),
            pytest.raises(LogUnavailableError, match="elected"),
            writing(old) as connection,
        ):
            connection.execute(NOTE)


def test_nothing_is_written_beside_the_fence(url: str) -> None:
    """A transaction that did not say that it writes only reads, by PostgreSQL's own hand."""
    with (
        a_tenure(url) as tenure,
        fenced(url, tenure) as engine,
        engine.connect() as connection,
        pytest.raises(SQLAlchemyError, match="read-only"),
    ):
        connection.execute(NOTE)


def test_a_write_that_is_held_still_is_cut_off_by_the_next_election(url: str) -> None:
    """It would never end: its process may be held still in the middle of it."""
    with ExitStack() as held, a_tenure(url) as deposed, fenced(url, deposed) as old:
        connection = held.enter_context(closing(old.connect()))
        connection = connection.execution_options(homeroom_begin="BEGIN")
        connection.execute(NOTE)
        cut_off_lock(url)
        with a_tenure(url) as elected:
            assert elected.epoch == deposed.epoch + 1
            with pytest.raises(SQLAlchemyError):
                connection.commit()


def test_a_lock_that_is_cut_off_ends_the_term_within_a_beat(url: str) -> None:
    with a_tenure(url, SILENCE) as tenure:
        cut_off_lock(url)
        eventually(lambda: not tenure.holds(), SILENCE / 2)
        with pytest.raises(DeposedError):
            asyncio.run(tenure.until_lost())


def test_who_falls_silent_has_stopped_before_another_is_elected(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session is open and answers nobody: as of a process that is held still."""
    monkeypatch.setattr(Tenure, "_beat", lambda _tenure: None)
    with a_tenure(url, SILENCE) as silent:
        while (next_one := Election(url, SILENCE).try_to_win()) is None:
            time.sleep(0.02)
        held = silent.holds()
        next_one.end()

    assert not held


def test_a_term_goes_on_while_it_is_heard_of(url: str) -> None:
    with a_tenure(url, SILENCE) as tenure:
        time.sleep(1.5 * SILENCE)
        assert tenure.holds()
        assert Election(url, SILENCE).try_to_win() is None


def test_the_tables_are_made_by_the_one_elected(postgres: Postgres) -> None:
    url = postgres.new_database()
    tenure = Election(url, LONG).try_to_win()
    assert tenure is not None
    try:
        tenure.begin(partial(both_in_one, url))
        assert tenure.epoch == 1
    finally:
        tenure.end()


def test_a_node_that_is_alone_does_not_start_beside_replicas(url: str) -> None:
    require_no_election(url)
    with a_tenure(url), pytest.raises(RequestInvalidError):
        require_no_election(url)
    require_no_election(url)


def test_a_database_whose_locks_hold_nothing_is_refused(url: str) -> None:
    """As one that knows the name of the function and says yes to everybody."""
    run(url, "CREATE SCHEMA stub")
    run(
        url,
        "CREATE FUNCTION stub.pg_try_advisory_lock(integer, integer) RETURNS boolean"
        " LANGUAGE sql AS 'SELECT true'",
    )
    stubbed = make_url(url).update_query_dict({"options": "-c search_path=stub,pg_catalog,public"})
    with pytest.raises(RequestInvalidError):
        Election(stubbed.render_as_string(hide_password=False), LONG).try_to_win()


ACTS = st.lists(
    st.tuples(st.sampled_from(["elect", "cut", "append", "note"]), st.integers(0, 2)),
    max_size=14,
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_whatever_happens_only_the_one_elected_last_writes(
    postgres: Postgres, acts: list[tuple[str, int]]
) -> None:
    """Three replicas; whatever is cut off when, and whoever still believes to be elected."""
    url = postgres.prepared_database(both_in_one)
    with ExitStack() as replicas:
        engines: dict[int, Engine] = {}
        last: int | None = None
        for number, (act, replica) in enumerate(acts):
            if act == "cut":
                cut_off_lock(url)
            elif act == "elect":
                tenure = Election(url, LONG).try_to_win()
                if tenure is not None:
                    replicas.callback(tenure.end)
                    tenure.begin()
                    engines[replica] = replicas.enter_context(fenced(url, tenure))
                    last = replica
            elif replica in engines:
                write = partial(_write, engines[replica], act, number)
                assert _succeeds(write) is (replica == last)
    engine = open_database(url)
    assert LogStore(engine).first_broken() is None
    engine.dispose()


def _write(engine: Engine, act: str, number: int) -> None:
    if act == "append":
        asyncio.run(append(engine, number))
    else:
        with writing(engine) as connection:
            connection.execute(NOTE)


def _succeeds(write: Callable[[], None]) -> bool:
    try:
        write()
    except HomeroomError:
        return False
    return True
