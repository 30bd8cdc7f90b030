"""What the copies of answers promise, on SQLite and on PostgreSQL alike."""

import datetime as dt
import resource
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from homeroom.audit import AuditKind
from homeroom.errors import EvidenceInvalidError
from homeroom.sealing import SealingKey
from services.node.store.copies import CopyStore
from services.node.store.disclosure_tables import RELEASED_COPY
from services.node.store.log import LogStore
from services.runtime.database import open_database, writing
from tests.contract.node_stores import Urls, urls
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url", "urls"]

QUERY, KEY = b"q" * 32, b"k" * 32
HOLDER = SealingKey.generate()
ROWS = b"Zoraida Quintanilla was absent. " * 100


class Kept:
    """Copies in one database; each run of a node has a key of its own."""

    def __init__(self, url: str) -> None:
        self.engine = open_database(url)
        self.log = LogStore(self.engine)

    def run(
        self, key: SealingKey = HOLDER, holder: str = "anytown", former: Sequence[SealingKey] = ()
    ) -> CopyStore:
        copies = CopyStore(self.engine, key, holder, former)
        copies.begin()
        return copies


def resident_mib() -> float:
    """What this process alone has in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


@pytest.fixture
def kept(urls: Urls) -> Iterator[Kept]:
    kept = Kept(urls.state)
    yield kept
    kept.engine.dispose()


async def test_copies_read_back_as_they_were_kept_by_a_later_run_too(kept: Kept) -> None:
    """The first with a log entry, others for themselves; under a key that no database has."""
    copies = kept.run()
    await kept.log.append(AuditKind.DECIDED, QUERY, {}, [copies.seal(QUERY, 0, KEY, ROWS)])
    await copies.keep([copies.seal(QUERY, 1, KEY, b"more")])

    opened = kept.run().of_query(QUERY.hex())
    assert opened is not None
    assert (opened.content_key, list(opened.pieces)) == (KEY, [ROWS, b"more"])
    assert kept.run().of_query("00" * 32) is None


async def test_some_pieces_are_read_from_a_place_on(kept: Kept) -> None:
    """As many as are wanted, or there are; by the run that kept them or a later one."""
    copies = kept.run()
    await copies.keep([copies.seal(QUERY, n, KEY, bytes([n])) for n in range(5)])
    await copies.keep([copies.seal(b"r" * 32, 0, KEY, b"of another answer")])

    assert list(await kept.run().some_of(QUERY, 1, 2)) == [b"\x01", b"\x02"]
    assert list(await copies.some_of(QUERY, 3, 9)) == [b"\x03", b"\x04"]
    assert list(await copies.some_of(QUERY, 5, 4)) == []
    with writing(kept.engine) as connection:
        connection.execute(delete(RELEASED_COPY).where(RELEASED_COPY.c.sequence == 2))
    with pytest.raises(EvidenceInvalidError):
        await copies.some_of(QUERY, 1, 4)


async def test_a_piece_that_did_not_leave_is_replaced(kept: Kept) -> None:
    copies = kept.run()
    for piece in (b"as it was read", b"as it left"):
        await copies.keep([copies.seal(QUERY, 0, KEY, piece)])

    opened = copies.of_query(QUERY.hex())
    assert opened is not None
    assert list(opened.pieces) == [b"as it left"]


async def test_pieces_that_waited_with_one_that_did_not_leave_go_with_it(kept: Kept) -> None:
    """Kept at once; replaced from the first that changed on, and what stood before it stays."""
    copies = kept.run()
    await copies.keep([copies.seal(QUERY, place, KEY, b"read") for place in range(4)])
    await copies.keep([copies.seal(b"r" * 32, 5, KEY, b"of another answer")])
    await copies.keep([copies.seal(QUERY, place, KEY, b"left") for place in (1, 2)])

    opened = copies.of_query(QUERY.hex())
    assert opened is not None
    assert list(opened.pieces) == [b"read", b"left", b"left"]
    with pytest.raises(EvidenceInvalidError):
        copies.of_query((b"r" * 32).hex())


async def test_nothing_is_to_be_read_without_the_holders_key(kept: Kept, urls: Urls) -> None:
    copies = kept.run()
    await copies.keep([copies.seal(QUERY, 0, KEY, ROWS)])
    (row,) = urls.rows(RELEASED_COPY)

    assert b"Zoraida" not in row["sealed"]
    assert KEY not in row["sealed"]
    assert len(row["sealed"]) < len(ROWS) / 8
    for other in (kept.run(SealingKey.generate()), kept.run(holder="elsewhere")):
        with pytest.raises(EvidenceInvalidError):
            other.of_query(QUERY.hex())


async def test_copies_open_after_the_sealing_key_was_changed(kept: Kept) -> None:
    """With the former key's file, as they were; new ones are sealed to the new key alone."""
    before, after = kept.run(), kept.run(new := SealingKey.generate(), former=[HOLDER])
    await before.keep([before.seal(QUERY, 0, KEY, ROWS)])
    await after.keep([after.seal(b"r" * 32, 0, KEY, b"later")])

    opened = after.of_query(QUERY.hex())
    assert opened is not None
    assert (opened.content_key, list(opened.pieces)) == (KEY, [ROWS])
    assert kept.run(new).of_query((b"r" * 32).hex()) is not None
    with pytest.raises(EvidenceInvalidError):
        kept.run(new).of_query(QUERY.hex())
    with pytest.raises(EvidenceInvalidError):
        before.of_query((b"r" * 32).hex())


@pytest.mark.parametrize("moved", [{"sequence": 1}, {"place": 7}, {"sealed": b"x" * 99}])
async def test_a_copy_that_was_moved_or_changed_does_not_open(
    kept: Kept, moved: dict[str, object]
) -> None:
    copies = kept.run()
    await copies.keep([copies.seal(QUERY, 0, KEY, ROWS)])
    with writing(kept.engine) as connection:
        connection.execute(update(RELEASED_COPY).values(**moved))

    with pytest.raises(EvidenceInvalidError):
        copies.of_query(QUERY.hex())


async def test_copies_are_forgotten_when_their_time_is_over(kept: Kept) -> None:
    copies = kept.run()
    await copies.keep([copies.seal(QUERY, 0, KEY, ROWS)])
    now = dt.datetime.now(dt.UTC)

    assert copies.forget_before(now - dt.timedelta(days=1)) == 0
    assert copies.forget_before(now + dt.timedelta(days=1)) == 1
    assert copies.of_query(QUERY.hex()) is None


async def test_copies_of_a_large_answer_do_not_fill_memory(urls: Urls) -> None:
    """The database may hold much in memory for its consents; nobody looks for copies soon."""
    engine = open_database(urls.state, cache_mib=64)
    copies = CopyStore(engine, HOLDER, "anytown")
    copies.begin()

    async def keep(first: int) -> None:
        piece = secrets.token_bytes(256 * 1024)
        await copies.keep([copies.seal(QUERY, first, KEY, piece)])

    await keep(0)
    before = resident_mib()
    for place in range(1, 161):
        await keep(place)

    assert resident_mib() - before < 20, "of 40 MiB"
    assert len(await copies.some_of(QUERY, 0, 200)) == 161
    engine.dispose()
