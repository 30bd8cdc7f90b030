"""Reads one organization's chain: each step with what it carries for that organization alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, select

from homeroom.consent_log import ChangeKind, LogEntry
from homeroom.signing import digest_of
from services.consent.domain.consents import Consent, SealedBody
from services.consent.domain.ledger import Change, ListedConsent
from services.consent.domain.notices import Notice, SealedNotice
from services.consent.domain.revocations import Revocation
from services.consent.store.instants import instant_of
from services.consent.store.tables import ConsentTable

_TABLES = ConsentTable.metadata.tables
_CONSENT = _TABLES["consent"]
_BODY = _TABLES["consent_body"]
_REVOCATION = _TABLES["revocation"]
_NOTICE = _TABLES["consent_notice"]
_NOTICE_BODY = _TABLES["consent_notice_body"]
_CHANGE = _TABLES["consent_change"]


def steps_of(
    connection: Connection, organization_id: str, after: int, up_to: int, limit: int
) -> list[Change]:
    """The steps of an organization's chain after a sequence and up to another, in order.

    Of consents it has the bodies for their holder alone: to whoever else follows, they say nothing
    that is acted on, and a body is most of what a step weighs.
    """
    rows = connection.execute(
        _with_consents(organization_id, _CONSENT.c.holder == organization_id)
        .where(_CHANGE.c.sequence > after, _CHANGE.c.sequence <= up_to)
        .order_by(_CHANGE.c.sequence)
        .limit(limit)
    ).all()
    revoked = [row.consent_id for row in rows if row.kind == ChangeKind.REVOKED]
    told = [row.sequence for row in rows if row.kind not in {"recorded", "revoked"}]
    revocations = _revocations(connection, revoked)
    notices = _notices(connection, organization_id, told)

    def what(row: Row[Any]) -> Consent | Revocation | Notice:
        if row.kind == ChangeKind.RECORDED:
            return _consent_of(row)
        if row.kind == ChangeKind.REVOKED:
            return revocations[row.consent_id]
        return notices[row.sequence]

    return [
        Change(row.sequence, row.previous_sequence, what(row), instant_of(row.taken_at))
        for row in rows
    ]


def consents_after(
    connection: Connection, organization_id: str, after: int, limit: int
) -> list[ListedConsent]:
    """The consents that concern an organization after a sequence, as they stand."""
    rows = connection.execute(
        _with_consents(organization_id)
        .where(_CHANGE.c.sequence > after, _CHANGE.c.kind == ChangeKind.RECORDED)
        .order_by(_CHANGE.c.sequence)
        .limit(limit)
    ).all()
    return _listed(connection, rows)


def consents_named(
    connection: Connection, organization_id: str, consent_ids: Sequence[str]
) -> list[ListedConsent]:
    """Those of the consents that concern an organization, oldest first."""
    if not consent_ids:
        return []
    rows = connection.execute(
        _with_consents(organization_id)
        .where(_CONSENT.c.consent_id.in_(consent_ids))
        .order_by(_CHANGE.c.sequence)
    ).all()
    return _listed(connection, rows)


def _with_consents(organization_id: str, *which: ColumnElement[bool]) -> Select[Any]:
    """An organization's steps, each with the consent that it recorded and its own body of it.

    Args:
        organization_id: whose steps.
        which: of which consents the body is wanted; of every one if nothing is said.
    """
    own = and_(
        _BODY.c.sequence == _CHANGE.c.sequence,
        _BODY.c.organization_id == organization_id,
        *which,
    )
    return (
        select(
            _CHANGE,
            _CONSENT.c.recorder,
            _CONSENT.c.holder,
            _BODY.c.sealed_key,
            _BODY.c.place,
            _BODY.c.sealed_evidence,
        )
        .outerjoin(_CONSENT, _CONSENT.c.sequence == _CHANGE.c.sequence)
        .outerjoin(_BODY, own)
        .where(_CHANGE.c.organization_id == organization_id)
    )


def _listed(connection: Connection, rows: Sequence[Any]) -> list[ListedConsent]:
    revocations = _revocations(connection, [row.consent_id for row in rows])
    return [
        ListedConsent(
            row.sequence,
            _consent_of(row),
            revocations[row.consent_id].revoke_time if row.consent_id in revocations else None,
            instant_of(row.taken_at),
        )
        for row in rows
    ]


def reports_after(
    connection: Connection, organization_id: str, after: int, limit: int
) -> list[tuple[int, Notice]]:
    """The verdicts that an organization was told after a sequence, in order."""
    rows = connection.execute(
        select(_CHANGE.c.sequence, _CHANGE.c.taken_at)
        .where(
            _CHANGE.c.organization_id == organization_id,
            _CHANGE.c.sequence > after,
            _CHANGE.c.kind == ChangeKind.REPORTED,
        )
        .order_by(_CHANGE.c.sequence)
        .limit(limit)
    ).all()
    notices = _notices(connection, organization_id, [row.sequence for row in rows])
    return [
        (row.sequence, replace(notices[row.sequence], taken_at=instant_of(row.taken_at)))
        for row in rows
    ]


def entries_of(connection: Connection, consent_id: str) -> list[LogEntry]:
    """The log's entries of one consent, oldest first."""
    recorded = connection.execute(select(_CONSENT).where(_CONSENT.c.consent_id == consent_id)).one()
    entries = [
        LogEntry(
            recorded.sequence,
            ChangeKind.RECORDED,
            consent_id,
            recorded.recorder,
            bytes(recorded.digest),
        )
    ]
    chosen = select(_REVOCATION).where(_REVOCATION.c.consent_id == consent_id)
    for row in connection.execute(chosen):
        digest = digest_of(bytes(row.statement))
        entries.append(
            LogEntry(row.sequence, ChangeKind.REVOKED, consent_id, row.organization_id, digest)
        )
    for row in connection.execute(select(_NOTICE).where(_NOTICE.c.consent_id == consent_id)):
        kind = ChangeKind(row.kind)
        entries.append(
            LogEntry(row.sequence, kind, consent_id, row.organization_id, bytes(row.digest))
        )
    return sorted(entries, key=lambda entry: entry.sequence)


