"""Keeps what decisions were made from, beside the log, for as long as a setting says."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, delete, select

from homeroom.audit import AuditEntry
from services.node.domain.decision import Revisions
from services.node.domain.decision_record import DecisionRecord, KeptDecision
from services.node.store.database import available
from services.node.store.state_tables import DECISION_RECORD
from services.runtime.database import insert_rows, writing

_KEPT = DECISION_RECORD.c
_AT_ONCE = 500
_SHORTEST_BEGINNING = 8


class DecisionRecordStore:
    """The decisions, in SQLite or PostgreSQL; implements `DecisionRecords`."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    def since(self, first: dt.datetime | None, most: int | None = None) -> Iterator[KeptDecision]:
        asked = select(DECISION_RECORD).order_by(_KEPT.log_index.desc())
        if first is not None:
            asked = asked.where(_KEPT.decided_at >= int(first.timestamp()))
        # Some at a time: whoever tries a policy on each takes long, and must not hold a snapshot.
        below, left = None, most
        while left is None or left > 0:
            rows = self._some(asked, below, _AT_ONCE if left is None else min(left, _AT_ONCE))
            yield from (_read(row) for row in rows)
            if len(rows) < _AT_ONCE:
                return
            below, left = rows[-1].log_index, None if left is None else left - len(rows)

    @available()
    def _some(self, asked: Select[Any], below: int | None, most: int) -> Sequence[Row[Any]]:
        if below is not None:
            asked = asked.where(_KEPT.log_index < below)
        with self._state.connect() as connection:
            return connection.execute(asked.limit(most)).all()

    @available()
    def of_query(self, query_digest: str) -> KeptDecision | None:
        if len(query_digest) < _SHORTEST_BEGINNING:
            return None
        named = _KEPT.query_digest.startswith(query_digest.lower(), autoescape=True)
        with self._state.connect() as connection:
            rows = connection.execute(select(DECISION_RECORD).where(named).limit(2)).all()
        return _read(rows[0]) if len(rows) == 1 else None

    @available()
    def forget_before(self, instant: dt.datetime) -> int:
        old = _KEPT.decided_at < int(instant.timestamp())
        with writing(self._state) as connection:
            return connection.execute(delete(DECISION_RECORD).where(old)).rowcount


def keep_decisions(
    connection: Connection, noted: Sequence[tuple[AuditEntry, DecisionRecord]]
) -> None:
    """Keeps decisions with their log entries: all are written, or none is."""
    kept = [
        {
            "log_index": entry.index,
            "decided_at": entry.at,
            "query_digest": entry.query_digest,
            "facts": _written(record.facts),
            "decision": _written(record.document),
            "federation_revision": record.revisions.federation,
            "local_revision": record.revisions.local,
        }
        for entry, record in noted
    ]
    insert_rows(connection, DECISION_RECORD, kept)


def _written(content: Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _read(row: Row[Any]) -> KeptDecision:
    return KeptDecision(
        row.query_digest,
        dt.datetime.fromtimestamp(row.decided_at, dt.UTC),
        DecisionRecord(
            json.loads(row.facts),
            json.loads(row.decision),
            Revisions(row.federation_revision, row.local_revision),
        ),
    )
