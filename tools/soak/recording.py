"""Records every write that SQLite makes to the files of a folder, and every sync, in their order.

It stands between the library and its files: a copy of the default VFS whose files note what they
are told before they do it. The library is the very one that Python's `sqlite3` uses, and nothing
that uses it knows.
"""

import ctypes
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from homeroom.errors import InternalError

_NAME = b"homeroom-recording"
_OK = 0
_DATABASES_AND_JOURNALS = 0x00000100 | 0x00000800 | 0x00080000  # main database, its journal, WAL


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes at a place of a file."""

    name: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file's new end."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    """From here on a file is on the disk as it is."""

    name: str


@dataclass(frozen=True, slots=True)
class Delete:
    """A file's name is taken away; `durable` if the folder was synced with it."""

    name: str
    durable: bool


Operation: TypeAlias = Write | Truncate | Sync | Delete


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, as far as it is looked at here; all of it is copied."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("own", ctypes.c_void_p),
        ("open", ctypes.c_void_p),
        ("delete", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, likewise."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", ctypes.c_void_p),
        ("read", ctypes.c_void_p),
        ("write", ctypes.c_void_p),
        ("truncate", ctypes.c_void_p),
        ("sync", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 13),
    )


class _File(ctypes.Structure):
    """`sqlite3_file`."""

    _fields_ = (("methods", ctypes.POINTER(_Methods)),)


_FILE = ctypes.POINTER(_File)
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,  # SQLite reads parameters behind the name: it is passed on as it came
    _FILE,
    ctypes.c_int,
    ctypes.c_void_p,
)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _FILE, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _FILE, ctypes.c_int64)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _FILE, ctypes.c_int)


@dataclass
class Recording:
    """What was written to the databases of one folder.

    Attributes:
        operations: in the order in which they were asked for; a sync when it had come back.
    """

    folder: Path
    operations: list[Operation] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.operations)


class _Recorder:
    """The VFS that records; one in the process, for SQLite keeps pointers to all of it."""

    def __init__(self) -> None:
        self.recording: Recording | None = None
        library = _library()
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._library = library
        self._default = library.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(self._default.contents)
        self._vfs.name, self._vfs.next = _NAME, None
        self._open = _OPEN(self._vfs.open)
        self._delete = _DELETE(self._vfs.delete)
        self._names: dict[int, str] = {}
        self._methods: dict[int, tuple[_Methods, Any]] = {}
        self._calls = (_OPEN(self._opened), _DELETE(self._deleted))
        self._vfs.open, self._vfs.delete = (
            ctypes.cast(call, ctypes.c_void_p).value for call in self._calls
        )

    def begin(self, recording: Recording) -> None:
        if self.recording is not None:
            raise InternalError("one folder is recorded at a time")
        self.recording = recording
        self._library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)

    def end(self) -> None:
        self.recording = None
        self._library.sqlite3_vfs_register(self._default, 1)

    def note(self, operation: Operation) -> None:
        if self.recording is not None:
            self.recording.operations.append(operation)

    def _opened(self, vfs: int, name: int, file: Any, flags: int, out: int) -> int:
        code = int(self._open(vfs, name, file, flags, out))
        path = Path(os.fsdecode(ctypes.string_at(name))) if name else None
        recording = self.recording
        if (
            code == _OK
            and flags & _DATABASES_AND_JOURNALS
            and recording is not None
            and path is not None
            and path.parent == recording.folder
        ):
            self._names[ctypes.addressof(file.contents)] = path.name
            file.contents.methods = ctypes.pointer(self._recording(file.contents.methods))
        return code

    def _recording(self, methods: Any) -> _Methods:
        """The methods of a file, with those in their place that record."""
        kind = ctypes.addressof(methods.contents)
        if kind not in self._methods:
            own = _Methods.from_buffer_copy(methods.contents)
            calls = self._calls_of(own)
            own.write, own.truncate, own.sync = (
                ctypes.cast(call, ctypes.c_void_p).value for call in calls
            )
            self._methods[kind] = own, calls
        return self._methods[kind][0]

    def _calls_of(self, real: _Methods) -> tuple[Any, Any, Any]:
        write, truncate, sync = _WRITE(real.write), _TRUNCATE(real.truncate), _SYNC(real.sync)

        def written(file: Any, content: int, size: int, offset: int) -> int:
            self.note(Write(self._name(file), offset, ctypes.string_at(content, size)))
            return int(write(file, content, size, offset))

        def truncated(file: Any, size: int) -> int:
            self.note(Truncate(self._name(file), size))
            return int(truncate(file, size))

        def synced(file: Any, flags: int) -> int:
            code = int(sync(file, flags))
            if code == _OK:
                self.note(Sync(self._name(file)))
            return code

        return _WRITE(written), _TRUNCATE(truncated), _SYNC(synced)

    def _name(self, file: Any) -> str:
        return self._names[ctypes.addressof(file.contents)]

    def _deleted(self, vfs: int, name: bytes, sync_folder: int) -> int:
        path, recording = Path(os.fsdecode(name)), self.recording
        if recording is not None and path.parent == recording.folder:
            self.note(Delete(path.name, bool(sync_folder)))
        return int(self._delete(vfs, name, sync_folder))


_recorders: list[_Recorder] = []


@contextmanager
def recorded(folder: Path) -> Iterator[Recording]:
    """Records what happens within the block to the databases of a folder that are opened in it.

    Raises:
        InternalError: if Python's SQLite library cannot be found, or one is recorded already.
    """
    if not _recorders:
        _recorders.append(_Recorder())
    recording = Recording(folder.resolve())
    _recorders[0].begin(recording)
    try:
        yield recording
    finally:
        _recorders[0].end()


def _library() -> ctypes.CDLL:
    """The SQLite library that Python's `sqlite3` has loaded."""
    sqlite3.connect(":memory:").close()
    mapped = Path("/proc/self/maps").read_text("utf-8").split()
    for path in (word for word in mapped if "/libsqlite3." in word or "/_sqlite3." in word):
        library = ctypes.CDLL(path)
        if hasattr(library, "sqlite3_vfs_register"):
            return library
    raise InternalError("Python's SQLite library is not found in this process")