def _consent_of(row: Any) -> Consent:
    bodies: tuple[SealedBody, ...] = ()
    if row.sealed_key is not None:
        own = SealedBody(row.organization_id, row.sealed_key, row.place, row.sealed_evidence)
        bodies = (own,)
    return Consent(row.consent_id, row.recorder, row.holder, bodies)


def _revocations(connection: Connection, consent_ids: Iterable[str]) -> Mapping[str, Revocation]:
    wanted = list(consent_ids)
    if not wanted:
        return {}
    rows = connection.execute(select(_REVOCATION).where(_REVOCATION.c.consent_id.in_(wanted)))
    return {
        row.consent_id: Revocation(
            consent_id=row.consent_id,
            organization_id=row.organization_id,
            revoke_time=instant_of(row.revoke_time),
            content=row.statement,
            signer=row.organization_id,
            key_id=row.key_id,
            signature=row.signature,
        )
        for row in rows
    }


def _notices(
    connection: Connection, organization_id: str, sequences: Sequence[int]
) -> Mapping[int, Notice]:
    if not sequences:
        return {}
    rows = connection.execute(
        select(_NOTICE, _NOTICE_BODY.c.sealed_statement)
        .join(_NOTICE_BODY, _NOTICE_BODY.c.sequence == _NOTICE.c.sequence)
        .where(_NOTICE.c.sequence.in_(sequences), _NOTICE_BODY.c.organization_id == organization_id)
    )
    return {
        row.sequence: Notice(
            ChangeKind(row.kind),
            row.consent_id,
            row.organization_id,
            (SealedNotice(organization_id, row.sealed_statement),),
        )
        for row in rows
    }
