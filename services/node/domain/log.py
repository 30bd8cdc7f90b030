"""The node's append-only log: what was decided and what left, written before it leaves."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from services.node.domain.aggregates import TableRelease
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.on_file import Waiting
from services.node.domain.register import DisclosureRecord

GENESIS = "0" * 64
"""What the first entry's digest covers in place of an entry before it."""


class EntryKind(StrEnum):
    """What an entry tells."""

    DECIDED = "decided"  # what was asked and what the policies answered
    RELEASED = "released"  # how the answer ended: rows, digest of the frames
    UNDECIDED = "undecided"  # a question that could not be decided
    LINK_REVIEWED = "link_reviewed"  # a person said whom a claim is about
    LINK_UNDONE = "link_undone"  # a person said that a link was wrong
    CLAIMS_SHOWN = "claims_shown"  # a person was shown what forms say
    MATTER_ENTERED = "matter_entered"  # a steward put a matter on file
    MATTER_ENDED = "matter_ended"  # a steward ended one
    MATTER_SHOWN = "matter_shown"  # a steward was shown whom a matter names
    APPROVAL_DECIDED = "approval_decided"  # a steward approved, denied or took an approval back
    REQUEST_ENTERED = "request_entered"  # a steward entered a request of someone outside


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands.

    Attributes:
        digest: hexadecimal; covers the entry and, through it, every entry before.
    """

    log_index: int
    digest: str


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Whose records an answer may hold.

    Attributes:
        students: the key of each student, and its elements as one number.
    """

    students: Sequence[tuple[int, int]]


Note: TypeAlias = Disclosed | DecisionRecord | DisclosureRecord | Waiting | TableRelease
"""What is kept beside an entry, and written with it or not at all."""


class Log(Protocol):
    """Where entries are appended."""

    async def append(
        self,
        kind: EntryKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[Note] = (),
    ) -> Position:
        """Writes one entry durably, and with it what is kept beside it.

        Args:
            kind: what the entry tells.
            query_digest: the query it is about.
            content: what it says; no student.
            notes: what is kept beside the entry, in tables of their own.

        Raises:
            QueryReplayedError: if this kind of entry was written for this query before.
            LogUnavailableError: if it cannot be written; then nothing may be released.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, all of which its digest covers.

    Attributes:
        previous: the digest of the entry before it.
        written_at: whole seconds since 1970 in UTC.
    """

    previous: str
    log_index: int
    kind: str
    query_digest: str
    written_at: int
    content: str

    @property
    def digest(self) -> str:
        covered = "\n".join(
            (
                self.previous,
                str(self.log_index),
                self.kind,
                self.query_digest,
                str(self.written_at),
                self.content,
            )
        )
        return hashlib.sha256(covered.encode()).hexdigest()


def encode_content(content: Mapping[str, Any]) -> str:
    """The one way to write an entry's content: JSON with sorted keys, no blanks, only ASCII."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
