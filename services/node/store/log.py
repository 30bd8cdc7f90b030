"""Keeps the node's append-only log in its own database."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from homeroom.errors import LogUnavailableError, QueryReplayedError
from services.node.domain.log import (
    GENESIS,
    EntryKind,
    Position,
    encode_content,
    entry_digest,
)
from services.node.store.state_tables import LOG_ENTRY
from services.runtime.database import writing


class LogStore:
    """The log, in SQLite or PostgreSQL; a commit is durable when `append` returns."""

    def __init__(self, state: Engine) -> None:
        self._state = state
        # Entries form a chain: they are written one after the other.
        self._turn = threading.Lock()

    async def append(
        self, kind: EntryKind, query_digest: bytes, content: Mapping[str, Any]
    ) -> Position:
        return await asyncio.to_thread(
            self._append, str(kind), query_digest.hex(), encode_content(content)
        )

    def size(self) -> int:
        """How many entries there are."""
        with self._state.connect() as connection:
            last = connection.scalar(
                select(LOG_ENTRY.c.log_index).order_by(LOG_ENTRY.c.log_index.desc()).limit(1)
            )
        return 0 if last is None else int(last) + 1

    def entries(self) -> Iterator[Mapping[str, Any]]:
        """Every entry, oldest first."""
        with self._state.connect() as connection:
            for row in connection.execute(select(LOG_ENTRY).order_by(LOG_ENTRY.c.log_index)):
                yield dict(row._mapping)

    def first_broken(self) -> int | None:
        """The index of the first entry that is missing or was changed; None if none was."""
        previous = GENESIS
        for expected, entry in enumerate(self.entries()):
            digest = entry_digest(
                previous, expected, entry["kind"], entry["query_digest"], entry["content"]
            )
            if entry["log_index"] != expected or entry["digest"] != digest:
                return expected
            previous = digest
        return None

    def _append(self, kind: str, query_digest: str, content: str) -> Position:
        try:
            with self._turn, writing(self._state) as connection:
                last = connection.execute(
                    select(LOG_ENTRY.c.log_index, LOG_ENTRY.c.digest)
                    .order_by(LOG_ENTRY.c.log_index.desc())
                    .limit(1)
                ).first()
                log_index = last.log_index + 1 if last else 0
                previous = last.digest if last else GENESIS
                digest = entry_digest(previous, log_index, kind, query_digest, content)
                connection.execute(
                    insert(LOG_ENTRY).values(
                        log_index=log_index,
                        kind=kind,
                        query_digest=query_digest,
                        written_at=int(time.time()),
                        content=content,
                        previous_digest=previous,
                        digest=digest,
                    )
                )
        except IntegrityError:
            raise QueryReplayedError("this query was asked before") from None
        except (SQLAlchemyError, OSError):
            raise LogUnavailableError("the log cannot be written") from None
        return Position(log_index, digest)
