"""Keeps a node's own state: consents and their grants, link codes, registry evidence."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import OperationalError

from homeroom.errors import LogUnavailableError
from services.node.domain.agreement_memory import Remembered
from services.node.domain.consent_book import Arrived, Progress, Revoked, Settled
from services.node.domain.consents import ConsentProblem, Student
from services.node.store.records.tables import RecordTable
from services.node.store.state_tables import (
    AGREEMENT_MEMORY,
    CONSENT,
    CONSENT_GRANT,
    CONSENT_PROGRESS,
    LINK_CODE,
    SAVED_SNAPSHOT,
)
from services.runtime.database import writing

_IN_LIST = 500
"""How many values one statement names: below every database's limit of parameters."""

LINK_CODE_BYTES = 16

_STUDENT = RecordTable.metadata.tables["student"]

T = TypeVar("T")


@contextmanager
def _available() -> Iterator[None]:
    """Says that the database is not usable now: its disk is full, or it is gone.

    Raises:
        LogUnavailableError: in place of the database's own error, so that whoever follows a
            service tries again.
    """
    try:
        yield
    except OperationalError:
        raise LogUnavailableError("the node's state is not available") from None


@dataclass(frozen=True, slots=True)
class PrintedForm:
    """What is printed on one student's consent form; it leaves the node on paper only."""

    student_id: str
    given_name: str
    family_name: str
    school_id: str
    link_code: str


class StateStore:
    """The node's state, in SQLite or PostgreSQL.

    Implements `SnapshotShelf` of the registry feed and `ConsentShelf` of the consent book.
    """

    def __init__(self, state: Engine, records: Engine) -> None:
        self._state = state
        self._records = records

    # The registry's evidence.

    def load(self) -> bytes | None:
        with self._state.connect() as connection:
            return connection.scalar(select(SAVED_SNAPSHOT.c.evidence))

    @_available()
    def save(self, snapshot: bytes) -> None:
        with writing(self._state) as connection:
            connection.execute(delete(SAVED_SNAPSHOT))
            connection.execute(insert(SAVED_SNAPSHOT).values(snapshot_id=1, evidence=snapshot))

    @_available()
    def remembered(self) -> Mapping[str, Remembered]:
        """How far each agreement's history has been seen here."""
        with self._state.connect() as connection:
            rows = connection.execute(select(AGREEMENT_MEMORY))
            return {row.agreement_id: Remembered(row.length, row.head) for row in rows}

    @_available()
    def remember(self, seen: Mapping[str, Remembered]) -> None:
        """Remembers how far histories were seen, whatever the registry says later."""
        with writing(self._state) as connection:
            for name, one in sorted(seen.items()):
                connection.execute(
                    delete(AGREEMENT_MEMORY).where(AGREEMENT_MEMORY.c.agreement_id == name)
                )
                connection.execute(
                    insert(AGREEMENT_MEMORY).values(
                        agreement_id=name, length=one.length, head=one.head
                    )
                )

    # Consents.

    def progress(self) -> Progress:
        with self._state.connect() as connection:
            row = connection.execute(select(CONSENT_PROGRESS)).first()
        if row is None:
            return Progress(0, 0, None)
        return Progress(
            row.sequence,
            row.organization_sequence,
            dt.datetime.fromtimestamp(row.confirmed_at, dt.UTC) if row.confirmed_at else None,
        )

    @_available()
    def confirm(self, progress: Progress) -> None:
        with writing(self._state) as connection:
            _write_progress(connection, progress)

    @_available()
    def students_of(self, link_codes: Iterable[bytes]) -> Mapping[bytes, Student]:
        code_of_digest = {_code_digest(code): code for code in link_codes}
        key_of_digest: dict[str, int] = {}
        with self._state.connect() as connection:
            for digests in _in_lists(code_of_digest):
                rows = connection.execute(
                    select(LINK_CODE.c.code_digest, LINK_CODE.c.student_key).where(
                        LINK_CODE.c.code_digest.in_(digests)
                    )
                )
                key_of_digest.update((row.code_digest, row.student_key) for row in rows)
        births = self._birth_dates(key_of_digest.values())
        return {
            code_of_digest[digest]: Student(key, births[key])
            for digest, key in key_of_digest.items()
            if key in births
        }

    @_available()
    def apply(self, steps: Sequence[Settled | Revoked], progress: Progress) -> None:
        with writing(self._state) as connection:
            for step in steps:
                if isinstance(step, Settled):
                    _keep(connection, step)
                else:
                    _revoke(connection, step)
            _write_progress(connection, progress)

    @_available()
    def unsettled(self) -> Sequence[Arrived]:
        with self._state.connect() as connection:
            rows = connection.execute(
                select(CONSENT.c.consent_id, CONSENT.c.recorder, CONSENT.c.statement).where(
                    CONSENT.c.problem.is_not(None),
                    CONSENT.c.revoked_at.is_(None),
                )
            )
            return [Arrived(row.consent_id, row.recorder, row.statement, None) for row in rows]

    def active_consents(self, now: dt.datetime) -> int:
        """How many consents are in effect."""
        instant = int(now.timestamp())
        with self._state.connect() as connection:
            counted = connection.scalar(
                select(func.count(CONSENT_GRANT.c.consent_id.distinct())).where(
                    CONSENT_GRANT.c.valid_from <= instant, CONSENT_GRANT.c.valid_to > instant
                )
            )
        return counted or 0

    def problems(self) -> Mapping[ConsentProblem, int]:
        """How many consents could not be used, by reason."""
        with self._state.connect() as connection:
            rows = connection.execute(
                select(CONSENT.c.problem, func.count())
                .where(
                    CONSENT.c.problem.is_not(None),
                    CONSENT.c.revoked_at.is_(None),
                )
                .group_by(CONSENT.c.problem)
            )
            return {ConsentProblem(problem): count for problem, count in rows}

    # Link codes.

    def issue_link_codes(self, school_id: str | None) -> Iterator[PrintedForm]:
        """A new code for every student, or every student of a school; older codes stay good."""
        chosen = select(
            _STUDENT.c.student_key,
            _STUDENT.c.student_id,
            _STUDENT.c.given_name,
            _STUDENT.c.family_name,
            _STUDENT.c.school_id,
        ).order_by(_STUDENT.c.student_id)
        if school_id is not None:
            chosen = chosen.where(_STUDENT.c.school_id == school_id)
        with self._records.connect() as connection:
            rows = iter(connection.execute(chosen))
            while some := list(islice(rows, _IN_LIST)):
                codes = [secrets.token_hex(LINK_CODE_BYTES) for _ in some]
                self._keep_codes(
                    (code.encode(), row.student_key) for code, row in zip(codes, some, strict=True)
                )
                for code, row in zip(codes, some, strict=True):
                    yield PrintedForm(
                        row.student_id,
                        row.given_name or "",
                        row.family_name or "",
                        row.school_id or "",
                        code,
                    )

    def _keep_codes(self, codes: Iterable[tuple[bytes, int]]) -> None:
        with writing(self._state) as connection:
            connection.execute(
                insert(LINK_CODE),
                [{"code_digest": _code_digest(c), "student_key": key} for c, key in codes],
            )

    def _birth_dates(self, student_keys: Iterable[int]) -> dict[int, dt.date | None]:
        births: dict[int, dt.date | None] = {}
        with self._records.connect() as connection:
            for keys in _in_lists(student_keys):
                rows = connection.execute(
                    select(_STUDENT.c.student_key, _STUDENT.c.birth_date).where(
                        _STUDENT.c.student_key.in_(keys)
                    )
                )
                births.update((row.student_key, row.birth_date) for row in rows)
        return births


