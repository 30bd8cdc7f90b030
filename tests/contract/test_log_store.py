"""What the node's log promises, on SQLite and on PostgreSQL alike."""

import asyncio
import datetime as dt
import hashlib
import json
import sqlite3
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, func, insert, select, text, update

from homeroom.audit import AuditKind, Position
from homeroom.audit.checkpoint import (
    Checkpoint,
    cosign,
    open_checkpoint,
    read_checkpoint,
    witness_key,
)
from homeroom.audit.exported import Header, verify_export
from homeroom.audit.findings import Fault
from homeroom.audit.verifying import LogKeys
from homeroom.errors import LogUnavailableError, QueryReplayedError
from homeroom.merkle import EMPTY_ROOT, check_consistency, tree_of
from homeroom.signing import SigningKey
from services.node.domain.log import Disclosed
from services.node.store.disclosure_tables import DISCLOSED
from services.node.store.log import LogStore
from services.node.store.state_tables import LOG, LOG_ENTRY, LOG_TILE
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, bring_up_to_date, urls

__all__ = ["urls"]


KEY = SigningKey.generate()
ORIGIN = "homeroom/test.example/anytown/log"


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
    """So many entries, in the order of their numbers."""
    await asyncio.gather(
        *(log.append(AuditKind.DECIDED, query(n), {"number": n}) for n in range(count))
    )


def change(engine: Engine, statement: Any) -> None:
    with writing(engine) as connection:
        connection.execute(statement)


async def test_entries_form_one_tree_from_the_first(log: LogStore) -> None:
    first = await log.append(AuditKind.DECIDED, query(1), {"b": 1, "a": "Ľuboš"})
    second = await log.append(AuditKind.RELEASED, query(1), {})
    entries = list(log.entries())
    leaves = [entry.leaf() for entry in entries]

    assert (first.log_index, second.log_index) == (0, 1)
    assert [leaf.hex() for leaf in leaves] == [first.digest, second.digest]
    assert entries[0].query_digest == query(1).hex()
    assert entries[0].content == '{"a":"\\u013dubo\\u0161","b":1}'
    assert entries[0].salt != entries[1].salt
    assert log.size() == 2
    assert log.root(2) == tree_of(leaves)[0]
    assert log.first_broken() is None


async def test_an_empty_log_is_whole(log: LogStore) -> None:
    assert log.size() == 0
    assert log.first_broken() is None


async def test_a_query_is_recorded_once_for_each_kind(log: LogStore) -> None:
    await log.append(AuditKind.DECIDED, query(1), {"first": True})

    with pytest.raises(QueryReplayedError):
        await log.append(AuditKind.DECIDED, query(1), {"first": False})
    await log.append(AuditKind.RELEASED, query(1), {})
    assert [entry.kind for entry in log.entries()] == ["decided", "released"]
    assert log.first_broken() is None


async def test_a_replay_is_refused_after_a_restart(log: LogStore, urls: Urls) -> None:
    await log.append(AuditKind.DECIDED, query(1), {})
    again = open_database(urls.state)

    with pytest.raises(QueryReplayedError):
        await LogStore(again).append(AuditKind.DECIDED, query(1), {})
    again.dispose()


async def test_entries_written_at_once_keep_the_chain(log: LogStore, urls: Urls) -> None:
    """Of one node and of the node that is about to replace it: none is lost or refused."""
    other_engine = open_database(urls.state)
    other = LogStore(other_engine)
    positions = await asyncio.gather(
        *((log, other)[n % 2].append(AuditKind.DECIDED, query(n), {"n": n}) for n in range(60))
    )
    other_engine.dispose()

    assert sorted(position.log_index for position in positions) == list(range(60))
    assert log.first_broken() is None
    assert {entry.index: entry.leaf().hex() for entry in log.entries()} == {
        position.log_index: position.digest for position in positions
    }


