"""What a node keeps of its decisions, on SQLite and on PostgreSQL alike."""

import datetime as dt
import hashlib
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from homeroom.audit import AuditKind
from homeroom.errors import QueryReplayedError
from services.node.domain.decision import Revisions
from services.node.domain.decision_record import DecisionRecord
from services.node.store import decision_records
from services.node.store.decision_records import DecisionRecordStore
from services.node.store.log import LogStore
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls

__all__ = ["urls"]

LATER = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
DENIED = {"allow": False, "reasons": ["agreement_missing"], "withheld": []}


@pytest.fixture
def state(urls: Urls) -> Iterator[Engine]:
    opened = open_database(urls.state)
    yield opened
    opened.dispose()


def query(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def record(number: int) -> DecisionRecord:
    return DecisionRecord({"schema": 1, "number": number}, DENIED, Revisions("f" * 64, "l" * 64))


async def decided(state: Engine, *numbers: int) -> DecisionRecordStore:
    log = LogStore(state)
    for number in numbers:
        await log.append(AuditKind.DECIDED, query(number), {}, [record(number)])
    return DecisionRecordStore(state)


async def test_a_decision_is_kept_with_its_input(state: Engine) -> None:
    """Newest first, as it was, with the policies it was made by."""
    kept = list((await decided(state, 1, 2, 3)).since(None))

    assert [one.record for one in kept] == [record(3), record(2), record(1)]
    assert [one.query_digest for one in kept] == [query(n).hex() for n in (3, 2, 1)]
    assert all(abs(LATER - one.at - dt.timedelta(days=1)) < dt.timedelta(hours=1) for one in kept)


async def test_decisions_are_looked_at_from_an_instant_or_some_of_them(state: Engine) -> None:
    records = await decided(state, 1, 2, 3)

    assert list(records.since(LATER)) == []
    assert len(list(records.since(LATER - dt.timedelta(days=2)))) == 3
    assert [one.record.facts["number"] for one in records.since(None, most=2)] == [3, 2]


async def test_many_decisions_are_read_some_at_a_time(
    state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, once each and in order, also while more are written in between."""
    monkeypatch.setattr(decision_records, "_AT_ONCE", 2)
    records = await decided(state, *range(6))
    for most in (None, 1, 2, 3, 6, 9):
        read = [one.record.facts["number"] for one in records.since(None, most)]
        assert read == [5, 4, 3, 2, 1, 0][:most]

    reading = records.since(None)
    first = next(reading)
    await decided(state, 6)
    assert [first.record.facts["number"], *(one.record.facts["number"] for one in reading)] == [
        *(5, 4, 3, 2, 1, 0)
    ]


async def test_a_decision_is_found_by_its_query(state: Engine) -> None:
    """By the whole digest or a beginning of it; too short a beginning names none."""
    records = await decided(state, 1, 2)
    digest = query(2).hex()

    for named in (digest, digest[:8], digest[:12].upper()):
        found = records.of_query(named)
        assert found is not None
        assert found.record == record(2)
    assert records.of_query(digest[:7]) is None
    assert records.of_query("%" * 8) is None
    assert records.of_query("0" * 64) is None


async def test_old_decisions_are_forgotten_and_the_log_stays(state: Engine) -> None:
    records = await decided(state, 1, 2)

    assert records.forget_before(LATER - dt.timedelta(days=2)) == 0
    assert records.forget_before(LATER) == 2
    assert list(records.since(None)) == []
    assert LogStore(state).size() == 2
    assert LogStore(state).first_broken() is None


async def test_what_the_log_refuses_is_not_kept(state: Engine) -> None:
    """Both are written in one transaction, or neither is."""
    records = await decided(state, 1)

    with pytest.raises(QueryReplayedError):
        await LogStore(state).append(AuditKind.DECIDED, query(1), {}, [record(9)])
    assert [one.record for one in records.since(None)] == [record(1)]
