"""Keeps certificates of destruction with the disclosure record, and finds what lacks one."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, exists, func, select

from homeroom.audit import AuditKind, encode_content
from homeroom.destruction.certificate import KEPT_FOR_GOOD, CertificateReceipt
from services.node.domain.certifying import (
    ArrivedCertificate,
    GivenAnswer,
    certificate_content,
)
from services.node.domain.kept_record import CertifiedDestruction
from services.node.domain.outstanding import OpenAnswers
from services.node.domain.register import RecordedEvent
from services.node.store.consent_tables import CONSENT
from services.node.store.database import available
from services.node.store.disclosure_tables import (
    DESTRUCTION_CERTIFICATE,
    DESTRUCTION_CERTIFIED,
    DISCLOSED,
    DISCLOSED_CONSENT,
    DISCLOSURE_MANIFEST,
    DISCLOSURE_RECORD,
)
from services.node.store.lists import one_of
from services.node.store.state_tables import LOG, LOG_ENTRY
from services.runtime.audit import append_within
from services.runtime.database import insert_rows, writing

_RECORD, _MANIFEST = DISCLOSURE_RECORD.c, DISCLOSURE_MANIFEST.c
_CERTIFICATE, _CERTIFIED = DESTRUCTION_CERTIFICATE.c, DESTRUCTION_CERTIFIED.c
_SECONDS_A_DAY = 86_400
_PART = "part"
_SETTLING = ("", *sorted(KEPT_FOR_GOOD))


class DestructionStore:
    """Certificates of destruction, in SQLite or PostgreSQL."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def given(self, recipient: str, query_digests: Sequence[str]) -> Mapping[str, GivenAnswer]:
        """The answers that a recipient itself was given to these questions, by their digest."""
        ended = LOG_ENTRY.alias("ended")
        chosen = (
            select(
                *(LOG_ENTRY.c.query_digest, _RECORD.log_index, _RECORD.agreement_id),
                *(_MANIFEST.ended_index, _MANIFEST.ended_at, ended.c.leaf),
            )
            .join(DISCLOSURE_RECORD, _RECORD.log_index == LOG_ENTRY.c.log_index)
            .join(DISCLOSURE_MANIFEST, _MANIFEST.log_index == LOG_ENTRY.c.log_index)
            .join(ended, ended.c.log_index == _MANIFEST.ended_index)
            .where(
                LOG_ENTRY.c.kind == str(AuditKind.DECIDED),
                one_of(LOG_ENTRY.c.query_digest, query_digests),
                _RECORD.requester == recipient,
                # What a steward entered for someone outside is no answer to that name's owner.
                _RECORD.released_by == "",
            )
        )
        with self._state.connect() as connection:
            rows = connection.execute(chosen).all()
        return {
            row.query_digest: GivenAnswer(
                row.log_index,
                row.agreement_id,
                row.ended_index,
                bytes(row.leaf),
                _day(row.ended_at),
            )
            for row in rows
        }

    @available()
    def keep(self, arrived: ArrivedCertificate) -> CertificateReceipt:
        """Keeps a certificate with an entry of the log; one that was kept before is the same."""
        certificate, digest = arrived.certificate, arrived.digest.hex()
        with writing(self._state) as connection:
            LOG.lock(connection)
            if not _is_kept(connection, digest):
                content = encode_content(_content(arrived))
                kind = str(AuditKind.DESTRUCTION_CERTIFIED)
                entry = append_within(connection, LOG, kind, digest, content)
                _write(connection, arrived, entry.index, entry.at)
            kept = connection.execute(
                select(LOG_ENTRY.c.log_index, LOG_ENTRY.c.leaf, LOG_ENTRY.c.written_at)
                .join(DESTRUCTION_CERTIFICATE, _CERTIFICATE.log_index == LOG_ENTRY.c.log_index)
                .where(_CERTIFICATE.digest == digest)
            ).one()
        return CertificateReceipt(
            arrived.digest,
            certificate.holder,
            certificate.recipient,
            kept.log_index,
            bytes(kept.leaf),
            dt.datetime.fromtimestamp(kept.written_at, dt.UTC),
        )

    @available()
    def open_answers(self) -> Sequence[OpenAnswers]:
        """Whole answers that no certificate settles."""
        kept = (
            select(func.max(_CERTIFIED.kept_because))
            .where(_CERTIFIED.log_index == _RECORD.log_index, _CERTIFIED.consent_id == "")
            .correlate(DISCLOSURE_RECORD)
            .scalar_subquery()
        )
        given = _given(_settled("")).add_columns(func.coalesce(kept, "").label("kept_because"))
        with self._state.connect() as connection:
            return [_open(row) for row in connection.execute(_counted(given))]

    @available()
    def open_parts(self) -> Sequence[OpenAnswers]:
        """What consents let leave that were revoked since, as far as nothing settles it."""
        revoked = CONSENT.c.revoked_at
        kept = (
            select(func.max(_CERTIFIED.kept_because))
            .where(
                _CERTIFIED.log_index == _RECORD.log_index,
                _CERTIFIED.consent_id.in_(["", CONSENT.c.consent_id]),
            )
            .correlate(DISCLOSURE_RECORD, CONSENT)
            .scalar_subquery()
        )
        # By student first: few consents are revoked, and what left by one is found by its student.
        given = (
            _given(_settled("", CONSENT.c.consent_id))
            .join(DISCLOSED, DISCLOSED.c.log_index == _RECORD.log_index)
            .join(CONSENT, CONSENT.c.student_key == DISCLOSED.c.student_key)
            .join(
                DISCLOSED_CONSENT,
                (DISCLOSED_CONSENT.c.log_index == DISCLOSED.c.log_index)
                & (DISCLOSED_CONSENT.c.student_key == DISCLOSED.c.student_key)
                & (DISCLOSED_CONSENT.c.consent_key == CONSENT.c.consent_key),
            )
            .where(revoked.is_not(None), revoked >= _MANIFEST.ended_at)
            .add_columns(
                func.coalesce(kept, "").label("kept_because"),
                (revoked - revoked % _SECONDS_A_DAY).label("revoked_at"),
                CONSENT.c.consent_key.label(_PART),
            )
        )
        with self._state.connect() as connection:
            return [_open(row) for row in connection.execute(_counted(given))]


