"""Keeps the node's append-only log in its own database."""

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from homeroom.errors import LogUnavailableError, QueryReplayedError
from services.node.domain.aggregates import TableRelease
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.log import (
    GENESIS,
    Disclosed,
    Entry,
    EntryKind,
    Note,
    Position,
    encode_content,
)
from services.node.domain.on_file import Waiting
from services.node.domain.register import DisclosureRecord
from services.node.store.aggregates import write_release
from services.node.store.approvals import open_requests
from services.node.store.decision_records import keep_decision
from services.node.store.state_tables import (
    DISCLOSED,
    DISCLOSURE_RECORD,
    DISCLOSURE_REFUSED,
    LOG_ENTRY,
)
from services.runtime.database import writing


class LogStore:
    """The log, in SQLite or PostgreSQL; a commit is durable when `append` returns."""

    def __init__(self, state: Engine) -> None:
        self._state = state
        # Entries form a chain: they are written one after the other.
        self._turn = threading.Lock()

    async def append(
        self,
        kind: EntryKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[Note] = (),
    ) -> Position:
        return await asyncio.to_thread(
            self._append, str(kind), query_digest.hex(), encode_content(content), notes
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
        for expected, kept in enumerate(self.entries()):
            entry = Entry(
                previous,
                expected,
                kept["kind"],
                kept["query_digest"],
                kept["written_at"],
                kept["content"],
            )
            found = (kept["log_index"], kept["previous_digest"], kept["digest"])
            if found != (expected, previous, entry.digest):
                return expected
            previous = entry.digest
        return None

    def _append(
        self, kind: str, query_digest: str, content: str, notes: Sequence[Note]
    ) -> Position:
        try:
            with self._turn, writing(self._state) as connection:
                log_index, previous = _next_place(connection)
                entry = Entry(previous, log_index, kind, query_digest, int(time.time()), content)
                connection.execute(
                    insert(LOG_ENTRY).values(
                        log_index=log_index,
                        kind=kind,
                        query_digest=query_digest,
                        written_at=entry.written_at,
                        content=content,
                        previous_digest=previous,
                        digest=entry.digest,
                    )
                )
                for note in notes:
                    _WRITERS[type(note)](connection, entry, note)
        except IntegrityError:
            raise QueryReplayedError("this query was asked before") from None
        except (SQLAlchemyError, OSError):
            raise LogUnavailableError("the log cannot be written") from None
        return Position(log_index, entry.digest)


def _write_disclosed(connection: Connection, entry: Entry, note: Disclosed) -> None:
    if note.students:
        connection.execute(
            insert(DISCLOSED),
            [
                {"log_index": entry.log_index, "student_key": key, "elements": elements}
                for key, elements in note.students
            ],
        )


def _write_record(connection: Connection, entry: Entry, record: DisclosureRecord) -> None:
    requested, decided = record.requested, record.decided
    connection.execute(
        insert(DISCLOSURE_RECORD).values(
            log_index=entry.log_index,
            recorded_at=entry.written_at,
            recorded_on=dt.datetime.fromtimestamp(entry.written_at, dt.UTC).date(),
            event=record.event,
            regimes=_joined(record.regimes),
            requester=requested.requester,
            user_id=requested.user_id,
            role=requested.role,
            purpose=requested.purpose,
            basis=requested.ground,
            agreement_id=requested.agreement_id,
            matter_id=requested.matter_id,
            onward_to=_joined(requested.onward_to),
            elements=_joined(requested.elements),
            released=_joined(decided.released),
            reasons=_joined(decided.reasons),
            obligations=_joined(decided.obligations),
            everyone=requested.everyone,
            secret=decided.secret,
        )
    )
    if record.refused:
        connection.execute(
            insert(DISCLOSURE_REFUSED),
            [
                {"log_index": entry.log_index, "student_key": key, "reason": reason or ""}
                for key, reason in record.refused.items()
            ],
        )


def _write_waiting(connection: Connection, entry: Entry, note: Waiting) -> None:
    use = (note.requester, note.agreement_id, note.purpose)
    at = dt.datetime.fromtimestamp(entry.written_at, dt.UTC)
    open_requests(connection, use, note.elements, at)


def _joined(words: Iterable[str]) -> str:
    return ";".join(sorted(words))


_WRITERS: Mapping[type[Note], Callable[[Connection, Entry, Any], None]] = {
    Disclosed: _write_disclosed,
    DecisionRecord: keep_decision,
    DisclosureRecord: _write_record,
    Waiting: _write_waiting,
    TableRelease: write_release,
}
"""How each kind of note is kept, in the same transaction as the entry it goes with."""


def _next_place(connection: Connection) -> tuple[int, str]:
    """The next entry's index and the digest before it; nobody else writes until the commit."""
    if connection.dialect.name == "postgresql":
        # A node that is being replaced may still write: then the entries wait for each other.
        connection.execute(text("LOCK TABLE log_entry IN EXCLUSIVE MODE"))
    last = connection.execute(
        select(LOG_ENTRY.c.log_index, LOG_ENTRY.c.digest)
        .order_by(LOG_ENTRY.c.log_index.desc())
        .limit(1)
    ).first()
    return (last.log_index + 1, last.digest) if last else (0, GENESIS)