def _keep(connection: Connection, settled: Settled) -> None:
    known = connection.execute(
        select(CONSENT.c.problem, CONSENT.c.revoked_at).where(
            CONSENT.c.consent_id == settled.consent_id
        )
    ).first()
    if known is not None and known.revoked_at is not None:
        return
    connection.execute(delete(CONSENT).where(CONSENT.c.consent_id == settled.consent_id))
    _drop_grants(connection, settled.consent_id)
    connection.execute(
        insert(CONSENT).values(
            consent_id=settled.consent_id,
            recorder=settled.recorder,
            statement=settled.statement,
            student_key=settled.student_key,
            problem=settled.problem,
        )
    )
    if settled.grants:
        connection.execute(
            insert(CONSENT_GRANT),
            [
                {
                    "consent_id": settled.consent_id,
                    "student_key": grant.student_key,
                    "element": str(grant.element),
                    "recipient": grant.recipient,
                    "purpose": grant.purpose,
                    "subject_ref": grant.subject_ref,
                    "valid_from": int(grant.valid_from.timestamp()),
                    "valid_to": int(grant.valid_to.timestamp()),
                }
                for grant in settled.grants
            ],
        )


def _revoke(connection: Connection, revoked: Revoked) -> None:
    _drop_grants(connection, revoked.consent_id)
    at = int(revoked.revoked_at.timestamp())
    changed = connection.execute(
        update(CONSENT).where(CONSENT.c.consent_id == revoked.consent_id).values(revoked_at=at)
    )
    if changed.rowcount == 0:
        connection.execute(
            insert(CONSENT).values(
                consent_id=revoked.consent_id, recorder="", statement=b"", revoked_at=at
            )
        )


def _drop_grants(connection: Connection, consent_id: str) -> None:
    connection.execute(delete(CONSENT_GRANT).where(CONSENT_GRANT.c.consent_id == consent_id))


def _write_progress(connection: Connection, progress: Progress) -> None:
    connection.execute(delete(CONSENT_PROGRESS))
    connection.execute(
        insert(CONSENT_PROGRESS).values(
            progress_id=1,
            sequence=progress.sequence,
            organization_sequence=progress.organization_sequence,
            confirmed_at=int(progress.confirmed_at.timestamp()) if progress.confirmed_at else 0,
        )
    )


def _code_digest(link_code: bytes) -> str:
    return hashlib.sha256(link_code).hexdigest()


def _in_lists(values: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(values)
    while some := list(islice(remaining, _IN_LIST)):
        yield some