def certified_beside(
    connection: Connection, indexes: Sequence[int]
) -> Mapping[int, tuple[CertifiedDestruction, ...]]:
    """What recipients have certified of some entries, oldest first."""
    chosen = (
        select(DESTRUCTION_CERTIFIED, DESTRUCTION_CERTIFICATE)
        .join(DESTRUCTION_CERTIFICATE, _CERTIFICATE.digest == _CERTIFIED.digest)
        .where(one_of(_CERTIFIED.log_index, indexes))
        .order_by(_CERTIFICATE.log_index, _CERTIFIED.consent_id)
    )
    found: dict[int, tuple[CertifiedDestruction, ...]] = {}
    for row in connection.execute(chosen.with_only_columns(*_TOLD)):
        told = CertifiedDestruction(
            dt.datetime.fromtimestamp(row.received_at, dt.UTC),
            row.destroyed_on,
            row.method,
            row.kept_because,
            row.consent_id,
        )
        found[row.log_index] = (*found.get(row.log_index, ()), told)
    return found


_TOLD = (
    *(_CERTIFIED.log_index, _CERTIFIED.consent_id, _CERTIFIED.kept_because),
    *(_CERTIFICATE.received_at, _CERTIFICATE.destroyed_on, _CERTIFICATE.method),
)


def _is_kept(connection: Connection, digest: str) -> bool:
    known = select(_CERTIFICATE.digest).where(_CERTIFICATE.digest == digest)
    return connection.scalar(known) is not None


def _content(arrived: ArrivedCertificate) -> Mapping[str, Any]:
    """What the log tells of a certificate."""
    certificate = arrived.certificate
    return {"requester": certificate.recipient, **certificate_content(certificate)}


def _write(connection: Connection, arrived: ArrivedCertificate, index: int, at: int) -> None:
    certificate, digest = arrived.certificate, arrived.digest.hex()
    row = {
        "digest": digest,
        "log_index": index,
        "received_at": at,
        "recipient": certificate.recipient,
        "agreement_id": certificate.agreement_id,
        "method": str(certificate.method),
        "destroyed_on": certificate.destroyed_on,
        "role": certificate.role,
        "evidence": arrived.evidence,
    }
    insert_rows(connection, DESTRUCTION_CERTIFICATE, [row])
    answers = [
        {
            "log_index": entry,
            "consent_id": one.consent_id,
            "digest": digest,
            "kept_because": str(one.kept_because or ""),
        }
        for entry, one in arrived.answers
    ]
    insert_rows(connection, DESTRUCTION_CERTIFIED, answers)


def _given(settled: ColumnElement[bool]) -> Select[Any]:
    """The answers with rows about students that left the organization, unless settled."""
    return (
        select(
            *(_RECORD.log_index, _RECORD.requester, _RECORD.agreement_id),
            *(_RECORD.agreement_version, _RECORD.basis),
            (_MANIFEST.ended_at - _MANIFEST.ended_at % _SECONDS_A_DAY).label("given_at"),
        )
        .select_from(DISCLOSURE_RECORD)
        .join(DISCLOSURE_MANIFEST, _MANIFEST.log_index == _RECORD.log_index)
        .where(
            _RECORD.event == str(RecordedEvent.DISCLOSURE),
            _RECORD.released_by == "",
            _MANIFEST.row_count > 0,
            ~settled,
        )
    )


def _settled(*consents: Any) -> ColumnElement[bool]:
    """Whether a certificate settles an entry as a whole, or what one consent let leave."""
    return exists().where(
        _CERTIFIED.log_index == _RECORD.log_index,
        _CERTIFIED.consent_id.in_(consents),
        _CERTIFIED.kept_because.in_(_SETTLING),
    )


def _counted(given: Select[Any]) -> Select[Any]:
    """How many of them there are, of each recipient, day and terms."""
    rows = given.distinct().subquery()
    alike = [column for column in rows.c if column.name not in {"log_index", _PART}]
    return select(*alike, func.count().label("answers")).group_by(*alike)


def _open(row: Any) -> OpenAnswers:
    revoked_at = getattr(row, "revoked_at", None)
    return OpenAnswers(
        row.requester,
        row.agreement_id,
        row.agreement_version,
        row.basis,
        _day(row.given_at),
        row.answers,
        row.kept_because,
        None if revoked_at is None else _day(revoked_at),
    )


def _day(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()
