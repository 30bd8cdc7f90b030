"""A node's databases are copied while they are written to, and put back as they were."""

import datetime as dt
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from homeroom.audit import AuditKind
from homeroom.errors import (
    AlreadyRecordedError,
    EvidenceInvalidError,
    LogUnavailableError,
    RequestInvalidError,
)
from services.node.migrations import STATE, STATE_VERSION_TABLE
from services.node.store.backup import (
    RECORDS_FILE,
    STATE_FILE,
    Backup,
    make_backup,
    make_next_backup,
    restore_backup,
)
from services.node.store.log import LogStore
from services.runtime.database import bring_up_to_date, open_database
from tests.organizations import NOW


@pytest.fixture
async def node(tmp_path: Path) -> Path:
    """The folder of a node with three entries in its log."""
    folder = tmp_path / "node"
    folder.mkdir()
    bring_up_to_date(f"sqlite:///{folder}/state.db", STATE, STATE_VERSION_TABLE)
    await grow(folder, 3)
    with closing(sqlite3.connect(folder / "records.db")) as records:
        records.execute("CREATE TABLE student (name TEXT)")
        records.execute("INSERT INTO student VALUES ('somebody')")
        records.commit()
    (folder / "signing_key.pem").write_bytes(b"a key")
    return folder


async def grow(folder: Path, entries: int) -> None:
    engine = open_database(f"sqlite:///{folder}/state.db")
    log = LogStore(engine)
    for _ in range(entries):
        await log.append(AuditKind.DECIDED, os.urandom(32), {"allow": False})
    engine.dispose()


def urls(folder: Path) -> tuple[str, str]:
    return f"sqlite:///{folder}/records.db", f"sqlite:///{folder}/state.db"


def log_of(folder: Path) -> tuple[int, bytes]:
    engine = open_database(f"sqlite:///{folder}/state.db")
    log = LogStore(engine)
    found = log.size(), log.root(log.size())
    engine.dispose()
    return found


async def test_a_backup_is_put_back_and_its_log_goes_on(node: Path, tmp_path: Path) -> None:
    """Made while others have the database open and write on; nobody else can read it."""
    engine = open_database(urls(node)[1])
    with engine.connect():
        made = make_backup(tmp_path / "copy", *urls(node), [node / "signing_key.pem"], NOW)
        await grow(node, 2)
    engine.dispose()

    fresh = tmp_path / "fresh"
    put = restore_backup(tmp_path / "copy", *urls(fresh), fresh / "keys")

    assert put == made
    assert log_of(fresh) == (made.log_size, made.log_root)
    assert made.log_size == 4
    await grow(fresh, 1)
    assert log_of(fresh)[0] == 5
    assert (fresh / "keys/signing_key.pem").read_bytes() == b"a key"
    with closing(sqlite3.connect(fresh / "records.db")) as records:
        assert records.execute("SELECT name FROM student").fetchall() == [("somebody",)]
    for secret in (*(tmp_path / "copy").glob("*.db"), *(fresh / "keys").iterdir()):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_a_backup_is_told_by_the_log_and_the_copy_has_the_entry(node: Path, tmp_path: Path) -> None:
    make_backup(tmp_path / "copy", *urls(node), [node / "signing_key.pem"], NOW)

    for state in (node / "state.db", tmp_path / "copy" / STATE_FILE):
        engine = open_database(f"sqlite:///{state}")
        newest = list(LogStore(engine).entries())[-1]
        engine.dispose()
        assert newest.kind == AuditKind.BACKUP_MADE
        assert dict(newest.said) == {"keys": 1}


def test_what_cannot_be_told_is_not_copied(node: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(node / "state.db")) as state:
        state.execute("DROP TABLE log_tile")
        state.commit()

    with pytest.raises(LogUnavailableError):
        make_backup(tmp_path / "copy", *urls(node), [node / "signing_key.pem"], NOW)

    assert list((tmp_path / "copy").iterdir()) == []


