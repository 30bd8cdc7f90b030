"""The gateway's append-only log: which question went to whom, and what became of it."""

from collections.abc import Mapping
from typing import Any, Protocol

from homeroom.audit import AuditKind, Position


class Log(Protocol):
    """Where entries are appended."""

    async def append(
        self, kind: AuditKind, query_digest: bytes, content: Mapping[str, Any]
    ) -> Position:
        """Writes one entry durably.

        Args:
            kind: what the entry tells.
            query_digest: the query or the act that it is about.
            content: what it says; no student, and no word that a caller made up.

        Raises:
            QueryReplayedError: if this kind of entry was written for this query before.
            LogUnavailableError: if it cannot be written; then nothing may be passed on.
        """
        ...
