"""Verifies a log from its first entry to its last: entries, their order, and what was signed.

It reads each entry once and keeps no more of it than its name. Where an entry is missing, the roots
above it can no longer be told; its own place says what is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from homeroom.audit.checkpoint import (
    Cosignature,
    open_checkpoint,
    open_cosignatures,
    read_checkpoint,
)
from homeroom.audit.entry import place_of
from homeroom.audit.findings import MOST_FINDINGS, Fault, Finding, Findings, Subject
from homeroom.audit.note import NoteKey
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import GrowingTree, leaf_hash


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The keys that a log is verified by.

    Attributes:
        log: the checkpoint key of the log; without it no signature of the log is checked.
        witnesses: whose cosignatures are checked.
    """

    log: bytes | None = None
    witnesses: Sequence[NoteKey] = ()


@dataclass(frozen=True, slots=True)
class Witnessed:
    """Up to which size a witness saw the log, and when."""

    witness: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Verified:
    """What a log is.

    Attributes:
        origin: its name.
        size: how many entries it has.
        root: over them; None if that cannot be told, because something is wrong.
        checkpoints: how many checkpoints are of exactly these entries.
        signed_size: the size of the largest of them, if the log's key is known; else 0.
        witnessed: the largest that each known witness cosigned.
        findings: what is wrong; empty if nothing is.
    """

    origin: str
    size: int
    root: bytes | None
    checkpoints: int
    signed_size: int
    witnessed: Sequence[Witnessed]
    findings: Sequence[Finding]

    @property
    def first_broken(self) -> int | None:
        """The first entry that is wrong, else that a wrong checkpoint or tile is about, if any.

        Hashes far above a wrong entry are wrong with it, and cover others that come before it.
        """
        entries = [found.first for found in self.findings if found.subject is Subject.ENTRY]
        return min(entries or (found.first for found in self.findings), default=None)


