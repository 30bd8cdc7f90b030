"""Whether a service's log is the one that was witnessed: an older copy of it must not go on.

A service whose database was restored from a backup would sign another history than the one that its
partners know. So nothing is written to a log, and with that nothing answered, before it was
compared with its newest witnessed checkpoint, nor after one that it does not continue.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from homeroom.audit import AuditKind, Position
from homeroom.audit.checkpoint import Checkpoint
from homeroom.audit.growth import Contradiction
from homeroom.errors import LogUnavailableError

NoteT = TypeVar("NoteT")
BesideT_contra = TypeVar("BesideT_contra", contravariant=True)


class LogTree(Protocol):
    """The tree over a service's own log."""

    def size(self) -> int:
        """How many entries there are."""
        ...

    def root(self, size: int) -> bytes:
        """The root over the first entries."""
        ...

    def path(self, known_size: int, size: int) -> bytes:
        """What proves that the first entries are the beginning of more."""
        ...

    def written_at(self, index: int) -> int:
        """When an entry was written, in seconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The newest checkpoint of a log that was witnessed.

    Attributes:
        position: its place among those that were witnessed.
    """

    position: int
    checkpoint: Checkpoint
    at: dt.datetime


def contradiction_of(log: LogTree, witnessed: Witnessed | None) -> Contradiction | None:
    """What is wrong with a log that does not continue what was witnessed of it.

    An older copy of a log goes on with consents and starts before it is compared, for revocations
    do not wait, and so it may be as long again. Its entries then say that they were written after
    it had been witnessed with as many.
    """
    if witnessed is None:
        return None
    checkpoint = witnessed.checkpoint
    if log.size() < checkpoint.size:
        return Contradiction.SHORTENED
    if log.root(checkpoint.size) == checkpoint.root:
        return None
    written = log.written_at(checkpoint.size - 1)
    return Contradiction.SHORTENED if written > witnessed.at.timestamp() else Contradiction.FORKED


class LogStanding:
    """What is known of a service's own log since it started.

    Attributes:
        witnessed: the newest witnessed checkpoint; None while there is none.
        contradiction: why nothing more may be written; None where the log continues.
    """

    def __init__(self) -> None:
        self.compared = False
        self.witnessed: Witnessed | None = None
        self.contradiction: Contradiction | None = None

    def settle(self, witnessed: Witnessed | None, contradiction: Contradiction | None) -> None:
        """Notes what a comparison found; a contradiction stays until the service starts again."""
        self.compared = True
        self.witnessed = witnessed
        self.contradiction = self.contradiction or contradiction

    def require(self) -> None:
        """Lets a write pass to a log that is known to continue.

        Raises:
            LogUnavailableError: if it is not.
        """
        if not self.compared:
            raise LogUnavailableError("the log was not compared with its witnesses yet")
        if self.contradiction is not None:
            raise LogUnavailableError(
                "the log is not the one that was witnessed", kind=str(self.contradiction)
            )


class Appending(Protocol[BesideT_contra]):
    """Where entries are appended, with what is kept beside them."""

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[BesideT_contra] = (),
    ) -> Position:
        """Writes one entry durably.

        Raises:
            QueryReplayedError: if this kind of entry was written for this query before.
            LogUnavailableError: if it cannot be written; then nothing may be released.
        """
        ...


class WitnessedLog(Generic[NoteT]):
    """A log that takes entries only while it continues what was witnessed of it."""

    def __init__(self, log: Appending[NoteT], standing: LogStanding | None = None) -> None:
        self._log = log
        self.standing = standing or LogStanding()

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[NoteT] = (),
    ) -> Position:
        self.standing.require()
        return await self._log.append(kind, query_digest, content, notes)
