"""Keeps consents and all that changes them in one order, and reads each organization's chain."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, func, select

from homeroom.consent_log import ChangeKind
from homeroom.errors import StateBehindError
from services.consent.domain.consents import Consent, new_among, without_recorded
from services.consent.domain.ledger import (
    Appended,
    Change,
    ChangeRequest,
    Heads,
    ListedConsent,
    LogHead,
    Proof,
    Recorded,
)
from services.consent.domain.notices import Notice, require_narrowable
from services.consent.domain.revocations import Revocation, require_concerned
from services.consent.store import log, reading
from services.consent.store import writing as steps
from services.consent.store.tables import ConsentTable
from services.runtime.database import database_errors, open_database, writing

_TABLES = ConsentTable.metadata.tables
_SEQUENCE = _TABLES["consent_sequence"]
_CHANGE = _TABLES["consent_change"]
_CHAIN = _TABLES["consent_chain"]


class SqlConsentStore:
    """The consent service's store, behind the port `ConsentStore`."""

    def __init__(self, url: str) -> None:
        self._engine = open_database(url)

    def close(self) -> None:
        self._engine.dispose()

    def record(
        self, request: ChangeRequest, consents: Sequence[Consent], *, skip_recorded: bool = False
    ) -> Recorded:
        consent_ids = [consent.consent_id for consent in consents]
        with self._writing() as connection:
            sequence = steps.lock_sequence(connection)
            if (before := steps.answered(connection, request)) is not None:
                return before
            if skip_recorded:
                new = without_recorded(consents, steps.recorders_of(connection, consent_ids))
            else:
                new = new_among(consents, steps.recorded_digests(connection, consent_ids))
            if new:
                steps.write_consents(connection, new, sequence, request.at)
            newest = sequence + len(new)
            if len(new) < len(consents):
                newest = max(steps.sequences_of(connection, consent_ids).values())
            return steps.note_answer(connection, request, Recorded(newest, len(new)))

    def revoke(self, request: ChangeRequest, revocation: Revocation) -> int:
        consent_id = revocation.consent_id
        with self._writing() as connection:
            sequence = steps.lock_sequence(connection)
            if (before := steps.answered(connection, request)) is not None:
                return before.sequence
            parties = steps.parties_of(connection, consent_id)
            concerned = parties.everyone if parties else frozenset()
            require_concerned(concerned, revocation.organization_id)
            revoked = steps.revoked_at(connection, consent_id)
            if revoked is None:
                at = request.at
                steps.write_revocation(connection, revocation, concerned, sequence + 1, at)
                noted = Recorded(sequence + 1, 1)
            else:
                noted = Recorded(revoked, 0)
            return steps.note_answer(connection, request, noted).sequence

    def notify(self, request: ChangeRequest, notice: Notice) -> int:
        with self._writing() as connection:
            sequence = steps.lock_sequence(connection)
            if (before := steps.answered(connection, request)) is not None:
                return before.sequence
            if notice.kind is ChangeKind.NARROWED:
                require_narrowable(notice, steps.parties_of(connection, notice.consent_id))
            steps.write_notice(connection, notice, sequence + 1, request.at)
            return steps.note_answer(connection, request, Recorded(sequence + 1, 1)).sequence

    def sequences_of(self, consent_ids: Sequence[str]) -> Mapping[str, int]:
        with self._reading() as connection:
            return steps.sequences_of(connection, consent_ids)

    def appended(self, size_before: int, size: int) -> Appended:
        with self._reading() as connection:
            return log.appended(connection, size_before, size)

    def proof_of(self, consent_id: str, organization_id: str) -> Proof:
        with self._reading() as connection:
            parties = steps.parties_of(connection, consent_id)
            require_concerned(parties.everyone if parties else (), organization_id)
            entries = reading.entries_of(connection, consent_id)
            return log.proof_of(connection, entries, _size(connection))

    def growth(self, known_size: int, size: int) -> tuple[LogHead, bytes]:
        with self._reading() as connection:
            newest = _size(connection)
            wanted = size or newest
            if not known_size <= wanted <= newest:
                raise StateBehindError("this service's log is not that long", state="consent")
            return log.growth(connection, known_size, wanted)

    def consents_named(
        self, consent_ids: Sequence[str], organization_id: str
    ) -> Sequence[ListedConsent]:
        with self._reading() as connection:
            return reading.consents_named(connection, organization_id, consent_ids)

    def reports_to(
        self, organization_id: str, after: int, limit: int
    ) -> Sequence[tuple[int, Notice]]:
        with self._reading() as connection:
            return reading.reports_after(connection, organization_id, after, limit)

    def heads(self, after: int) -> Heads:
        moved = select(_CHAIN).where(_CHAIN.c.sequence > after)
        with self._reading() as connection:
            chains = {row.organization_id: row.sequence for row in connection.execute(moved)}
            size = _size(connection)
            return Heads(size, log.head_at(connection, size).root, chains)

    def chain_at(self, organization_id: str, sequence: int) -> int:
        query = select(func.max(_CHANGE.c.sequence)).where(
            _CHANGE.c.organization_id == organization_id, _CHANGE.c.sequence <= sequence
        )
        with self._reading() as connection:
            return connection.execute(query).scalar_one() or 0

    def changes(self, organization_id: str, after: int, up_to: int, limit: int) -> Sequence[Change]:
        with self._reading() as connection:
            return reading.steps_of(connection, organization_id, after, up_to, limit)

    def consents_of(self, organization_id: str, after: int, limit: int) -> Sequence[ListedConsent]:
        with self._reading() as connection:
            return reading.consents_after(connection, organization_id, after, limit)

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


def _size(connection: Connection) -> int:
    return int(connection.execute(select(_SEQUENCE.c.sequence)).scalar_one())