@dataclass(slots=True)
class Verifier:
    """Takes a log's entries and checkpoints in their order, then says what the log is."""

    origin: str
    keys: LogKeys
    findings: Findings = field(default_factory=Findings)
    _next: int = 0
    _tree: GrowingTree | None = field(default_factory=GrowingTree)
    _places: dict[bytes, int] = field(default_factory=dict)
    _absent: list[range] = field(default_factory=list)
    _changed_since: bool = False
    _roots: dict[int, bytes] = field(default_factory=dict)
    _kept: set[int] = field(default_factory=set)
    _awaited: dict[int, bool] = field(default_factory=dict)
    _cosigned: dict[int, tuple[Cosignature, ...]] = field(default_factory=dict)
    _agreed: list[int] = field(default_factory=list)
    _witnessed: dict[str, Witnessed] = field(default_factory=dict)

    @property
    def is_hopeless(self) -> bool:
        """Whether so much is wrong that reading further tells nobody more."""
        return self.findings.too_many or len(self._absent) > MOST_FINDINGS

    def entry(self, entry: bytes, leaf: bytes) -> None:
        """Takes the next entry's bytes, with the hash that was kept beside them."""
        if leaf_hash(entry) != leaf:
            self.unreadable(leaf)
            return
        try:
            index, name = place_of(entry)
        except EvidenceInvalidError:
            self.unreadable(leaf)
        else:
            self._place(index, name, leaf)

    def unreadable(self, leaf: bytes | None = None) -> None:
        """Takes what stands where the next entry should, and is not it."""
        self.findings.note(Fault.CHANGED, self._next)
        self._changed_since = True
        self._append(leaf)

    def checkpoint(self, note: str, *, in_place: bool = True, kept_at: int | None = None) -> None:
        """Takes a checkpoint: the next one of the log itself, or one that somebody else has.

        Args:
            note: the signed note.
            in_place: whether it covers exactly the entries that were taken so far.
            kept_at: the size by which it is kept, where that is said beside it.
        """
        try:
            checkpoint = read_checkpoint(note)
        except EvidenceInvalidError:
            self._note_on(Fault.CHANGED, self._next)
            return
        size = checkpoint.size
        if checkpoint.origin != self.origin:
            self._note_on(Fault.FOREIGN, size)
        elif not self._is_signed(note, size):
            self._note_on(Fault.UNSIGNED, size)
        elif kept_at not in {None, size}:
            self._note_on(Fault.MOVED, size)
        elif self._roots.setdefault(size, checkpoint.root) != checkpoint.root:
            self._note_on(Fault.FORKED, size)
        elif in_place and size in self._kept:
            self._note_on(Fault.REPEATED, size)
        else:
            self._take(size, in_place=in_place)

    def finish(self, size: int | None = None) -> Verified:
        """Says what the log is, once all was taken.

        Args:
            size: how many entries it should have, if that is known.
        """
        for absent in self._absent:
            self.findings.note(Fault.MISSING, absent.start, absent.stop - 1)
        longest = max(size or 0, *self._awaited, 0)
        if longest > self._next:
            self.findings.note(Fault.CUT_OFF, self._next, longest - 1)
        if size is not None and size < self._next:
            self.findings.note(Fault.CHANGED, size, self._next - 1, Subject.FILE)
        return Verified(
            origin=self.origin,
            size=self._next,
            root=self._tree.root() if self._tree else None,
            checkpoints=len(self._agreed),
            signed_size=max(self._agreed, default=0) if self.keys.log else 0,
            witnessed=tuple(self._witnessed[name] for name in sorted(self._witnessed)),
            findings=tuple(self.findings.found),
        )

    def _note_on(self, fault: Fault, size: int) -> None:
        self.findings.note(fault, size, subject=Subject.CHECKPOINT)

    def _place(self, index: int, name: bytes, leaf: bytes) -> None:
        if index < self._next:
            self._note_out_of_place(index, name)
            return
        if self._places.setdefault(name, index) != index:
            self.findings.note(Fault.REPEATED, index)
        if index > self._next:
            self._absent.append(range(self._next, index))
            self._next, self._tree = index, None
        self._append(leaf)

    def _note_out_of_place(self, index: int, name: bytes) -> None:
        for at, absent in enumerate(self._absent):
            if index in absent:
                parts = (range(absent.start, index), range(index + 1, absent.stop))
                self._absent[at : at + 1] = [part for part in parts if part]
                self._places.setdefault(name, index)
                self.findings.note(Fault.MOVED, index)
                return
        again = self._places.get(name) == index
        self.findings.note(Fault.REPEATED if again else Fault.FORKED, index)

    def _append(self, leaf: bytes | None) -> None:
        self._next += 1
        if self._tree is not None and leaf is not None:
            self._tree.append(leaf)
        else:
            self._tree = None
        if self._next in self._awaited:
            if self._awaited.pop(self._next):
                self._note_on(Fault.MOVED, self._next)
            self._compare(self._next)

    def _take(self, size: int, *, in_place: bool) -> None:
        if in_place:
            self._kept.add(size)
        if size > self._next:
            self._awaited[size] = self._awaited.get(size, False) or in_place
        elif size == self._next:
            self._compare(size)
        elif in_place and not self._absent:
            # Where entries are out of place, where a checkpoint belongs cannot be told.
            self._note_on(Fault.MOVED, size)

    def _compare(self, size: int) -> None:
        """Holds the entries so far to the root that was signed of them."""
        if self._tree is None:
            return
        if self._tree.root() == self._roots[size]:
            self._agreed.append(size)
            self._changed_since = False
            for cosigned in self._cosigned.get(size, ()):
                found = Witnessed(cosigned.witness, size, cosigned.at)
                self._witnessed[cosigned.witness] = found
            return
        if not self._changed_since:
            first = max(self._agreed, default=0)
            self.findings.note(Fault.FORKED, first, max(first, size - 1))
        self._tree = None

    def _is_signed(self, note: str, size: int) -> bool:
        try:
            if self.keys.log is not None:
                open_checkpoint(note, self.origin, self.keys.log)
            self._cosigned[size] = open_cosignatures(note, self.keys.witnesses)
        except EvidenceInvalidError:
            return False
        return True
