"""Writes the disclosure record beside the log's entries, in the same transaction."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection

from homeroom.audit import AuditEntry
from services.node.domain.copies import CopiedPiece
from services.node.domain.log import Disclosed, Note
from services.node.domain.register import DisclosureRecord, Manifest, Shown
from services.node.store.copies import write_copies
from services.node.store.disclosure_tables import (
    DISCLOSED,
    DISCLOSED_CONSENT,
    DISCLOSURE_MANIFEST,
    DISCLOSURE_RECORD,
    DISCLOSURE_REFUSED,
    RECORD_SHOWN,
)
from services.runtime.database import insert_many, insert_rows

NoteT = TypeVar("NoteT")


Noted: TypeAlias = Sequence[tuple[AuditEntry, NoteT]]
"""Notes of one kind, each with the entry that it goes with."""


def _write_disclosed(connection: Connection, noted: Noted[Disclosed]) -> None:
    students = [(entry.index, *one) for entry, note in noted for one in note.students]
    consents = [(entry.index, *one) for entry, note in noted for one in note.consents]
    insert_many(connection, DISCLOSED, students)
    insert_many(connection, DISCLOSED_CONSENT, consents)


def _write_records(connection: Connection, noted: Noted[DisclosureRecord]) -> None:
    insert_rows(connection, DISCLOSURE_RECORD, [_row(entry, record) for entry, record in noted])
    refused = [
        (entry.index, key, reason or "")
        for entry, record in noted
        for key, reason in record.refused.items()
    ]
    insert_many(connection, DISCLOSURE_REFUSED, refused)


def _row(entry: AuditEntry, record: DisclosureRecord) -> dict[str, Any]:
    until = record.decided.secret_until
    return {
        "log_index": entry.index,
        "query_digest": entry.query_digest,
        "recorded_at": entry.at,
        "recorded_on": dt.datetime.fromtimestamp(entry.at, dt.UTC).date(),
        "event": record.event,
        "regimes": _joined(record.regimes),
        "secret": record.decided.secret,
        "secret_until": int(until.timestamp()) if until else None,
        **_requested(record),
        **_decided(record),
    }


def _requested(record: DisclosureRecord) -> dict[str, Any]:
    requested, interest = record.requested, record.requested.interest
    return {
        "requester": requested.requester,
        "affiliation": interest.affiliation,
        "user_id": requested.user_id,
        "role": requested.role,
        "purpose": requested.purpose,
        "interest": interest.purpose,
        "basis": requested.ground,
        "agreement_id": requested.agreement_id,
        "agreement_version": interest.agreement_version,
        "matter_id": requested.matter_id,
        "onward_to": _joined(requested.onward_to),
        "onward": _written(interest.onward),
        "authorities": _joined(interest.authorities),
        "dataset": requested.dataset,
        "first_day": requested.first_day,
        "last_day": requested.last_day,
        "elements": _joined(requested.elements),
        "everyone": requested.everyone,
    }


def _decided(record: DisclosureRecord) -> dict[str, Any]:
    decided = record.decided
    return {
        "released": _joined(decided.released),
        "reasons": _joined(decided.reasons),
        "withheld": _written(decided.withheld),
        "obligations": _joined(decided.obligations),
        "federation_revision": decided.revisions[0],
        "local_revision": decided.revisions[1],
        "released_by": decided.released_by.user_id,
        "releaser_role": decided.released_by.role,
        "releaser_key": decided.released_by.key_id,
    }


def _write_manifests(connection: Connection, noted: Noted[Manifest]) -> None:
    ended = [
        {
            "log_index": note.began,
            "ended_index": entry.index,
            "ended_at": entry.at,
            "pieces": note.pieces,
            "row_count": note.rows,
            "frames_digest": note.frames_digest,
            "cut": note.cut,
        }
        for entry, note in noted
    ]
    insert_rows(connection, DISCLOSURE_MANIFEST, ended)


def _write_shown(connection: Connection, noted: Noted[Shown]) -> None:
    shown = [(entry.index, note.student_key) for entry, note in noted]
    insert_many(connection, RECORD_SHOWN, shown)


def _joined(words: Iterable[str]) -> str:
    return ";".join(sorted(words))


def _written(words: Mapping[Any, Any]) -> str:
    return json.dumps(words, sort_keys=True, separators=(",", ":")) if words else ""


DISCLOSURE_WRITERS: Mapping[type[Note], Callable[[Connection, Noted[Any]], None]] = {
    Disclosed: _write_disclosed,
    DisclosureRecord: _write_records,
    Manifest: _write_manifests,
    CopiedPiece: write_copies,
    Shown: _write_shown,
}
"""How the notes of each kind are kept."""
