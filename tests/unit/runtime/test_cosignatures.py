"""What witnesses add below a log's checkpoints is kept, if they wrote it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from homeroom.audit.checkpoint import (
    cosign,
    open_cosignatures,
    registry_witness_name,
    witness_key,
    witness_name,
)
from homeroom.audit.note import NoteKey
from homeroom.signing import SigningKey
from services.runtime.audit.cosignatures import Gathering, with_lines
from tests.growing_logs import GrowingLog
from tests.organizations import NOW

LOG, REGISTRY, PARTNER = (SigningKey.generate() for _ in range(3))
NAMES = (registry_witness_name("homeroom.test"), witness_name("homeroom.test", "mill_river"))
WITNESSES = [witness_key(n, k.public) for n, k in zip(NAMES, (REGISTRY, PARTNER), strict=True)]


@dataclass
class Shelf:
    """The log's own checkpoints, and those that its witness has."""

    notes: dict[int, str] = field(default_factory=dict)
    shown: list[tuple[int, int, str]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)

    def note_at(self, size: int) -> str | None:
        return self.notes.get(size)

    def keep_lines(self, size: int, note: str, longer: str) -> None:
        assert self.notes[size] == note
        self.notes[size] = longer

    async def notes_after(self, position: int) -> Sequence[tuple[int, int, str]]:
        self.asked.append(position)
        return [one for one in self.shown if one[0] > position][:2]

    def witness(self, log: GrowingLog) -> None:
        """The log shows itself, and the registry cosigns."""
        self.notes[len(log.leaves)] = note = log.note()
        line = cosign(note, NAMES[0], REGISTRY, NOW)
        self.shown.append((len(self.shown) + 1, len(log.leaves), note + line))

    def cosign(self, position: int) -> None:
        """A partner adds its line."""
        at, size, note = self.shown[position - 1]
        line = cosign(note, NAMES[1], PARTNER, NOW)
        self.shown[position - 1] = (at, size, note + line)

    def who(self, size: int) -> set[str]:
        return {one.witness for one in open_cosignatures(self.notes[size], WITNESSES)}


def log_of(entries: int) -> GrowingLog:
    log = GrowingLog("homeroom.test", "anytown", LOG)
    log.grow(*(b"%d" % number for number in range(entries)))
    return log


def keys() -> list[NoteKey]:
    return WITNESSES


async def test_lines_are_kept_also_those_that_come_a_while_later() -> None:
    """Partners look once a minute: what was newest the last time is looked at again."""
    log, shelf = log_of(1), Shelf()
    gathering = Gathering(shelf, keys)
    for _ in range(5):
        shelf.witness(log)
        log.grow(b"more")
        await gathering.gather(shelf, len(shelf.shown))
    assert [shelf.who(size) for size in range(1, 6)] == [{NAMES[0]}] * 5

    shelf.cosign(5)
    await gathering.gather(shelf, 5)
    assert shelf.who(5) == set(NAMES)
    assert not gathering.is_due()
    shelf.asked.clear()
    await gathering.gather(shelf, 5)
    assert min(shelf.asked) == 4, "what cannot be cosigned any more is not asked for again"


def test_a_line_that_its_witness_did_not_write_is_not_kept() -> None:
    """A registry cannot have a partner's false line stand in an export."""
    log = log_of(3)
    note, other = log.note(), log_of(2).note()
    forged = cosign(note, NAMES[1], REGISTRY, NOW)
    elsewhere = cosign(other, NAMES[0], REGISTRY, NOW)
    true = cosign(note, NAMES[0], REGISTRY, NOW)

    assert with_lines(note, note + forged, WITNESSES) == note
    assert with_lines(note, note + elsewhere, WITNESSES) == note
    assert with_lines(note, other + elsewhere, WITNESSES) == note
    assert with_lines(note, note + forged + true, WITNESSES) == note + true
    assert with_lines(note + true, note + true, WITNESSES) == note + true
    assert with_lines(note, note + true, []) == note
