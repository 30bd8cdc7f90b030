"""Writes consents and what changes them into the order, in the transaction of one call."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from homeroom.consent_log import ChangeKind, LogEntry
from homeroom.errors import AlreadyRecordedError
from homeroom.signing import digest_of
from services.consent.domain.consents import Consent
from services.consent.domain.ledger import ChangeRequest, Recorded
from services.consent.domain.notices import Notice, Parties
from services.consent.domain.revocations import Revocation
from services.consent.store import log
from services.consent.store.instants import microseconds_of
from services.consent.store.tables import ConsentTable
from services.runtime.database import insert_many

_TABLES = ConsentTable.metadata.tables
_SEQUENCE = _TABLES["consent_sequence"]
_CONSENT = _TABLES["consent"]
_BODY = _TABLES["consent_body"]
_REVOCATION = _TABLES["revocation"]
_NOTICE = _TABLES["consent_notice"]
_NOTICE_BODY = _TABLES["consent_notice_body"]
_CHANGE = _TABLES["consent_change"]
_CHAIN = _TABLES["consent_chain"]
_REQUEST = _TABLES["consent_request"]

_THE_SEQUENCE = _SEQUENCE.c.sequence_id == 1


def lock_sequence(connection: Connection) -> int:
    """The sequence; other replicas that would write wait until this transaction ends."""
    query = select(_SEQUENCE.c.sequence).where(_THE_SEQUENCE).with_for_update()
    return int(connection.execute(query).scalar_one())


def answered(connection: Connection, request: ChangeRequest) -> Recorded | None:
    """What this call was answered before, if it was.

    Raises:
        AlreadyRecordedError: if its id was used before for another call.
    """
    row = connection.execute(
        select(_REQUEST).where(
            _REQUEST.c.organization_id == request.organization_id,
            _REQUEST.c.request_id == request.request_id,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.digest != request.digest:
        raise AlreadyRecordedError(
            "this request id was used for another request", field="request_id"
        )
    return Recorded(row.sequence, row.recorded_count)


def note_answer(connection: Connection, request: ChangeRequest, recorded: Recorded) -> Recorded:
    """Keeps what a call is answered; returns it."""
    connection.execute(
        insert(_REQUEST).values(
            organization_id=request.organization_id,
            request_id=request.request_id,
            digest=request.digest,
            sequence=recorded.sequence,
            recorded_count=recorded.count,
        )
    )
    return recorded


def recorded_digests(connection: Connection, consent_ids: Sequence[str]) -> dict[str, bytes]:
    """The digests of those of the consents that are recorded."""
    query = select(_CONSENT.c.consent_id, _CONSENT.c.digest).where(
        _CONSENT.c.consent_id.in_(consent_ids)
    )
    return {row.consent_id: bytes(row.digest) for row in connection.execute(query)}


def recorders_of(connection: Connection, consent_ids: Sequence[str]) -> dict[str, str]:
    """Who recorded those of the consents that are recorded."""
    query = select(_CONSENT.c.consent_id, _CONSENT.c.recorder).where(
        _CONSENT.c.consent_id.in_(consent_ids)
    )
    return {row.consent_id: row.recorder for row in connection.execute(query)}


def sequences_of(connection: Connection, consent_ids: Sequence[str]) -> dict[str, int]:
    """Where those of the consents that are recorded stand."""
    query = select(_CONSENT.c.consent_id, _CONSENT.c.sequence).where(
        _CONSENT.c.consent_id.in_(consent_ids)
    )
    return {row.consent_id: row.sequence for row in connection.execute(query)}


def parties_of(connection: Connection, consent_id: str) -> Parties | None:
    """Whom a consent concerns; None if there is none."""
    row = connection.execute(
        select(_CONSENT).where(_CONSENT.c.consent_id == consent_id)
    ).one_or_none()
    if row is None:
        return None
    readers = connection.scalars(
        select(_BODY.c.organization_id).where(_BODY.c.sequence == row.sequence)
    )
    return Parties(row.recorder, row.holder, frozenset(readers))


def revoked_at(connection: Connection, consent_id: str) -> int | None:
    """The sequence of a consent's revocation, if it was revoked."""
    query = select(_REVOCATION.c.sequence).where(_REVOCATION.c.consent_id == consent_id)
    return connection.execute(query).scalar_one_or_none()


