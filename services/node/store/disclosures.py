"""Writes the disclosure record beside the log's entries, in the same transaction."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection

from homeroom.audit import AuditEntry
from services.node.domain.copies import CopiedPiece
from services.node.domain.log import Disclosed, Note
from services.node.domain.register import DisclosureRecord, Manifest, Shown
from services.node.store.copies import write_copy
from services.node.store.disclosure_tables import (
    DISCLOSED,
    DISCLOSED_CONSENT,
    DISCLOSURE_MANIFEST,
    DISCLOSURE_RECORD,
    DISCLOSURE_REFUSED,
    RECORD_SHOWN,
)
from services.runtime.database import insert_many, insert_rows


def _write_disclosed(connection: Connection, entry: AuditEntry, note: Disclosed) -> None:
    index = entry.index
    insert_many(connection, DISCLOSED, [(index, *student) for student in note.students])
    insert_many(connection, DISCLOSED_CONSENT, [(index, *pair) for pair in note.consents])


def _write_record(connection: Connection, entry: AuditEntry, record: DisclosureRecord) -> None:
    insert_rows(connection, DISCLOSURE_RECORD, [_row(entry, record)])
    refused = [(entry.index, key, reason or "") for key, reason in record.refused.items()]
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


def _write_manifest(connection: Connection, entry: AuditEntry, note: Manifest) -> None:
    ended = {
        "log_index": note.began,
        "ended_index": entry.index,
        "ended_at": entry.at,
        "pieces": note.pieces,
        "row_count": note.rows,
        "frames_digest": note.frames_digest,
        "cut": note.cut,
    }
    insert_rows(connection, DISCLOSURE_MANIFEST, [ended])


def _write_shown(connection: Connection, entry: AuditEntry, note: Shown) -> None:
    insert_many(connection, RECORD_SHOWN, [(entry.index, note.student_key)])


def _joined(words: Iterable[str]) -> str:
    return ";".join(sorted(words))


def _written(words: Mapping[Any, Any]) -> str:
    return json.dumps(words, sort_keys=True, separators=(",", ":")) if words else ""


DISCLOSURE_WRITERS: Mapping[type[Note], Callable[[Connection, AuditEntry, Any], None]] = {
    Disclosed: _write_disclosed,
    DisclosureRecord: _write_record,
    Manifest: _write_manifest,
    CopiedPiece: write_copy,
    Shown: _write_shown,
}
"""How each kind of note is kept."""
