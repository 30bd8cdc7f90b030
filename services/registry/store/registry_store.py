"""Keeps the registry's entries in one order of changes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, delete, func, insert, select, update

from homeroom.errors import AlreadyRecordedError
from services.registry.domain.agreements import RegisteredAgreement
from services.registry.domain.ledger import ChangeRequest, Contents, Decision, E, Entry, Ledger
from services.registry.domain.organizations import RegisteredOrganization
from services.registry.store.organizations import organizations_of
from services.registry.store.rows import (
    statement_of,
    values_of_keys,
    values_of_organization,
    values_of_statement,
)
from services.registry.store.tables import RegistryTable
from services.runtime.database import database_errors, open_database, writing

_TABLES = RegistryTable.metadata.tables
_SEQUENCE = _TABLES["registry_sequence"]
_ORGANIZATION = _TABLES["organization"]
_KEY_RECORD = _TABLES["organization_key_record"]
_STATEMENT = _TABLES["agreement_statement"]
_DOCUMENT = _TABLES["agreement_document"]
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

    def go_on_after(self, sequence: int) -> None:
        """Lets the next state be newer than one that was seen before the store was restored."""
        if not sequence:
            return
        with database_errors(), writing(self._engine) as connection:
            older = and_(_THE_SEQUENCE, _SEQUENCE.c.sequence <= sequence)
            connection.execute(update(_SEQUENCE).where(older).values(sequence=sequence + 1))

    def sequence(self) -> int:
        with self._reading() as connection:
            return _sequence(connection)

    def contents(self) -> Contents:
        with self._reading() as connection:
            chosen = select(_ORGANIZATION).order_by(_ORGANIZATION.c.organization_id)
            return Contents(
                sequence=_sequence(connection),
                organizations=tuple(organizations_of(connection, chosen)),
                agreements=tuple(_agreements(connection)),
            )

    def organizations(self, after: str, limit: int) -> Sequence[RegisteredOrganization]:
        query = (
            select(_ORGANIZATION)
            .where(_ORGANIZATION.c.organization_id > after)
            .order_by(_ORGANIZATION.c.organization_id)
            .limit(limit)
        )
        with self._reading() as connection:
            return organizations_of(connection, query)

    def agreements_of(
        self, organization_id: str, after: str, limit: int
    ) -> Sequence[RegisteredAgreement]:
        query = (
            select(_PARTY.c.agreement_id)
            .where(_PARTY.c.organization_id == organization_id, _PARTY.c.agreement_id > after)
            .order_by(_PARTY.c.agreement_id)
            .limit(limit)
        )
        with self._reading() as connection:
            found = connection.scalars(query).all()
            return _agreements(connection, found)

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
        chosen = select(_ORGANIZATION).where(_ORGANIZATION.c.organization_id == organization_id)
        found = organizations_of(self._connection, chosen)
        return found[0] if found else None

    def agreement(self, agreement_id: str) -> RegisteredAgreement | None:
        found = _agreements(self._connection, [agreement_id])
        return found[0] if found else None

    def agreements_of(self, organization_id: str) -> Sequence[RegisteredAgreement]:
        chosen = select(_PARTY.c.agreement_id).where(_PARTY.c.organization_id == organization_id)
        return _agreements(self._connection, self._connection.scalars(chosen).all())

    def sequence(self) -> int:
        return _sequence(self._connection)


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


def _agreements(
    connection: Connection, names: Sequence[str] | None = None
) -> list[RegisteredAgreement]:
    """The agreements of those names, or all; in the order of names."""
    statements = _by_agreement(connection, _STATEMENT, _STATEMENT.c.position, names)
    documents = _by_agreement(connection, _DOCUMENT, _DOCUMENT.c.position, names)
    parties = _by_agreement(connection, _PARTY, _PARTY.c.organization_id, names)
    return [
        RegisteredAgreement(
            agreement_id=name,
            statements=tuple(statement_of(row) for row in rows),
            documents=tuple(row.content for row in documents[name]),
            people=frozenset(row.organization_id for row in parties[name]),
        )
        for name, rows in statements.items()
    ]


def _by_agreement(
    connection: Connection, table: Table, order: Any, names: Sequence[str] | None
) -> dict[str, list[Row[Any]]]:
    query = select(table).order_by(table.c.agreement_id, order)
    if names is not None:
        query = query.where(table.c.agreement_id.in_(names))
    rows = connection.execute(query)
    return {name: list(group) for name, group in groupby(rows, key=lambda row: row.agreement_id)}


def _write(connection: Connection, entry: Entry) -> None:
    if isinstance(entry, RegisteredOrganization):
        same = _ORGANIZATION.c.organization_id == entry.organization_id
        _replace(connection, _ORGANIZATION, same, [values_of_organization(entry)])
        same = _KEY_RECORD.c.organization_id == entry.organization_id
        _replace(connection, _KEY_RECORD, same, values_of_keys(entry))
        return
    name = entry.agreement_id
    _append(
        connection,
        _STATEMENT,
        name,
        [values_of_statement(name, at, one) for at, one in enumerate(entry.statements)],
    )
    _append(
        connection,
        _DOCUMENT,
        name,
        [
            {"agreement_id": name, "position": at, "content": content}
            for at, content in enumerate(entry.documents)
        ],
    )
    same = _PARTY.c.agreement_id == name
    people = [{"agreement_id": name, "organization_id": one} for one in sorted(entry.people)]
    _replace(connection, _PARTY, same, people)


def _append(
    connection: Connection, table: Table, name: str, values: Sequence[dict[str, Any]]
) -> None:
    """Adds the rows that are not there yet: what stands in a history is never written again."""
    there = connection.scalar(
        select(func.count()).select_from(table).where(table.c.agreement_id == name)
    )
    new = values[there or 0 :]
    if new:
        connection.execute(insert(table), new)


def _replace(
    connection: Connection, table: Table, same: Any, values: Sequence[dict[str, Any]]
) -> None:
    connection.execute(delete(table).where(same))
    if values:
        connection.execute(insert(table), values)
