"""Keeps the roster ready for matching: read from the records, and read anew after each import."""

import datetime as dt
import gc
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func, select

from services.node.domain.matching import Identity, RosterEntry, RosterIndex
from services.node.store.database import available
from services.node.store.lists import in_lists
from services.node.store.records.tables import TABLES, housekeeping

_STUDENT = TABLES["student"].c
_RUN = housekeeping("intake_run").c
_READ_AT_ONCE = 2_000
_LARGE = 5_000


@dataclass(frozen=True, slots=True)
class RosterStudent:
    """A student as a reviewer sees it: the holder's own record."""

    student_key: int
    student_id: str
    identity: Identity


class RosterKeeper:
    """The holder's roster, as the newest import left it.

    Reading takes seconds for tens of thousands of students: only ever done outside the event loop.
    """

    def __init__(self, records: Engine) -> None:
        self._records = records
        self._turn = threading.Lock()
        self._index = RosterIndex(())
        self._run = -1
        self._counted: tuple[int, int] = (-1, 0)

    def current(self) -> tuple[RosterIndex, int]:
        """The roster, read anew if something was imported since, and that import's number."""
        with self._turn:
            run = self.last_run()
            if run != self._run:
                self._index = RosterIndex(self._entries())
                self._run = run
                if len(self._index) >= _LARGE:
                    # Hundreds of thousands of objects that stay, none of them in a cycle: the
                    # collector need not look through them again and again.
                    gc.freeze()
            return self._index, run

    @available()
    def is_large(self) -> bool:
        """Whether looking through the roster is worth a process of its own."""
        run = self.last_run()
        if self._counted[0] != run:
            with self._records.connect() as connection:
                count = connection.scalar(select(func.count(_STUDENT.student_key))) or 0
            self._counted = (run, count)
        return self._counted[1] >= _LARGE

    @available()
    def last_run(self) -> int:
        """The newest import's number; 0 before the first."""
        with self._records.connect() as connection:
            return connection.scalar(select(func.max(_RUN.run))) or 0

    @available()
    def changed_since(self, run: int) -> Sequence[tuple[int, dt.date | None]]:
        """The key and the birth date of each student that an import has changed since."""
        with self._records.connect() as connection:
            rows = connection.execute(
                select(_STUDENT.student_key, _STUDENT.birth_date).where(_STUDENT.changed_in > run)
            )
            return [(row.student_key, row.birth_date) for row in rows]

    @available()
    def students(self, student_keys: Iterable[int]) -> Mapping[int, RosterStudent]:
        """The holder's own records of some students."""
        with self._records.connect() as connection:
            return {
                row.student_key: RosterStudent(row.student_key, row.student_id, _identity(row))
                for some in in_lists(dict.fromkeys(student_keys))
                for row in connection.execute(_SELECTED.where(_STUDENT.student_key.in_(some)))
            }

    @available()
    def key_of(self, student_id: str) -> int | None:
        """The student of that identifier, as the records name it."""
        with self._records.connect() as connection:
            return connection.scalar(
                select(_STUDENT.student_key).where(_STUDENT.student_id == student_id)
            )

    def _entries(self) -> Iterator[RosterEntry]:
        with self._records.connect() as connection:
            rows = connection.execution_options(yield_per=_READ_AT_ONCE).execute(_SELECTED)
            for row in rows:
                yield RosterEntry(row.student_key, _identity(row))


_SELECTED = select(
    _STUDENT.student_key,
    _STUDENT.student_id,
    _STUDENT.given_name,
    _STUDENT.middle_name,
    _STUDENT.family_name,
    _STUDENT.birth_date,
    _STUDENT.gender,
    _STUDENT.school_id,
    _STUDENT.phone,
    _STUDENT.street_address,
    _STUDENT.postal_code,
)


def _identity(row: Any) -> Identity:
    return Identity(
        given=row.given_name or "",
        middle=row.middle_name or "",
        family=row.family_name or "",
        birth_date=row.birth_date,
        sex=row.gender or "",
        school_id=row.school_id or "",
        local_id=row.student_id,
        phone=row.phone or "",
        address=row.street_address or "",
        zip=row.postal_code or "",
    )
