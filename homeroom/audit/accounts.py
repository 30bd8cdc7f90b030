"""What a holder tells an organization of its log: that organization's own questions, no other's."""

import datetime as dt
from dataclasses import dataclass

from homeroom.audit.entry import AuditEntry
from homeroom.errors import EvidenceInvalidError


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry as a holder's log has it.

    Attributes:
        entry: its exact bytes; empty where the holder tells only its hash.
    """

    index: int
    kind: str
    at: int
    leaf: bytes
    path: bytes = b""
    entry: bytes = b""

    def read(self) -> AuditEntry:
        """What it says.

        Raises:
            EvidenceInvalidError: if these are not the bytes of this entry.
        """
        read = AuditEntry.decode(self.entry)
        if (read.index, read.kind, read.at, read.leaf()) != (
            self.index,
            self.kind,
            self.at,
            self.leaf,
        ):
            raise EvidenceInvalidError("an entry of the log is another than its hash says")
        return read


@dataclass(frozen=True, slots=True)
class LoggedQuestion:
    """What a holder's log has of one question.

    Attributes:
        decided: the entry of its decision, or of why there was none.
        ended: the entry of how the answer ended; None while there is none.
    """

    query_digest: bytes
    decided: LoggedEntry
    ended: LoggedEntry | None = None


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """What an account is asked for.

    Attributes:
        since: only questions recorded then or later, in seconds since 1970.
        page_size: 0 leaves it to the holder.
    """

    requester: str
    holder: str
    asked_at: dt.datetime
    since: int = 0
    from_index: int = 0
    page_size: int = 0
    known_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One page of what a holder's log has of one organization's questions.

    Attributes:
        note: the log as it is now: its checkpoint, signed by the log's own key.
        growth: for each size that was asked about, what proves that the log only grew since.
        next_index: where the next page begins; 0 if this is the last.
    """

    holder: str
    requester: str
    note: str
    growth: tuple[bytes, ...]
    questions: tuple[LoggedQuestion, ...]
    next_index: int = 0