def write_consents(
    connection: Connection, consents: Sequence[Consent], sequence: int, at: dt.datetime
) -> None:
    """Adds new consents after a sequence, each one step further."""
    digests = [consent.digest() for consent in consents]
    numbered = list(enumerate(zip(consents, digests, strict=True), start=sequence + 1))
    insert_many(
        connection,
        _CONSENT,
        [
            (consent.consent_id, consent.recorder, consent.holder, digest, place)
            for place, (consent, digest) in numbered
        ],
    )
    insert_many(
        connection,
        _BODY,
        [
            (place, body.organization_id, body.sealed_key, body.place, body.sealed_evidence)
            for place, (consent, _) in numbered
            for body in consent.bodies
        ],
    )
    _write_steps(
        connection,
        [
            LogEntry(place, ChangeKind.RECORDED, consent.consent_id, consent.recorder, digest)
            for place, (consent, digest) in numbered
        ],
        [consent.concerned for consent in consents],
        at,
    )


def write_revocation(
    connection: Connection,
    revocation: Revocation,
    concerned: frozenset[str],
    sequence: int,
    at: dt.datetime,
) -> None:
    """Adds a revocation as the step of that sequence."""
    connection.execute(
        insert(_REVOCATION).values(
            consent_id=revocation.consent_id,
            sequence=sequence,
            organization_id=revocation.organization_id,
            revoke_time=microseconds_of(revocation.revoke_time),
            statement=revocation.content,
            key_id=revocation.key_id,
            signature=revocation.signature,
        )
    )
    entry = LogEntry(
        sequence,
        ChangeKind.REVOKED,
        revocation.consent_id,
        revocation.organization_id,
        digest_of(revocation.content),
    )
    _write_steps(connection, [entry], [concerned], at)


def write_notice(connection: Connection, notice: Notice, sequence: int, at: dt.datetime) -> None:
    """Adds a notice as the step of that sequence, for those who can read it."""
    digest = notice.digest()
    connection.execute(
        insert(_NOTICE).values(
            sequence=sequence,
            kind=notice.kind,
            consent_id=notice.consent_id,
            organization_id=notice.organization_id,
            digest=digest,
        )
    )
    connection.execute(
        insert(_NOTICE_BODY),
        [
            {
                "sequence": sequence,
                "organization_id": one.organization_id,
                "sealed_statement": one.sealed_statement,
            }
            for one in notice.notices
        ],
    )
    entry = LogEntry(sequence, notice.kind, notice.consent_id, notice.organization_id, digest)
    _write_steps(connection, [entry], [notice.readers], at)


def _write_steps(
    connection: Connection,
    entries: Sequence[LogEntry],
    concerned: Sequence[frozenset[str]],
    at: dt.datetime,
) -> None:
    """Adds steps that follow each other to the log, and to the chain of each whom they concern."""
    newest = {row.organization_id: row.sequence for row in connection.execute(select(_CHAIN))}
    moved: dict[str, int] = {}
    rows, taken_at = [], microseconds_of(at)
    for entry, organization_ids in zip(entries, concerned, strict=True):
        for organization_id in sorted(organization_ids):
            before = newest.get(organization_id, 0)
            rows.append(
                (
                    organization_id,
                    entry.sequence,
                    before,
                    str(entry.kind),
                    entry.consent_id,
                    taken_at,
                )
            )
            newest[organization_id] = moved[organization_id] = entry.sequence
    insert_many(connection, _CHANGE, rows)
    connection.execute(delete(_CHAIN).where(_CHAIN.c.organization_id.in_(list(moved))))
    connection.execute(
        insert(_CHAIN),
        [{"organization_id": name, "sequence": place} for name, place in moved.items()],
    )
    last = entries[-1].sequence
    connection.execute(update(_SEQUENCE).where(_THE_SEQUENCE).values(sequence=last))
    log.append(connection, entries)
