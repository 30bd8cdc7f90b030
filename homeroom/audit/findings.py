"""What is wrong with a log, in words that say what became of which entry."""

from dataclasses import dataclass, field
from enum import StrEnum

MOST_FINDINGS = 1_000


class Fault(StrEnum):
    """What became of an entry or a checkpoint."""

    CHANGED = "changed"  # it is not what its hash was made of
    MISSING = "missing"  # others before and after it are there
    MOVED = "moved"  # it stands in another place than its own
    REPEATED = "repeated"  # it stands there twice
    CUT_OFF = "cut_off"  # the log was longer
    FORKED = "forked"  # it is of another history than the one that was signed
    FOREIGN = "foreign"  # it is of another log
    UNSIGNED = "unsigned"  # a signature on a checkpoint does not check


FAULT_TEXT: dict[Fault, str] = {
    Fault.CHANGED: "changed since its hash was made",
    Fault.MISSING: "missing, while others after it are there",
    Fault.MOVED: "not in its place",
    Fault.REPEATED: "there a second time",
    Fault.CUT_OFF: "cut off: the log was longer",
    Fault.FORKED: "of another history than the one that was signed",
    Fault.FOREIGN: "of another log",
    Fault.UNSIGNED: "not signed by the key that it names",
}


class Subject(StrEnum):
    """What a finding is about."""

    ENTRY = "entry"
    CHECKPOINT = "checkpoint"
    TILE = "tile"
    FILE = "file"


_SUBJECT = {
    Subject.ENTRY: ("entry", "entries"),
    Subject.CHECKPOINT: ("the checkpoint of size", "the checkpoints of sizes"),
    Subject.TILE: ("the hashes above entry", "the hashes above entries"),
    Subject.FILE: ("the file has more than it says: entry", "the file has more than it says:"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        first: the index of the first entry that it is about; of a checkpoint, its size.
        last: the index of the last one, this one included.
    """

    fault: Fault
    first: int
    last: int
    subject: Subject = Subject.ENTRY

    def told(self) -> str:
        """The finding as a sentence."""
        one, several = _SUBJECT[self.subject]
        if self.first == self.last:
            return f"{one} {self.first}: {FAULT_TEXT[self.fault]}"
        return f"{several} {self.first} to {self.last}: {FAULT_TEXT[self.fault]}"


@dataclass(slots=True)
class Findings:
    """Everything that is wrong, in the order in which it was found; neighbours are told as one."""

    found: list[Finding] = field(default_factory=list)

    def note(
        self,
        fault: Fault,
        first: int,
        last: int | None = None,
        subject: Subject = Subject.ENTRY,
    ) -> None:
        """Notes one; what follows the last one is told with it."""
        new = Finding(fault, first, first if last is None else last, subject)
        before = self.found[-1] if self.found else None
        if before and (before.fault, before.subject, before.last + 1) == (fault, subject, first):
            self.found[-1] = Finding(fault, before.first, new.last, subject)
        elif new != before:
            self.found.append(new)

    @property
    def too_many(self) -> bool:
        """Whether looking further tells nobody more."""
        return len(self.found) >= MOST_FINDINGS
