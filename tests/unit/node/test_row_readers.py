"""Rows come from a statement in batches: as many at once as may wait, each fit for a message."""

import sqlite3
from collections.abc import Sequence

import pyarrow as pa
import pytest

from services.node.domain.selection import MOST_BATCH_BYTES, MOST_UNSENT, ROWS_PER_BATCH
from services.node.store.row_readers import SqliteReader

NUMBERS = "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?) "
SCHEMA = pa.schema([("i", pa.int64()), ("text", pa.string())])


async def batches_of(rows: int, text: str = "'a'") -> list[Sequence[pa.RecordBatch]]:
    """What a reader gives of so many rows, call by call."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    statement = f"{NUMBERS} SELECT i, {text} FROM n WHERE ? > 0"  # noqa: S608  # the test's own
    reader = SqliteReader(connection, statement, (rows, rows), SCHEMA)
    found = []
    while some := await reader.next_batches():
        found.append(some)
    assert await reader.next_batches() == []
    await reader.close()
    return found


def numbers(found: list[Sequence[pa.RecordBatch]]) -> list[int]:
    return [i for some in found for batch in some for i in batch.column("i").to_pylist()]


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("whole", [0, 1, 5, 6])
async def test_every_row_comes_once_the_first_batch_alone_and_then_what_may_wait(
    whole: int, more: int
) -> None:
    rows = max(0, whole * ROWS_PER_BATCH + more)
    found = await batches_of(rows)

    assert numbers(found) == list(range(rows))
    assert [len(some) for some in found[:1]] == [1] * bool(rows)
    assert all(len(some) <= MOST_UNSENT for some in found)
    assert all(b.num_rows <= ROWS_PER_BATCH and b.schema == SCHEMA for s in found for b in s)


async def test_rows_of_long_texts_come_in_smaller_batches() -> None:
    """One batch of them would be larger than a message may be."""
    found = await batches_of(2 * ROWS_PER_BATCH, "printf('%.*c', 3000, 'x')")

    assert numbers(found) == list(range(2 * ROWS_PER_BATCH))
    assert all(len(some) <= MOST_UNSENT for some in found)
    assert max(batch.nbytes for some in found for batch in some) < 2 * MOST_BATCH_BYTES


async def test_a_row_larger_than_a_batch_comes_alone() -> None:
    found = await batches_of(3, f"printf('%.*c', {MOST_BATCH_BYTES}, 'x')")

    assert [[batch.num_rows for batch in some] for some in found] == [[1], [1, 1]]