async def test_of_one_query_asked_many_times_at_once_one_is_recorded(log: LogStore) -> None:
    outcomes = await asyncio.gather(
        *(log.append(AuditKind.DECIDED, query(1), {}) for _ in range(8)), return_exceptions=True
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
        {"salt": bytes(16)},
        {"leaf": bytes(32)},
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


@pytest.mark.parametrize(("size", "dropped"), [(5, 0), (5, 1), (5, 3), (300, 1), (600, 270)])
async def test_a_dropped_entry_is_found(
    log: LogStore, engine: Engine, size: int, dropped: int
) -> None:
    """By its own place, though every hash above it and its neighbours is wrong as well."""
    await write(log, size)
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
    await log.append(AuditKind.DECIDED, query(1), {"user": "\ud800 \x00 \n 🏫"})

    assert log.first_broken() is None


@pytest.mark.parametrize("rewritten", ["the entry", "its leaf as well", "its tile as well"])
async def test_an_entry_that_is_rewritten_with_its_hashes_is_found(
    log: LogStore, engine: Engine, rewritten: str
) -> None:
    """Whoever changes every hash above an entry has another root than was signed."""
    await write(log, 300)
    log.signer(ORIGIN, KEY).sign()
    entry = replace(list(log.entries())[270], content='{"number":99}')
    changed: dict[str, Any] = {"content": entry.content}
    if rewritten != "the entry":
        changed["leaf"] = entry.leaf()
    change(engine, update(LOG_ENTRY).where(LOG_ENTRY.c.log_index == 270).values(**changed))
    if rewritten == "its tile as well":
        with engine.connect() as connection:
            chosen = select(LOG_TILE.c.hashes).where(LOG_TILE.c.level == 0, LOG_TILE.c.place == 1)
            hashes = bytes(connection.scalar(chosen) or b"")
        hashes = hashes[: 14 * 32] + entry.leaf() + hashes[15 * 32 :]
        tile = update(LOG_TILE).where(LOG_TILE.c.level == 0, LOG_TILE.c.place == 1)
        change(engine, tile.values(hashes=hashes))
        (finding,) = log.verify().findings
        assert (finding.fault, finding.first, finding.last) == (Fault.FORKED, 0, 299)
    else:
        assert 270 in {finding.first for finding in log.verify().findings}


@pytest.mark.parametrize(
    ("level", "place", "first"), [(0, 0, 0), (0, 1, 256), (0, 2, 512), (1, 0, 0)]
)
async def test_a_changed_or_missing_tile_is_found(
    log: LogStore, engine: Engine, level: int, place: int, first: int
) -> None:
    """By the first entry under the hash that is wrong."""
    await write(log, 600)
    here = (LOG_TILE.c.level == level, LOG_TILE.c.place == place)
    with engine.connect() as connection:
        hashes = bytes(connection.scalar(select(LOG_TILE.c.hashes).where(*here)) or b"")
    change(engine, update(LOG_TILE).where(*here).values(hashes=bytes(32) + hashes[32:]))
    assert log.first_broken() == first
    change(engine, delete(LOG_TILE).where(*here))
    assert log.first_broken() == first


async def test_a_log_without_its_last_entries_is_found_and_not_written_further(
    log: LogStore, engine: Engine
) -> None:
    await write(log, 5)
    change(engine, delete(LOG_ENTRY).where(LOG_ENTRY.c.log_index >= 3))

    assert log.first_broken() == 3
    with pytest.raises(LogUnavailableError):
        await log.append(AuditKind.DECIDED, query(9), {})


async def test_a_database_that_is_away_is_a_log_that_cannot_be_written(
    log: LogStore, engine: Engine
) -> None:
    change(engine, text("ALTER TABLE log_entry RENAME TO away"))

    with pytest.raises(LogUnavailableError):
        await log.append(AuditKind.DECIDED, query(1), {})


async def fill(log: LogStore) -> int:
    """Writes until the log refuses; returns how many entries it took."""
    for number in range(10_000):
        try:
            await log.append(AuditKind.DECIDED, query(number), {"padding": "x" * 500})
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
        await log.append(AuditKind.DECIDED, query(20_000), {"padding": "x" * 50_000})
    assert full
    assert log.size() == written > 0
    assert log.first_broken() is None
    engine.dispose()
    again = open_database(urls.state)
    await LogStore(again).append(AuditKind.RELEASED, query(0), {})
    assert LogStore(again).first_broken() is None
    again.dispose()


async def test_a_checkpoint_is_signed_once_for_each_size_and_leads_from_every_earlier_one(
    log: LogStore, urls: Urls
) -> None:
    """Also by the node that is about to replace this one."""
    other = open_database(urls.state)
    signer, same = log.signer(ORIGIN, KEY), LogStore(other).signer(ORIGIN, KEY)
    empty = open_checkpoint(signer.sign().note, ORIGIN, KEY.public)
    await write(log, 300)
    first, again = same.sign(), signer.sign()
    await log.append(AuditKind.RELEASED, query(1), {})
    last = signer.sign(first.size)
    other.dispose()

    assert empty == Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert first.note == again.note
    old, new = (open_checkpoint(one.note, ORIGIN, KEY.public) for one in (first, last))
    assert (old.size, new.size) == (300, 301)
    assert old.root == log.root(300)
    check_consistency(old.size, old.root, new.size, new.root, last.consistency_path)
    assert list(log.checkpoints(after_size=0)) == [first.note, last.note]


async def test_a_log_that_is_signed_while_it_grows_has_one_root_for_each_size(
    log: LogStore,
) -> None:
    """What is signed in the middle of appending is a beginning of what comes out."""
    signer = log.signer(ORIGIN, KEY)
    signed, writing_it = [], asyncio.ensure_future(write(log, 700))
    while not writing_it.done():
        signed.append(await asyncio.to_thread(signer.sign))
    await writing_it

    assert log.first_broken() is None
    for one in signed:
        checkpoint = open_checkpoint(one.note, ORIGIN, KEY.public)
        assert checkpoint.root == log.root(one.size)


async def test_a_log_whose_tree_lacks_a_hash_is_not_signed(log: LogStore, engine: Engine) -> None:
    await write(log, 300)
    change(engine, delete(LOG_TILE).where(LOG_TILE.c.level == 0, LOG_TILE.c.place == 1))

    with pytest.raises(LogUnavailableError):
        log.signer(ORIGIN, KEY).sign()


class Held:
    """A writer of the same database that lets nobody write until it is told to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __aenter__(self) -> None:
        self._held = writing(self._engine)
        connection = await asyncio.to_thread(self._held.__enter__)
        if connection.dialect.name == "postgresql":
            connection.execute(text("LOCK TABLE log_entry IN EXCLUSIVE MODE"))

    async def __aexit__(self, *_raised: object) -> None:
        await asyncio.to_thread(self._held.__exit__, None, None, None)


async def together(
    log: LogStore, other: Engine, appends: Sequence[Coroutine[Any, Any, Position]]
) -> list[Position | BaseException]:
    """Hands entries in while the log cannot be written, so that all but the first form a group."""
    async with Held(other):
        first = asyncio.ensure_future(log.append(AuditKind.CLAIMS_SHOWN, query(10**6), {}))
        await asyncio.sleep(0)
        tasks = [asyncio.ensure_future(append) for append in appends]
        await asyncio.sleep(0.1)
    await asyncio.wait([first])
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def other(urls: Urls) -> Iterator[Engine]:
    """What another process would have open."""
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


async def test_entries_that_wait_are_committed_together_in_their_order(
    log: LogStore, engine: Engine, other: Engine
) -> None:
    commits: list[str] = []
    event.listen(engine, "commit", lambda _: commits.append("commit"))
    outcomes = await together(
        log, other, [log.append(AuditKind.DECIDED, query(n), {"n": n}) for n in range(200)]
    )

    assert [o.log_index for o in outcomes if isinstance(o, Position)] == list(range(1, 201))
    assert [entry.said.get("n") for entry in log.entries()] == [None, *range(200)]
    assert len(commits) <= 3
    assert log.first_broken() is None


async def test_a_replay_in_a_group_fails_only_itself(log: LogStore, other: Engine) -> None:
    """Whether the query stands in the log already or earlier in the same group."""
    await log.append(AuditKind.DECIDED, query(3), {})
    outcomes = await together(
        log, other, [log.append(AuditKind.DECIDED, query(n), {}) for n in (1, 2, 2, 3, 4)]
    )

    assert [isinstance(o, QueryReplayedError) for o in outcomes] == [0, 0, 1, 1, 0]
    assert log.size() == 5
    assert log.first_broken() is None


async def test_what_is_kept_beside_an_entry_fails_only_that_entry(
    log: LogStore, engine: Engine, other: Engine
) -> None:
    """And nothing of it is kept: neither the entry nor the notes that went before."""
    twice = [Disclosed([(7, 1)]), Disclosed([(7, 1)])]
    outcomes = await together(
        log,
        other,
        [
            log.append(AuditKind.DECIDED, query(1), {}, [Disclosed([(5, 1)])]),
            log.append(AuditKind.DECIDED, query(2), {}, twice),
            log.append(AuditKind.DECIDED, query(3), {}, [Disclosed([(6, 1)])]),
        ],
    )

    assert [isinstance(o, LogUnavailableError) for o in outcomes] == [False, True, False]
    with engine.connect() as connection:
        kept = connection.execute(select(DISCLOSED).order_by(DISCLOSED.c.log_index)).all()
    assert [tuple(row) for row in kept] == [(1, 5, 1), (2, 6, 1)]
    assert log.size() == 3
    assert log.first_broken() is None


async def test_a_group_that_cannot_be_committed_leaves_nothing_and_fails_everyone(
    log: LogStore, engine: Engine, other: Engine
) -> None:
    await write(log, 2)

    @event.listens_for(engine, "commit")
    def fail(connection: Connection) -> None:
        if connection.execute(select(func.count()).select_from(LOG_ENTRY)).scalar_one() > 2:
            raise OSError(28, "No space left on device")

    outcomes = await together(
        log,
        other,
        [log.append(AuditKind.RELEASED, query(n), {}, [Disclosed([(n, 1)])]) for n in range(1, 20)],
    )

    assert all(isinstance(outcome, LogUnavailableError) for outcome in outcomes)
    with engine.connect() as connection:
        assert connection.execute(select(DISCLOSED)).all() == []
    assert log.size() == 2
    assert log.first_broken() is None
    event.remove(engine, "commit", fail)
    again = await log.append(AuditKind.RELEASED, query(1), {})
    assert again.log_index == 2


async def test_who_no_longer_waits_gets_no_entry(log: LogStore, other: Engine) -> None:
    """A call that was given up before its turn has not happened."""
    async with Held(other):
        first = asyncio.ensure_future(log.append(AuditKind.DECIDED, query(1), {}))
        await asyncio.sleep(0.1)
        given_up = asyncio.ensure_future(log.append(AuditKind.DECIDED, query(2), {}))
        last = asyncio.ensure_future(log.append(AuditKind.DECIDED, query(3), {}))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)

    assert (await first).log_index == 0
    assert (await last).log_index == 1
    assert [entry.query_digest for entry in log.entries()] == [query(1).hex(), query(3).hex()]


async def test_an_export_carries_what_witnesses_have_added(log: LogStore) -> None:
    """The lines below a checkpoint are kept with it, in the place of the same note alone."""
    witness = SigningKey.generate()
    await write(log, 5)
    note = log.signer(ORIGIN, KEY).sign().note
    size = read_checkpoint(note).size
    line = cosign(note, "a.witness/name", witness, dt.datetime.now(dt.UTC))
    log.keep_lines(size, "another\n", note + line)
    assert log.note_at(size) == note
    log.keep_lines(size, note, note + line)

    exported = list(log.export(Header(ORIGIN, size, KEY.public)))

    keys = LogKeys(KEY.public, (witness_key("a.witness/name", witness.public),))
    assert log.note_at(size) == note + line
    assert json.dumps(line)[1:-1] in exported[-1].decode()
    assert list(verify_export(exported, keys).findings) == []
    assert log.first_broken() is None


async def test_of_what_was_signed_long_ago_one_a_day_stays(log: LogStore, engine: Engine) -> None:
    """The one that most have cosigned; what is young stays whole, and the log verifies."""
    day, signer = 24 * 3600, log.signer(ORIGIN, KEY)
    for number, at in enumerate((1, 2, 3, day + 1, day + 2, 2 * day + 1, 2 * day + 2)):
        await log.append(AuditKind.DECIDED, query(number), {})
        size = signer.sign().size
        kept = LOG.checkpoint
        change(engine, update(kept).where(kept.c.size == size).values(signed_at=at))
    note = log.note_at(2) or ""
    line = cosign(note, "a.witness/name", SigningKey.generate(), dt.datetime.now(dt.UTC))
    log.keep_lines(2, note, note + line)

    assert signer.thin(2 * day) == 3
    assert signer.thin(2 * day) == 0
    assert [size for size in range(1, 8) if log.note_at(size)] == [2, 5, 6, 7]
    assert log.first_broken() is None
