"""Keeps the node's append-only log in its own database."""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, insert

from homeroom.audit import AuditEntry, AuditKind, encode_content
from services.node.domain.aggregates import TableRelease
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.log import Disclosed, Note, Position
from services.node.domain.on_file import Waiting
from services.node.domain.register import DisclosureRecord
from services.node.store.acts import LOG
from services.node.store.aggregates import write_release
from services.node.store.approvals import open_requests
from services.node.store.decision_records import keep_decision
from services.node.store.state_tables import (
    DISCLOSED,
    DISCLOSURE_RECORD,
    DISCLOSURE_REFUSED,
)
from services.runtime.audit import GroupWriter, LogReader, ToAppend


class LogStore(LogReader):
    """The log, in SQLite or PostgreSQL; a commit is durable when `append` returns."""

    def __init__(self, state: Engine) -> None:
        super().__init__(state, LOG)
        self._writer = GroupWriter(state, LOG, _keep)

    async def append(
        self,
        kind: AuditKind,
        query_digest: bytes,
        content: Mapping[str, Any],
        notes: Sequence[Note] = (),
    ) -> Position:
        entry, leaf = await self._writer.append(
            ToAppend(str(kind), query_digest.hex(), encode_content(content), notes)
        )
        return Position(entry.index, leaf.hex())


def _keep(connection: Connection, entry: AuditEntry, note: Note) -> None:
    _WRITERS[type(note)](connection, entry, note)


def _write_disclosed(connection: Connection, entry: AuditEntry, note: Disclosed) -> None:
    if note.students:
        connection.execute(
            insert(DISCLOSED),
            [
                {"log_index": entry.index, "student_key": key, "elements": elements}
                for key, elements in note.students
            ],
        )


def _write_record(connection: Connection, entry: AuditEntry, record: DisclosureRecord) -> None:
    requested, decided = record.requested, record.decided
    connection.execute(
        insert(DISCLOSURE_RECORD).values(
            log_index=entry.index,
            recorded_at=entry.at,
            recorded_on=dt.datetime.fromtimestamp(entry.at, dt.UTC).date(),
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
                {"log_index": entry.index, "student_key": key, "reason": reason or ""}
                for key, reason in record.refused.items()
            ],
        )


def _write_waiting(connection: Connection, entry: AuditEntry, note: Waiting) -> None:
    use = (note.requester, note.agreement_id, note.purpose)
    at = dt.datetime.fromtimestamp(entry.at, dt.UTC)
    open_requests(connection, use, note.elements, at)


def _joined(words: Iterable[str]) -> str:
    return ";".join(sorted(words))


_WRITERS: Mapping[type[Note], Callable[[Connection, AuditEntry, Any], None]] = {
    Disclosed: _write_disclosed,
    DecisionRecord: keep_decision,
    DisclosureRecord: _write_record,
    Waiting: _write_waiting,
    TableRelease: write_release,
}
"""How each kind of note is kept, in the same transaction as the entry it goes with."""
