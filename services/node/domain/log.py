"""The node's append-only log: what was decided and what left, written before it leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from homeroom.audit import AuditKind, Position
from services.node.domain.aggregates import TableRelease
from services.node.domain.copies import CopiedPiece
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.on_file import Waiting
from services.node.domain.register import DisclosureRecord, Manifest, Shown


@dataclass(frozen=True, slots=True)
class Disclosed:
    """Whose records an answer may hold.

    Attributes:
        students: the key of each student, and its elements as one number.
        consents: the keys of a student and of a consent that it rests on.
    """

    students: Sequence[tuple[int, int]]
    consents: Sequence[tuple[int, int]] = ()


Note: TypeAlias = (
    Disclosed
    | DecisionRecord
    | DisclosureRecord
    | Manifest
    | CopiedPiece
    | Shown
    | Waiting
    | TableRelease
)
"""What is kept beside an entry, and written with it or not at all."""


class Log(Protocol):
    """Where entries are appended."""

    async def append(
        self,
        kind: AuditKind,
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
