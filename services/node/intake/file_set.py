"""A folder, a single file or a zip archive, read as a set of files of one kind."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from homeroom.errors import RequestInvalidError

# What a district sends is far smaller; an archive that claims more is meant to fill the disk or
# the day.
_MAX_UNPACKED_BYTES = 64 * 2**30

_ENCRYPTED = 0x1

DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
)
"""What reading a damaged archive may end in, at any byte of it."""


@dataclass(frozen=True, slots=True)
class SetFile:
    """One file of a set: its name within it, and how to open it."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]


class FileSet:
    """The files of one kind, in the order of their names."""

    def __init__(self, path: Path, *suffixes: str) -> None:
        self._files = list(_files(path, suffixes))
        if not self._files:
            kinds = " or ".join(suffixes)
            raise RequestInvalidError(f"there is no {kinds} file to read", field="path")

    def __iter__(self) -> Iterator[SetFile]:
        return iter(self._files)


def _files(path: Path, suffixes: Sequence[str]) -> Iterator[SetFile]:
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and _is_of_kind(file.name, suffixes):
                yield _on_disk(file, file.relative_to(path).as_posix())
    elif path.suffix.lower() == ".zip":
        yield from _in_archive(path, suffixes)
    elif path.suffix.lower() in suffixes and path.is_file():
        yield _on_disk(path, path.name)


def _is_of_kind(name: str, suffixes: Sequence[str]) -> bool:
    """Whether a file is one of the set; hidden ones are some system's own notes."""
    path = PurePosixPath(name)
    return path.suffix.lower() in suffixes and not path.name.startswith(".")


def _on_disk(file: Path, name: str) -> SetFile:
    return SetFile(name, lambda: file.open("rb"))


def _in_archive(path: Path, suffixes: Sequence[str]) -> Iterator[SetFile]:
    try:
        archive = zipfile.ZipFile(path)
    except (*DAMAGED, OSError, ValueError):
        raise RequestInvalidError("the archive cannot be opened", field="path") from None
    with archive:
        members = [m for m in archive.infolist() if _is_of_kind(m.filename, suffixes)]
        if any(member.flag_bits & _ENCRYPTED for member in members):
            raise RequestInvalidError("the archive is encrypted", field="path")
        if sum(member.file_size for member in members) > _MAX_UNPACKED_BYTES:
            raise RequestInvalidError("the archive unpacks to too much", field="path")
        _check(archive)
    for member in sorted(members, key=lambda m: m.filename):
        yield SetFile(member.filename, _Member(path, member.filename))


def _check(archive: zipfile.ZipFile) -> None:
    """Reads all of an archive once, so that a damaged one is known before anything is taken."""
    try:
        damaged = archive.testzip() is not None
    except (*DAMAGED, OSError, ValueError):
        damaged = True
    if damaged:
        raise RequestInvalidError("the archive is damaged", field="path")


@dataclass(frozen=True, slots=True)
class _Member:
    """Opens one file of an archive, by a handle of its own."""

    path: Path
    name: str

    def __call__(self) -> AbstractContextManager[IO[bytes]]:
        # The open file keeps the archive open until it is closed itself.
        with zipfile.ZipFile(self.path) as archive:
            return archive.open(self.name)