def test_nothing_is_overwritten(node: Path, tmp_path: Path) -> None:
    make_backup(tmp_path / "copy", *urls(node), [], NOW)

    with pytest.raises(AlreadyRecordedError):
        make_backup(tmp_path / "copy", *urls(node), [], NOW)
    with pytest.raises(AlreadyRecordedError):
        restore_backup(tmp_path / "copy", *urls(node))


@pytest.mark.parametrize("name", [STATE_FILE, RECORDS_FILE, "backup.json"])
def test_a_backup_that_was_changed_or_lacks_a_file_is_not_put_back(
    node: Path, tmp_path: Path, name: str
) -> None:
    make_backup(tmp_path / "copy", *urls(node), [], NOW)
    file = tmp_path / "copy" / name
    content = file.read_bytes()

    file.write_bytes(content[:-1] + b"\x7f")
    with pytest.raises(EvidenceInvalidError):
        restore_backup(tmp_path / "copy", *urls(tmp_path / "fresh"))
    file.unlink()
    with pytest.raises(EvidenceInvalidError):
        restore_backup(tmp_path / "copy", *urls(tmp_path / "fresh"))
    assert not (tmp_path / "fresh").exists()


def test_a_log_that_is_not_whole_is_told_when_it_is_put_back(node: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(node / "state.db")) as state:
        state.execute("DELETE FROM log_entry WHERE log_index = 1")
        state.commit()
    make_backup(tmp_path / "copy", *urls(node), [], NOW)

    with pytest.raises(EvidenceInvalidError) as refused:
        restore_backup(tmp_path / "copy", *urls(tmp_path / "fresh"))
    assert refused.value.metadata == {"log_index": "1"}


DAY = dt.timedelta(days=1)


def moments(parent: Path) -> list[str]:
    return sorted(one.name for one in parent.iterdir())


def test_each_backup_has_a_folder_of_its_moment_and_the_oldest_makes_room(
    node: Path, tmp_path: Path
) -> None:
    """What somebody else put there stays, and so does what is no backup of a moment."""
    parent = tmp_path / "backups"
    (parent / "20260301").mkdir(parents=True)
    for day in range(4):
        make_next_backup(parent, 2, *urls(node), [], NOW + day * DAY)

    kept = [(NOW + day * DAY).strftime("%Y%m%dT%H%M%SZ") for day in (2, 3)]
    assert moments(parent) == ["20260301", *kept]
    for name in kept:
        assert Backup.read(parent / name).log_size > 0


def test_a_backup_that_broke_off_takes_no_room_and_counts_as_none(
    node: Path, tmp_path: Path
) -> None:
    """Neither one whose process was killed, nor one that fails now: the whole ones stay."""
    parent = tmp_path / "backups"
    make_next_backup(parent, 1, *urls(node), [], NOW)
    (parent / (NOW + DAY).strftime("%Y%m%dT%H%M%SZ")).mkdir()
    before = moments(parent)
    with pytest.raises(OSError, match="nowhere"):
        make_next_backup(parent, 1, *urls(node), [tmp_path / "nowhere"], NOW + 2 * DAY)
    assert moments(parent) == before

    make_next_backup(parent, 2, *urls(node), [], NOW + 3 * DAY)
    whole = [(NOW + day * DAY).strftime("%Y%m%dT%H%M%SZ") for day in (0, 3)]
    assert moments(parent) == whole


def test_none_is_overwritten_and_one_at_least_stays(node: Path, tmp_path: Path) -> None:
    make_next_backup(tmp_path, 1, *urls(node), [], NOW)
    with pytest.raises(AlreadyRecordedError):
        make_next_backup(tmp_path, 1, *urls(node), [], NOW)
    with pytest.raises(RequestInvalidError):
        make_next_backup(tmp_path, 0, *urls(node), [], NOW + DAY)

    assert Backup.read(tmp_path / NOW.strftime("%Y%m%dT%H%M%SZ")).made_at == NOW


def test_of_postgresql_the_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(RequestInvalidError, match="pg_dump"):
        make_backup(
            tmp_path / "copy", "postgresql+psycopg://h/d", "postgresql+psycopg://h/d", [], NOW
        )
    assert not (tmp_path / "copy").exists()
