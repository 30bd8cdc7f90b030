"""Keeps a node's own state: the registry's evidence, and the link codes it printed."""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, insert, select

from homeroom.audit import AuditKind
from services.node.domain.agreement_memory import Remembered
from services.node.store.acts import write_act
from services.node.store.consent_rows import digest_of_code
from services.node.store.consent_tables import CONSENT
from services.node.store.consents import mark_due
from services.node.store.database import available as _available
from services.node.store.lists import in_lists
from services.node.store.records.tables import RecordTable
from services.node.store.state_tables import AGREEMENT_MEMORY, LINK_CODE, SAVED_SNAPSHOT
from services.runtime.database import writing

LINK_CODE_BYTES = 16

_STUDENT = RecordTable.metadata.tables["student"]


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

    Implements `SnapshotShelf` of the registry feed.
    """

    def __init__(self, state: Engine, records: Engine) -> None:
        self._state = state
        self._records = records

    # The registry's evidence.

    @_available()
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
    def remember(
        self, seen: Mapping[str, Remembered], entries: Sequence[Mapping[str, Any]] = ()
    ) -> None:
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
            for entry in entries:
                write_act(connection, AuditKind.AGREEMENT_SEEN, entry)

    # Link codes.

    @_available()
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
            for some in in_lists(connection.execute(chosen)):
                codes = [secrets.token_hex(LINK_CODE_BYTES) for _ in some]
                self.keep_codes(
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

    @_available()
    def keep_codes(self, codes: Iterable[tuple[bytes, int]]) -> None:
        """Keeps codes, each with its student; consents that waited for one are settled again."""
        rows = [{"code_digest": digest_of_code(code), "student_key": key} for code, key in codes]
        with writing(self._state) as connection:
            connection.execute(insert(LINK_CODE), rows)
            named = CONSENT.c.code_digest.in_([row["code_digest"] for row in rows])
            mark_due(connection, named)
            write_act(connection, AuditKind.CODES_MADE, {"students": len(rows)})
