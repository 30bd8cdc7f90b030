"""A log that a service keeps in its own database: read, and appended to by one writer."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic

from sqlalchemy import Engine

from homeroom.audit import AuditKind, Position, encode_content
from services.runtime.audit.reading import LogReader
from services.runtime.audit.tables import LogTables
from services.runtime.audit.writer import GroupWriter, Keep, NoteT, ToAppend


class KeptLog(LogReader, Generic[NoteT]):
    """The log, in SQLite or PostgreSQL; a commit is durable when `append` returns."""

    def __init__(
        self,
        engine: Engine,
        tables: LogTables,
        keep: Keep[NoteT],
    ) -> None:
        """Keeps a log in one database.

        Args:
            engine: the database, which must be durable.
            tables: where the log is.
            keep: writes what is kept beside entries, in their transaction.
        """
        super().__init__(engine, tables)
        self._writer = GroupWriter(engine, tables, keep)

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[NoteT] = (),
    ) -> Position:
        """Writes one entry durably, and with it what is kept beside it.

        Raises:
            QueryReplayedError: if this kind of entry was written for this query before.
            LogUnavailableError: if it cannot be written; then nothing may be released.
        """
        entry, leaf = await self._writer.append(
            ToAppend(str(kind), query_digest.hex(), encode_content(content), notes)
        )
        return Position(entry.index, leaf.hex())
