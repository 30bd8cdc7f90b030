"""Keeps consents and revocations in one order, and reads each organization's chain of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, false, func, select

from services.consent.domain.consents import Consent, SealedBody, new_among
from services.consent.domain.ledger import Change, ChangeRequest, Heads, ListedConsent, Recorded
from services.consent.domain.revocations import Revocation, require_concerned
from services.consent.store import writing as steps
from services.consent.store.database import database_errors
from services.consent.store.instants import instant_of
from services.consent.store.tables import ConsentTable
from services.runtime.database import open_database, writing

_TABLES = ConsentTable.metadata.tables
_SEQUENCE = _TABLES["consent_sequence"]
_CONSENT = _TABLES["consent"]
_BODY = _TABLES["consent_body"]
_REVOCATION = _TABLES["revocation"]
_CHANGE = _TABLES["consent_change"]
_CHAIN = _TABLES["consent_chain"]


class SqlConsentStore:
    """The consent service's store, behind the port `ConsentStore`."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    def record(self, request: ChangeRequest, consents: Sequence[Consent]) -> Recorded:
        consent_ids = [consent.consent_id for consent in consents]
        with self._writing() as connection:
            sequence = steps.lock_sequence(connection)
            if (before := steps.answered(connection, request)) is not None:
                return before
            new = new_among(consents, steps.recorded_digests(connection, consent_ids))
            if new:
                steps.write_consents(connection, new, sequence)
            newest = steps.newest_of(connection, consent_ids)
            return steps.note_answer(connection, request, Recorded(newest, len(new)))

    def revoke(self, request: ChangeRequest, revocation: Revocation) -> int:
        consent_id = revocation.consent_id
        with self._writing() as connection:
            sequence = steps.lock_sequence(connection)
            if (before := steps.answered(connection, request)) is not None:
                return before.sequence
            concerned = steps.concerned_by(connection, consent_id)
            require_concerned(concerned, revocation.organization_id)
            revoked = steps.revoked_at(connection, consent_id)
            if revoked is None:
                steps.write_revocation(connection, revocation, concerned, sequence + 1)
                noted = Recorded(sequence + 1, 1)
            else:
                noted = Recorded(revoked, 0)
            return steps.note_answer(connection, request, noted).sequence

    def heads(self, after: int) -> Heads:
        moved = select(_CHAIN).where(_CHAIN.c.sequence > after)
        with self._reading() as connection:
            sequence = connection.execute(select(_SEQUENCE.c.sequence)).scalar_one()
            chains = {row.organization_id: row.sequence for row in connection.execute(moved)}
        return Heads(sequence, chains)

    def chain_at(self, organization_id: str, sequence: int) -> int:
        query = select(func.max(_CHANGE.c.sequence)).where(
            _CHANGE.c.organization_id == organization_id, _CHANGE.c.sequence <= sequence
        )
        with self._reading() as connection:
            return connection.execute(query).scalar_one() or 0

    def changes(self, organization_id: str, after: int, up_to: int, limit: int) -> Sequence[Change]:
        query = _chain_of(organization_id).where(
            _CHANGE.c.sequence > after, _CHANGE.c.sequence <= up_to
        )
        with self._reading() as connection:
            return [_change_of(row) for row in connection.execute(query.limit(limit))]

    def consents_of(self, organization_id: str, after: int, limit: int) -> Sequence[ListedConsent]:
        query = _chain_of(organization_id).where(
            _CHANGE.c.sequence > after, _CHANGE.c.revoked == false()
        )
        with self._reading() as connection:
            return [
                ListedConsent(
                    sequence=row.sequence,
                    consent=_consent_of(row),
                    revoke_time=None if row.revoke_time is None else instant_of(row.revoke_time),
                )
                for row in connection.execute(query.limit(limit))
            ]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with database_errors(), writing(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction that sees one sequence, whatever is written meanwhile."""
        with database_errors(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection


def _chain_of(organization_id: str) -> Select[Any]:
    """An organization's chain in order, each step with what it is about and its own body."""
    own_body = and_(
        _BODY.c.consent_id == _CHANGE.c.consent_id,
        _BODY.c.organization_id == _CHANGE.c.organization_id,
        _CHANGE.c.revoked == false(),
    )
    return (
        select(
            _CHANGE,
            _CONSENT.c.recorder,
            _CONSENT.c.holder,
            _BODY.c.sealed_key,
            _BODY.c.place,
            _BODY.c.sealed_evidence,
            _REVOCATION.c.organization_id.label("revoked_by"),
            _REVOCATION.c.revoke_time,
            _REVOCATION.c.statement,
            _REVOCATION.c.key_id,
            _REVOCATION.c.signature,
        )
        .join(_CONSENT, _CONSENT.c.consent_id == _CHANGE.c.consent_id)
        .outerjoin(_BODY, own_body)
        .outerjoin(_REVOCATION, _REVOCATION.c.consent_id == _CHANGE.c.consent_id)
        .where(_CHANGE.c.organization_id == organization_id)
        .order_by(_CHANGE.c.sequence)
    )


def _change_of(row: Row[Any]) -> Change:
    what = _revocation_of(row) if row.revoked else _consent_of(row)
    return Change(row.sequence, row.previous_sequence, what)


def _consent_of(row: Row[Any]) -> Consent:
    own = (
        ()
        if row.sealed_key is None
        else (SealedBody(row.organization_id, row.sealed_key, row.place, row.sealed_evidence),)
    )
    return Consent(
        consent_id=row.consent_id,
        recorder=row.recorder,
        holder=row.holder,
        bodies=own,
    )


def _revocation_of(row: Row[Any]) -> Revocation:
    return Revocation(
        consent_id=row.consent_id,
        organization_id=row.revoked_by,
        revoke_time=instant_of(row.revoke_time),
        content=row.statement,
        signer=row.revoked_by,
        key_id=row.key_id,
        signature=row.signature,
    )
