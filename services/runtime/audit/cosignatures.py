"""Keeps what witnesses add below a log's checkpoints, so that an export carries it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from homeroom.audit.checkpoint import open_cosignatures
from homeroom.audit.note import NoteKey, SignedNote
from homeroom.errors import EvidenceInvalidError

_BLANK = "\n"
_EVERY_SECONDS = 60.0


class NoteShelf(Protocol):
    """Where a log's signed checkpoints are kept."""

    def note_at(self, size: int) -> str | None:
        """The checkpoint of a size, if that was signed."""
        ...

    def keep_lines(self, size: int, note: str, longer: str) -> None:
        """Keeps a note in the place of the same one with fewer lines."""
        ...


class WitnessedNotes(Protocol):
    """Where the witness shows what it has, each note with every line below it."""

    async def notes_after(self, position: int) -> Sequence[tuple[int, int, str]]:
        """Position, size and note of each checkpoint after a place, in their order."""
        ...


class Gathering:
    """Gathers them once a minute, which is how often partners look."""

    def __init__(self, shelf: NoteShelf, witnesses: Callable[[], Iterable[NoteKey]]) -> None:
        """Gathers for one log.

        Args:
            shelf: where its checkpoints are.
            witnesses: whoever may cosign, by the newest that is known of their keys.
        """
        self._shelf = shelf
        self._witnesses = witnesses
        self._from = self._next = -1
        self._due_at = 0.0

    def is_due(self) -> bool:
        """Whether enough time has gone by since the last time."""
        return time.monotonic() >= self._due_at

    async def gather(self, witnessed: WitnessedNotes, newest: int) -> None:
        """Keeps each line that checks, below the checkpoints of this and the last gathering.

        Args:
            witnessed: where to look.
            newest: the position that was witnessed last.
        """
        self._due_at = time.monotonic() + _EVERY_SECONDS
        if self._from < 0:
            self._from = self._next = max(0, newest - 1)
        keys, after = list(self._witnesses()), self._from
        while some := await witnessed.notes_after(after):
            await asyncio.to_thread(self._keep, some, keys)
            after = some[-1][0]
        # What is newest now may be cosigned yet, and so may what was a moment ago.
        self._from, self._next = self._next, max(self._next, after - 1)

    def _keep(self, some: Iterable[tuple[int, int, str]], keys: Sequence[NoteKey]) -> None:
        for _position, size, note in some:
            kept = self._shelf.note_at(size)
            if kept is not None and (longer := with_lines(kept, note, keys)) != kept:
                self._shelf.keep_lines(size, kept, longer)


def with_lines(kept: str, shown: str, witnesses: Iterable[NoteKey]) -> str:
    """A note with the lines below another that these witnesses wrote below this very text."""
    own, other = SignedNote.parse(kept), SignedNote.parse(shown)
    if own.text != other.text:
        return kept
    lines = []
    for key in witnesses:
        for line in other.signatures:
            named = (line.name, line.key_id) == (key.name, key.key_id)
            if named and line not in own.signatures and _checks(own.text, line.line(), key):
                lines.append(line.line())
    return kept + "".join(lines)


def _checks(text: str, line: str, key: NoteKey) -> bool:
    try:
        return bool(open_cosignatures(text + _BLANK + line, [key]))
    except EvidenceInvalidError:
        return False
