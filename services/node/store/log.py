"""Keeps the node's append-only log in its own database."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, select

from homeroom.audit import AuditEntry, AuditKind
from homeroom.errors import EvidenceInvalidError
from homeroom.merkle import HASH_BYTES
from services.node.domain.aggregates import TableRelease
from services.node.domain.decision_record import DecisionRecord
from services.node.domain.log import Note
from services.node.domain.on_file import Waiting
from services.node.store.aggregates import write_release
from services.node.store.approvals import open_requests
from services.node.store.database import available
from services.node.store.decision_records import keep_decisions
from services.node.store.disclosures import DISCLOSURE_WRITERS
from services.node.store.state_tables import LOG
from services.runtime.audit import KeptLog
from services.runtime.audit.tables import Tiles, entry_of
from services.runtime.tiles import TILE, TiledTree


class LogStore(KeptLog[Note]):
    """The node's log."""

    def __init__(self, state: Engine) -> None:
        super().__init__(state, LOG, _keep)
        self._state = state

    @available()
    def end_of(self, query_digest: str) -> Mapping[str, Any] | None:
        """What the entry says that was written when an answer ended; None if there is none.

        Raises:
            EvidenceInvalidError: if that entry is not the one whose hash the log's tree has.
        """
        kept = LOG.entry
        chosen = select(kept).where(
            kept.c.kind == str(AuditKind.RELEASED), kept.c.query_digest == query_digest
        )
        with self._state.connect() as connection:
            row = connection.execute(chosen).one_or_none()
            if row is None:
                return None
            entry = entry_of(row)
            place, within = divmod(entry.index, TILE)
            leaves = TiledTree(Tiles(connection, LOG.tile)).tile(0, place)
        if leaves[within * HASH_BYTES :][:HASH_BYTES] != entry.leaf():
            raise EvidenceInvalidError("an entry of the log is not what its hash was made of")
        return entry.said


def _keep(connection: Connection, noted: Sequence[tuple[AuditEntry, Note]]) -> None:
    """Kind by kind: what many entries have of one kind costs little more than what one has."""
    by_kind: dict[type[Note], list[tuple[AuditEntry, Any]]] = {}
    for entry, note in noted:
        by_kind.setdefault(type(note), []).append((entry, note))
    for kind, some in by_kind.items():
        _WRITERS[kind](connection, some)


def _write_waiting(connection: Connection, noted: Sequence[tuple[AuditEntry, Waiting]]) -> None:
    for entry, note in noted:
        use = (note.requester, note.agreement_id, note.purpose)
        at = dt.datetime.fromtimestamp(entry.at, dt.UTC)
        open_requests(connection, use, note.elements, at)


def _write_releases(
    connection: Connection, noted: Sequence[tuple[AuditEntry, TableRelease]]
) -> None:
    for entry, note in noted:
        write_release(connection, entry, note)


_WRITERS: Mapping[type[Note], Callable[[Connection, Sequence[tuple[AuditEntry, Any]]], None]] = {
    **DISCLOSURE_WRITERS,
    DecisionRecord: keep_decisions,
    Waiting: _write_waiting,
    TableRelease: _write_releases,
}
"""How the notes of each kind are kept, in the same transaction as the entries they go with."""
