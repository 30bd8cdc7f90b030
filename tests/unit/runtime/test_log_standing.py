"""A log is written to only while it is known to continue what was witnessed of it."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.audit import AuditKind, Position
from homeroom.audit.growth import Contradiction
from homeroom.errors import LogUnavailableError
from homeroom.merkle import root_of
from homeroom.signing import SigningKey
from services.runtime.audit.standing import (
    LogStanding,
    Witnessed,
    WitnessedLog,
    contradiction_of,
)
from tests.growing_logs import GrowingLog
from tests.organizations import NOW

KEY = SigningKey.generate()


WITNESSED_AT = int(NOW.timestamp())


class Tree(GrowingLog):
    """The node's own log; `later` is the first entry that was written after it was witnessed."""

    later = 1_000

    def size(self) -> int:
        return len(self.leaves)

    def root(self, size: int) -> bytes:
        return root_of(self, size)

    def written_at(self, index: int) -> int:
        return WITNESSED_AT + (60 if index >= self.later else -60)


@dataclass
class Taken:
    """A log that notes what it was given."""

    entries: list[Any] = field(default_factory=list)

    async def append(self, kind: Any, digest: bytes, content: Any, notes: Any = ()) -> Position:
        self.entries.append((kind, digest, content, notes))
        return Position(len(self.entries) - 1, "00" * 32)


def tree_of(entries: int) -> Tree:
    grown = Tree("homeroom.test", "anytown", KEY)
    grown.grow(*(b"%d" % number for number in range(entries)))
    return grown


@given(st.integers(0, 12), st.integers(0, 12))
def test_a_log_continues_only_what_is_its_own_beginning(size: int, more: int) -> None:
    log = tree_of(size + more)
    witnessed = Witnessed(1, log.checkpoint(size), NOW)

    assert contradiction_of(log, witnessed) is None
    assert contradiction_of(log, None) is None
    if size:
        shorter = tree_of(size - 1)
        assert contradiction_of(shorter, witnessed) is Contradiction.SHORTENED
        shorter.grow(*(b"other" for _ in range(1 + more)))
        assert contradiction_of(shorter, witnessed) is Contradiction.FORKED


@given(st.integers(1, 12), st.data())
def test_an_older_copy_that_went_on_lacks_entries_and_is_not_called_forked(
    size: int, data: st.DataObject
) -> None:
    """Consents and starts are written before it is compared, and may make up for what it lacks."""
    kept = data.draw(st.integers(0, size - 1))
    witnessed = Witnessed(1, tree_of(size).checkpoint(), NOW)
    restored = tree_of(kept)
    restored.later = kept
    restored.grow(*(b"since" for _ in range(size - kept + data.draw(st.integers(0, 3)))))

    assert contradiction_of(restored, witnessed) is Contradiction.SHORTENED
    restored.later = size
    assert contradiction_of(restored, witnessed) is Contradiction.FORKED


async def append(standing: LogStanding) -> list[Any]:
    taken = Taken()
    await WitnessedLog(taken, standing).append(AuditKind.DECIDED, b"\0" * 32, {"a": 1})
    return taken.entries


async def test_nothing_is_written_before_the_log_was_compared() -> None:
    standing = LogStanding()

    with pytest.raises(LogUnavailableError):
        await append(standing)
    standing.settle(None, None)
    assert await append(standing) == [(AuditKind.DECIDED, b"\0" * 32, {"a": 1}, ())]


async def test_a_log_that_is_another_stays_closed() -> None:
    """Also if a later comparison finds nothing: somebody has to look."""
    standing = LogStanding()
    witnessed = Witnessed(1, tree_of(3).checkpoint(), NOW)
    standing.settle(witnessed, Contradiction.SHORTENED)
    standing.settle(witnessed, None)

    with pytest.raises(LogUnavailableError) as refused:
        await append(standing)
    assert refused.value.metadata == {"kind": "shortened"}
