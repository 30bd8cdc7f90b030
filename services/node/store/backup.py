"""Copies a node's two SQLite databases while it serves, and puts them back.

The state is copied first: whatever it says of a student, the records that are copied after it have
that student. The other way round a later import could give the same key to another one.
"""

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from homeroom.audit import AuditKind
from homeroom.errors import AlreadyRecordedError, EvidenceInvalidError, RequestInvalidError
from services.node.store.acts import ActLog
from services.node.store.database import sqlite_file
from services.node.store.log import LogStore
from services.runtime.database import open_database

STATE_FILE, RECORDS_FILE, KEYS_FOLDER = "state.db", "records.db", "keys"
_MANIFEST = "backup.json"
_BLOCK = 1 << 20
_MOMENT = "%Y%m%dT%H%M%SZ"
_OF_A_MOMENT = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        log_size: how many entries the log had; what came later, a restored node lacks.
        digests: the SHA-256 of each file, by its name in the backup's folder.
    """

    made_at: dt.datetime
    log_size: int
    log_root: bytes
    digests: Mapping[str, str]

    def encode(self) -> str:
        """The manifest."""
        said = {
            "made_at": self.made_at.isoformat(),
            "log_size": self.log_size,
            "log_root": self.log_root.hex(),
            "digests": dict(self.digests),
        }
        return json.dumps(said, indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, folder: Path) -> "Backup":
        """The backup of a folder, every file of which is as it was made.

        Raises:
            EvidenceInvalidError: if one is not, or is missing.
        """
        try:
            said = json.loads((folder / _MANIFEST).read_text("utf-8"))
            found = cls(
                dt.datetime.fromisoformat(said["made_at"]),
                int(said["log_size"]),
                bytes.fromhex(said["log_root"]),
                {str(name): str(digest) for name, digest in said["digests"].items()},
            )
            wrong = [n for n, d in found.digests.items() if _digest_of(folder / n) != d]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as failed:
            raise EvidenceInvalidError("this is no whole backup", folder=str(folder)) from failed
        if wrong or not {STATE_FILE, RECORDS_FILE} <= found.digests.keys():
            raise EvidenceInvalidError("a file of the backup was changed", folder=str(folder))
        return found


def make_backup(
    folder: Path, records_url: str, state_url: str, keys: Sequence[Path], now: dt.datetime
) -> Backup:
    """Copies both databases, and key files if any are named, into a new folder.

    The log tells of it first, so that the copy has the entry too.

    Raises:
        RequestInvalidError: if a database is not SQLite, or is not there.
        AlreadyRecordedError: if the folder is there already.
        LogUnavailableError: if it cannot be noted; then nothing is copied.
    """
    sources = {STATE_FILE: _file_of(state_url), RECORDS_FILE: _file_of(records_url)}
    _require_files(sources.values())
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise AlreadyRecordedError("the folder is there already", folder=str(folder)) from None
    _note(state_url, len(keys))
    for name, source in sources.items():
        _copy_database(source, folder / name)
    for key in keys:
        (folder / KEYS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        _copy_file(key, folder / KEYS_FOLDER / key.name)
    size, root = _log_of(folder / STATE_FILE)
    copied = [*sources, *(f"{KEYS_FOLDER}/{key.name}" for key in keys)]
    made = Backup(now, size, root, {name: _digest_of(folder / name) for name in copied})
    (folder / _MANIFEST).write_text(made.encode(), "utf-8")
    return made


def make_next_backup(
    parent: Path,
    keep: int,
    records_url: str,
    state_url: str,
    keys: Sequence[Path],
    now: dt.datetime,
) -> Backup:
    """Makes a backup in a folder of its own, named by the moment; then the oldest make room.

    Nothing is removed before the new one is whole. Folders of other names stay.

    Args:
        parent: where the backups' folders are.
        keep: how many stay, the new one among them; at least 1.
        records_url: of the database of records.
        state_url: of the database of all else.
        keys: files that are copied as well.
        now: the moment.

    Raises:
        RequestInvalidError: if a database is not SQLite, or is not there; or if none is to stay.
        AlreadyRecordedError: if there is one of this moment already.
        LogUnavailableError: if it cannot be noted; then nothing is copied.
    """
    if keep < 1:
        raise RequestInvalidError("one backup at least has to stay", field="keep")
    folder = parent / now.strftime(_MOMENT)
    try:
        made = make_backup(folder, records_url, state_url, keys, now)
    except AlreadyRecordedError:
        raise
    except BaseException:
        # Else a disk that is full would be so for good.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    every = sorted(one for one in parent.iterdir() if _OF_A_MOMENT.fullmatch(one.name))
    whole = [one for one in every if (one / _MANIFEST).is_file()]
    for old in every:
        if old not in whole[-keep:]:
            shutil.rmtree(old)
    return made


def restore_backup(
    folder: Path, records_url: str, state_url: str, keys_to: Path | None = None
) -> Backup:
    """Puts a backup's databases where there are none, and its keys if a folder is named.

    Raises:
        EvidenceInvalidError: if a file is not as it was made, or its log is not whole.
        AlreadyRecordedError: if a database is there already; nothing is overwritten.
    """
    backup = Backup.read(folder)
    targets = {STATE_FILE: _file_of(state_url), RECORDS_FILE: _file_of(records_url)}
    if keys_to is not None:
        named = [name for name in backup.digests if name.startswith(f"{KEYS_FOLDER}/")]
        targets |= {name: keys_to / Path(name).name for name in named}
    if any(target.exists() for target in targets.values()):
        raise AlreadyRecordedError("there is something already where this would go")
    for name, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy_file(folder / name, target)
    broken = _first_broken(targets[STATE_FILE])
    if broken is not None:
        raise EvidenceInvalidError("the log of the backup is not whole", log_index=str(broken))
    return backup


def _file_of(url: str) -> Path:
    file = sqlite_file(url)
    if file is None:
        raise RequestInvalidError(
            "this copies SQLite; of PostgreSQL take one dump of the database that both URLs name:"
            " pg_dump --format=custom --file=node.dump, and pg_restore puts it back",
            field="url",
        )
    return file


def _require_files(sources: Iterable[Path]) -> None:
    for source in sources:
        if not source.is_file():
            raise RequestInvalidError("there is no database to copy", file=str(source))


def _note(state_url: str, keys: int) -> None:
    engine = open_database(state_url)
    try:
        ActLog(engine).note(AuditKind.BACKUP_MADE, {"keys": keys})
    finally:
        engine.dispose()


def _copy_database(source: Path, target: Path) -> None:
    target.touch(mode=0o600, exist_ok=False)
    with (
        closing(sqlite3.connect(source)) as read,
        closing(sqlite3.connect(target)) as written,
    ):
        # Everything at once: a copy in pieces begins anew whenever another process writes.
        read.backup(written)
        written.execute("PRAGMA journal_mode=DELETE")
    _flush(target)


def _copy_file(source: Path, target: Path) -> None:
    target.touch(mode=0o600, exist_ok=False)
    shutil.copyfile(source, target)
    _flush(target)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _log_of(state: Path) -> tuple[int, bytes]:
    engine = open_database(f"sqlite:///{state}")
    try:
        log = LogStore(engine)
        size = log.size()
        return size, log.root(size)
    finally:
        engine.dispose()
        _fold(state)


def _first_broken(state: Path) -> int | None:
    engine = open_database(f"sqlite:///{state}")
    try:
        return LogStore(engine).first_broken()
    finally:
        engine.dispose()


def _fold(state: Path) -> None:
    """Leaves one file: what was opened has its journal beside it."""
    with closing(sqlite3.connect(state)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
