"""The power cuts that a soak makes: what they leave, and that they find what is not safe."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tools.soak.disk import SECTOR, Disk, Loss, write_files
from tools.soak.recording import Delete, Operation, Sync, Truncate, Write, recorded

_ROWS = 30


def left_by(loss: Loss, *operations: Operation, seed: int = 1) -> dict[str, bytes]:
    """The files that a cut leaves after some operations on an empty folder."""
    disk = Disk({})
    for operation in operations:
        disk.take(operation)
    return dict(disk.cut(loss, random.Random(seed)))  # noqa: S311  # it chooses no keys


@pytest.mark.parametrize("loss", Loss)
def test_what_was_synced_is_there_whatever_is_lost(loss: Loss) -> None:
    written = (Write("a", 0, b"x" * 2_000), Truncate("a", 1_000), Sync("a"))

    assert left_by(loss, *written) == {"a": b"x" * 1_000}


def test_what_was_not_synced_may_be_lost_torn_or_there_without_what_came_before() -> None:
    first, second = b"1" * SECTOR, b"2" * SECTOR
    writes = (Write("a", 0, first), Sync("a"), Write("a", 0, second), Write("a", SECTOR, second))
    found = {left_by(Loss.SOME_SECTORS, *writes, seed=seed)["a"] for seed in range(40)}

    assert found == {first, second, first + second, second + second}
    assert left_by(Loss.EVERYTHING, *writes) == {"a": first}
    assert left_by(Loss.NOTHING, *writes) == {"a": second + second}


def test_a_write_in_a_sector_leaves_what_it_does_not_touch() -> None:
    writes = (Write("a", 0, b"kept"), Sync("a"), Write("a", 4, b"new"))
    found = {left_by(Loss.SOME_SECTORS, *writes, seed=seed)["a"] for seed in range(20)}

    assert found == {b"kept", b"keptnew"}


def test_a_deleted_file_may_come_back_until_a_new_one_is_synced() -> None:
    deleted = (Write("a", 0, b"x"), Sync("a"), Delete("a", durable=False))
    found = {bool(left_by(Loss.EVERYTHING, *deleted, seed=seed)) for seed in range(20)}

    assert found == {False, True}
    after = (*deleted, Write("b", 0, b"y"), Sync("b"))
    assert all(left_by(Loss.EVERYTHING, *after, seed=s) == {"b": b"y"} for s in range(20))


def lost_rows(folder: Path, synchronous: str) -> Iterator[int]:
    """How many rows that were committed are gone, for each of many cuts."""
    made, left = folder / "made", folder / "left"
    made.mkdir()
    left.mkdir()
    committed = []
    with (
        recorded(made) as recording,
        closing(sqlite3.connect(made / "a.db", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 20")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, content BLOB)")
        connection.execute("PRAGMA wal_checkpoint(FULL)")
        for number in range(_ROWS):
            connection.execute("INSERT INTO row VALUES (?, ?)", (number, b"x" * 900))
            committed.append(len(recording))
    disk, chance = Disk({}), random.Random(1)  # noqa: S311  # it chooses no keys
    for after, operation in enumerate(recording.operations, start=1):
        disk.take(operation)
        if after >= committed[0]:
            write_files(left, disk.cut(chance.choice(list(Loss)), chance))
            with closing(sqlite3.connect(left / "a.db")) as found:
                (kept,) = found.execute("SELECT count(*) FROM row").fetchone()
            yield sum(at <= after for at in committed) - kept


def test_a_database_that_syncs_each_commit_loses_none_of_them(tmp_path: Path) -> None:
    assert max(lost_rows(tmp_path, "FULL")) == 0


def test_cuts_find_a_database_that_does_not_sync_each_commit(tmp_path: Path) -> None:
    assert max(lost_rows(tmp_path, "NORMAL")) > 0
