"""What a power cut leaves of files: all that was synced, and of the rest anything or nothing.

Since a file's last sync, each of its sectors may be as it was then or as any later write made it,
apart from its neighbours: so a write may be lost, torn, or be there while an earlier one is not.
What a write does not touch in a sector stays (SQLite relies on it: "powersafe overwrite"). A file
that was made exists after its first sync, and one that was deleted may come back until a new one
was synced, and with it the folder.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from tools.soak.recording import Delete, Operation, Sync, Truncate, Write

SECTOR = 512
_PAGE = 4_096

Files: TypeAlias = Mapping[str, bytes]


class Loss(StrEnum):
    """How much of what was not synced is lost."""

    EVERYTHING = "everything"
    NOTHING = "nothing"  # as when only the process dies
    THE_LATEST = "the latest"  # a prefix is there, its last write torn
    SOME_PAGES = "some pages"
    SOME_SECTORS = "some sectors"


@dataclass
class _OneFile:
    """A file: what of it is on the disk, and what was written since.

    Attributes:
        durable: its content at its last sync; None if it was never synced.
        ghost: what may be found in its place if it is not there: one that was deleted.
    """

    durable: bytearray | None = None
    pending: list[Write | Truncate] = field(default_factory=list)
    ghost: "_OneFile | None" = None

    def synced(self) -> None:
        content = self.durable if self.durable is not None else bytearray()
        for one in self.pending:
            _apply(content, one)
        self.durable, self.pending, self.ghost = content, [], None

    def left(self, loss: Loss, chance: random.Random) -> bytes | None:
        """What is found after a cut; None if there is no such file."""
        if self.durable is None and (loss is Loss.EVERYTHING or not self.pending):
            back = self.ghost if chance.getrandbits(1) else None
            return back.left(loss, chance) if back is not None else None
        content = bytearray(self.durable or b"")
        _LEFT[loss](content, self.pending, chance)
        return bytes(content)


class Disk:
    """The files of one folder as operations change them, and as a power cut would leave them."""

    def __init__(self, files: Files) -> None:
        self._files = {name: _OneFile(bytearray(content)) for name, content in files.items()}

    def take(self, operation: Operation) -> None:
        """One operation more has happened."""
        one = self._files.setdefault(operation.name, _OneFile())
        match operation:
            case Write() | Truncate():
                one.pending.append(operation)
            case Sync():
                if one.durable is None:
                    # SQLite syncs the folder with a new journal's first sync.
                    self._forget_deleted()
                one.synced()
            case Delete(durable=durable):
                gone = None if durable or one.durable is None else one
                self._files[operation.name] = _OneFile(ghost=gone)

    def _forget_deleted(self) -> None:
        for one in self._files.values():
            one.ghost = None

    def cut(self, loss: Loss, chance: random.Random) -> Iterator[tuple[str, bytes]]:
        """The files that are found when the power is back."""
        for name, one in self._files.items():
            left = one.left(loss, chance)
            if left is not None:
                yield name, left


def write_files(folder: Path, files: Iterator[tuple[str, bytes]]) -> None:
    """Puts files into a folder in place of what is there."""
    for old in folder.iterdir():
        old.unlink()
    for name, content in files:
        (folder / name).write_bytes(content)


def _apply(content: bytearray, one: Write | Truncate) -> None:
    if isinstance(one, Truncate):
        _resize(content, one.size)
        return
    _grow(content, one.offset + len(one.content))
    content[one.offset : one.offset + len(one.content)] = one.content


def _resize(content: bytearray, size: int) -> None:
    del content[size:]
    _grow(content, size)


def _grow(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))


_Pending: TypeAlias = Sequence[Write | Truncate]


def _lost(content: bytearray, pending: _Pending, chance: random.Random) -> None:
    """Nothing that was not synced is there."""


def _kept(content: bytearray, pending: _Pending, chance: random.Random) -> None:
    for one in pending:
        _apply(content, one)


def _latest_lost(content: bytearray, pending: _Pending, chance: random.Random) -> None:
    kept = chance.randint(0, len(pending))
    _kept(content, pending[:kept], chance)
    if kept < len(pending) and isinstance(torn := pending[kept], Write):
        length = chance.randint(0, len(torn.content)) // SECTOR * SECTOR
        _apply(content, Write(torn.name, torn.offset, torn.content[:length]))


def _units_lost(unit: int) -> Callable[[bytearray, _Pending, random.Random], None]:
    """Each unit of the file is as it was at the last sync, or after any write since."""

    def leave(content: bytearray, pending: _Pending, chance: random.Random) -> None:
        ends = [at for at, one in enumerate(pending) if isinstance(one, Truncate)]
        if ends:
            # A new end is there or not, and all before it is with it.
            begun = chance.choice([0, *(end + 1 for end in ends)])
            _kept(content, pending[:begun], chance)
            following = [end for end in ends if end >= begun]
            pending = pending[begun : following[0] if following else len(pending)]
        writes = [one for one in pending if isinstance(one, Write)]
        versions: dict[int, int] = {}
        touched = {place for one in writes for place in _places(one, unit)}
        for place in sorted(touched):
            versions[place] = chance.randint(0, len(writes))
        for at, one in enumerate(writes):
            for place in _places(one, unit):
                if at < versions[place]:
                    _apply(content, _within(one, place, unit))

    return leave


def _places(one: Write, unit: int) -> range:
    return range(one.offset // unit, (one.offset + len(one.content) - 1) // unit + 1)


def _within(one: Write, place: int, unit: int) -> Write:
    """The part of a write that lies in one unit of the file."""
    first = max(one.offset, place * unit)
    last = min(one.offset + len(one.content), (place + 1) * unit)
    return Write(one.name, first, one.content[first - one.offset : last - one.offset])


_LEFT: Mapping[Loss, Callable[[bytearray, _Pending, random.Random], None]] = {
    Loss.EVERYTHING: _lost,
    Loss.NOTHING: _kept,
    Loss.THE_LATEST: _latest_lost,
    Loss.SOME_PAGES: _units_lost(_PAGE),
    Loss.SOME_SECTORS: _units_lost(SECTOR),
}
