"""Keeps the registry's entries in one order of changes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, insert, or_, select, update

from homeroom.errors import AlreadyRecordedError
from services.registry.domain.agreements import RegisteredAgreement
from services.registry.domain.ledger import ChangeRequest, Contents, Decision, E, Entry, Ledger
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.store.database import database_errors
from services.registry.store.rows import (
    agreement_of,
    organization_of,
    values_of_agreement,
    values_of_organization,
    values_of_parties,
)
from services.registry.store.tables import RegistryTable
from services.runtime.database import open_database, writing

_TABLES = RegistryTable.metadata.tables
_SEQUENCE = _TABLES["registry_sequence"]
_ORGANIZATION = _TABLES["organization"]
_AGREEMENT = _TABLES["agreement"]
_PARTY = _TABLES["agreement_party"]
_REQUEST = _TABLES["registry_request"]

_THE_SEQUENCE = _SEQUENCE.c.sequence_id == 1


class SqlRegistryStore:
    """The registry's store, behind the port `RegistryStore`."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    def change(
        self,
        request: ChangeRequest,
        decide: Callable[[Ledger], Decision[E]],
        answer: Callable[[E, int], bytes],
    ) -> bytes:
        with database_errors(), writing(self._engine) as connection:
            sequence = _locked_sequence(connection)
            answered = _answered(connection, request)
            if answered is not None:
                return answered
            decision = decide(_StoredLedger(connection))
            for entry in decision.changed:
                _write(connection, entry)
            if decision.changed:
                sequence += 1
                connection.execute(update(_SEQUENCE).where(_THE_SEQUENCE).values(sequence=sequence))
            reply = answer(decision.result, sequence)
            _note(connection, request, reply)
            return reply

    def sequence(self) -> int:
        with self._reading() as connection:
            return _sequence(connection)

    def contents(self) -> Contents:
        with self._reading() as connection:
            organizations = connection.execute(
                select(_ORGANIZATION).order_by(_ORGANIZATION.c.organization_id)
            )
            return Contents(
                sequence=_sequence(connection),
                organizations=tuple(organization_of(row) for row in organizations),
                agreements=tuple(_agreements(connection, True)),
            )

    def organizations(self, after: str, limit: int) -> Sequence[RegisteredOrganization]:
        query = (
            select(_ORGANIZATION)
            .where(_ORGANIZATION.c.organization_id > after)
            .order_by(_ORGANIZATION.c.organization_id)
            .limit(limit)
        )
        with self._reading() as connection:
            return [organization_of(row) for row in connection.execute(query)]

    def agreements_of(
        self, organization_id: str, after: tuple[str, int], limit: int
    ) -> Sequence[RegisteredAgreement]:
        identifier, version = after
        beyond = or_(
            _PARTY.c.agreement_id > identifier,
            and_(_PARTY.c.agreement_id == identifier, _PARTY.c.version > version),
        )
        query = (
            select(_PARTY.c.agreement_id, _PARTY.c.version)
            .where(_PARTY.c.organization_id == organization_id, beyond)
            .order_by(_PARTY.c.agreement_id, _PARTY.c.version)
            .limit(limit)
        )
        with self._reading() as connection:
            found = connection.execute(query).all()
            return [
                agreement
                for row in found
                for agreement in _agreements(
                    connection, _is_version(_AGREEMENT, row.agreement_id, row.version)
                )
            ]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction that sees one sequence, whatever is written meanwhile."""
        with database_errors(), self._engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection


class _StoredLedger:
    """What stands, read in the transaction that changes it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def organization(self, organization_id: str) -> RegisteredOrganization | None:
        row = self._connection.execute(
            select(_ORGANIZATION).where(_ORGANIZATION.c.organization_id == organization_id)
        ).one_or_none()
        return organization_of(row) if row is not None else None

    def versions(self, agreement_id: str) -> Sequence[RegisteredAgreement]:
        return _agreements(self._connection, _AGREEMENT.c.agreement_id == agreement_id)


def _sequence(connection: Connection) -> int:
    return int(connection.execute(select(_SEQUENCE.c.sequence).where(_THE_SEQUENCE)).scalar_one())


def _locked_sequence(connection: Connection) -> int:
    """The sequence; other replicas that would write wait until this transaction ends."""
    query = select(_SEQUENCE.c.sequence).where(_THE_SEQUENCE).with_for_update()
    return int(connection.execute(query).scalar_one())


def _answered(connection: Connection, request: ChangeRequest) -> bytes | None:
    row = connection.execute(
        select(_REQUEST.c.digest, _REQUEST.c.answer).where(
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
    return bytes(row.answer)


def _note(connection: Connection, request: ChangeRequest, answer: bytes) -> None:
    connection.execute(
        insert(_REQUEST).values(
            organization_id=request.organization_id,
            request_id=request.request_id,
            digest=request.digest,
            answer=answer,
        )
    )


def _agreements(connection: Connection, condition: Any) -> list[RegisteredAgreement]:
    rows = connection.execute(
        select(_AGREEMENT)
        .where(condition)
        .order_by(_AGREEMENT.c.agreement_id, _AGREEMENT.c.version)
    ).all()
    parties = connection.execute(
        select(_PARTY)
        .join(
            _AGREEMENT,
            and_(
                _AGREEMENT.c.agreement_id == _PARTY.c.agreement_id,
                _AGREEMENT.c.version == _PARTY.c.version,
            ),
        )
        .where(condition)
        .order_by(_PARTY.c.agreement_id, _PARTY.c.version, _PARTY.c.organization_id)
    )
    of_version = {
        key: list(group)
        for key, group in groupby(parties, key=lambda row: (row.agreement_id, row.version))
    }
    return [agreement_of(row, of_version[row.agreement_id, row.version]) for row in rows]


def _write(connection: Connection, entry: Entry) -> None:
    if isinstance(entry, RegisteredOrganization):
        same = _ORGANIZATION.c.organization_id == entry.organization_id
        _replace(connection, _ORGANIZATION, same, [values_of_organization(entry)])
        return
    version = (entry.agreement_id, entry.version)
    _replace(
        connection, _AGREEMENT, _is_version(_AGREEMENT, *version), [values_of_agreement(entry)]
    )
    _replace(connection, _PARTY, _is_version(_PARTY, *version), list(values_of_parties(entry)))


def _is_version(table: Table, agreement_id: str, version: int) -> Any:
    return and_(table.c.agreement_id == agreement_id, table.c.version == version)


def _replace(
    connection: Connection, table: Table, same: Any, values: Sequence[dict[str, Any]]
) -> None:
    connection.execute(delete(table).where(same))
    connection.execute(insert(table), values)
