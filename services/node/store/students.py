"""Finds the students whom consents name by a link code, and what is noted of their rights."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select

from homeroom.audit import AuditKind
from homeroom.consent_terms import OpenedConsent
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Student
from services.node.store.acts import write_act
from services.node.store.consent_rows import digest_of_code
from services.node.store.consent_tables import STUDENT_RIGHTS
from services.node.store.consents import suspend_student
from services.node.store.database import available
from services.node.store.lists import one_of
from services.node.store.records.tables import RecordTable
from services.node.store.rights import NotedRight, RightsKind, noted_about, rights_noted
from services.node.store.state_tables import LINK_CODE
from services.runtime.database import writing

_STUDENT = RecordTable.metadata.tables["student"]
_RIGHTS = STUDENT_RIGHTS.c


class StudentStore:
    """The students of the records, with what the state knows of their codes and rights."""

    def __init__(self, state: Engine, records: Engine) -> None:
        self._state = state
        self._records = records

    @available()
    def find(self, consents: Sequence[OpenedConsent]) -> Sequence[Student | ConsentProblem]:
        """For each consent its student by the form's link code, or why there is none."""
        keys = self.by_code(one.link_code for one in consents if one.link_code)
        students = self.students(keys.values())
        return [self._found(one, keys, students) for one in consents]

    @available()
    def by_code(self, link_codes: Iterable[bytes]) -> Mapping[bytes, int]:
        """The students whose forms bear these codes."""
        code_of_digest = {digest_of_code(code): code for code in link_codes}
        with self._state.connect() as connection:
            return {
                code_of_digest[row.code_digest]: row.student_key
                for row in connection.execute(
                    select(LINK_CODE.c.code_digest, LINK_CODE.c.student_key).where(
                        one_of(LINK_CODE.c.code_digest, code_of_digest)
                    )
                )
            }

    @available()
    def students(self, student_keys: Iterable[int]) -> Mapping[int, Student]:
        """What deciding about consents needs of these students; those who are gone left out."""
        keys = list(dict.fromkeys(student_keys))
        noted = self._noted(keys)
        with self._records.connect() as connection:
            return {
                key: Student(key, born, *rights_noted(noted.get(key, ())))
                for key, born in connection.execute(
                    select(_STUDENT.c.student_key, _STUDENT.c.birth_date).where(
                        one_of(_STUDENT.c.student_key, keys)
                    )
                )
            }

    @available()
    def key_of(self, student_id: str) -> int | None:
        """The student of that identifier, as the records name it."""
        with self._records.connect() as connection:
            found = connection.scalar(
                select(_STUDENT.c.student_key).where(_STUDENT.c.student_id == student_id)
            )
        return None if found is None else int(found)

    @available()
    def note(
        self, student_key: int, kind: RightsKind, person: str, from_day: dt.date | None
    ) -> None:
        """Notes a right; what was allowed about the student counts again once it is settled."""
        with writing(self._state) as connection:
            connection.execute(delete(STUDENT_RIGHTS).where(*_this(student_key, kind, person)))
            connection.execute(
                insert(STUDENT_RIGHTS).values(
                    student_key=student_key, kind=str(kind), person=person, from_day=from_day
                )
            )
            suspend_student(connection, student_key)
            _write_entry(connection, kind, cleared=False)

    @available()
    def clear(self, student_key: int, kind: RightsKind, person: str) -> bool:
        """Takes a note back; False if there was none."""
        with writing(self._state) as connection:
            gone = connection.execute(
                delete(STUDENT_RIGHTS).where(*_this(student_key, kind, person))
            )
            suspend_student(connection, student_key)
            _write_entry(connection, kind, cleared=True)
        return bool(gone.rowcount)

    def noted(self, student_key: int) -> Sequence[NotedRight]:
        """What is noted about one student."""
        return self._noted([student_key]).get(student_key, ())

    def _noted(self, student_keys: Iterable[int]) -> Mapping[int, Sequence[NotedRight]]:
        with self._state.connect() as connection:
            return noted_about(connection, student_keys)

    def _found(
        self, consent: OpenedConsent, keys: Mapping[bytes, int], students: Mapping[int, Student]
    ) -> Student | ConsentProblem:
        if not consent.link_code:
            return ConsentProblem.STUDENT_NOT_FOUND
        return students.get(keys.get(consent.link_code, -1), ConsentProblem.LINK_CODE_UNKNOWN)


def _write_entry(connection: Connection, kind: RightsKind, *, cleared: bool) -> None:
    write_act(connection, AuditKind.RIGHTS_NOTED, {"right": str(kind), "cleared": cleared})


def _this(student_key: int, kind: RightsKind, person: str) -> tuple[ColumnElement[bool], ...]:
    return (_RIGHTS.student_key == student_key, _RIGHTS.kind == kind, _RIGHTS.person == person)
