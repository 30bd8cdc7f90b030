"""Reads the disclosure record: of one student, or of the whole organization."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select

from homeroom.vocabulary import Element
from services.node.domain.register import RecordedEvent, Regime
from services.node.store.element_bits import elements_in
from services.node.store.state_tables import DISCLOSED, DISCLOSURE_RECORD, DISCLOSURE_REFUSED

_RECORD = DISCLOSURE_RECORD.c


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """One entry of the disclosure record, as it concerns one student or the organization.

    Attributes:
        released: what may have left; of a student, what of theirs.
        reasons: the grounds, or why all or a part was refused.
        secret: whether the family's view leaves it out (34 CFR 99.32(d)(5)).
    """

    log_index: int
    at: dt.datetime
    event: RecordedEvent
    regimes: tuple[Regime, ...]
    requester: str
    user_id: str
    role: str
    purpose: str
    basis: str
    elements: tuple[Element, ...]
    released: tuple[Element, ...]
    reasons: tuple[str, ...]
    onward_to: tuple[str, ...]
    secret: bool


class RegisterStore:
    """The disclosure record, in SQLite or PostgreSQL; it is written with the log's entries."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    def counts(self) -> Mapping[str, int]:
        """How many entries there are, by the table's name."""
        with self._state.connect() as connection:
            found = connection.scalar(select(func.count()).select_from(DISCLOSURE_RECORD))
        return {DISCLOSURE_RECORD.name: int(found or 0)}

    def entries(self) -> Iterator[KeptRecord]:
        """Every entry, oldest first."""
        with self._state.connect() as connection:
            for row in connection.execute(select(DISCLOSURE_RECORD).order_by(_RECORD.log_index)):
                yield _kept(row, _elements(row.released))

    def of_student(self, student_key: int) -> list[KeptRecord]:
        """The entries that concern a student, oldest first: named, or part of an answer."""
        with self._state.connect() as connection:
            released = _released(connection, student_key)
            refused = _refused(connection, student_key)
            return [
                replace(
                    (kept := _kept(row, released.get(row.log_index, ()))),
                    reasons=(*kept.reasons, *refused.get(row.log_index, ())),
                )
                for row in connection.execute(_about(student_key))
            ]


def _about(student_key: int) -> Select[Any]:
    disclosed = select(DISCLOSED.c.log_index).where(DISCLOSED.c.student_key == student_key)
    refused = select(DISCLOSURE_REFUSED.c.log_index).where(
        DISCLOSURE_REFUSED.c.student_key == student_key
    )
    return (
        select(DISCLOSURE_RECORD)
        .where(_RECORD.log_index.in_(disclosed.union(refused)))
        .order_by(_RECORD.log_index)
    )


def _released(connection: Connection, student_key: int) -> dict[int, tuple[Element, ...]]:
    chosen = select(DISCLOSED).where(DISCLOSED.c.student_key == student_key)
    return {
        row.log_index: tuple(sorted(elements_in(row.elements)))
        for row in connection.execute(chosen)
    }


def _refused(connection: Connection, student_key: int) -> dict[int, tuple[str, ...]]:
    chosen = select(DISCLOSURE_REFUSED).where(DISCLOSURE_REFUSED.c.student_key == student_key)
    return {
        row.log_index: (row.reason,) if row.reason else () for row in connection.execute(chosen)
    }


def _kept(row: Any, released: tuple[Element, ...]) -> KeptRecord:
    return KeptRecord(
        log_index=row.log_index,
        at=dt.datetime.fromtimestamp(row.recorded_at, dt.UTC),
        event=RecordedEvent(row.event),
        regimes=tuple(map(Regime, _words(row.regimes))),
        requester=row.requester,
        user_id=row.user_id,
        role=row.role,
        purpose=row.purpose,
        basis=row.basis,
        elements=_elements(row.elements),
        released=released,
        reasons=_words(row.reasons),
        onward_to=_words(row.onward_to),
        secret=row.secret,
    )


def _elements(joined: str) -> tuple[Element, ...]:
    return tuple(map(Element, _words(joined)))


def _words(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(";")) if joined else ()
