"""Keeps what is on file for grounds other than consent, and finds what bears on a question."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, insert, or_, select, update

from homeroom.errors import AlreadyRecordedError, ChangedMeanwhileError
from homeroom.matters import MatterKind, read_facts
from services.node.domain.on_file import Looked, Matter
from services.node.store.consent_tables import SUBJECT_REF
from services.node.store.database import available
from services.node.store.lists import in_lists
from services.node.store.matter_tables import MATTER, MATTER_STUDENT
from services.node.store.records.tables import TABLES
from services.node.store.subject_refs import SubjectRefStore
from services.runtime.database import writing

_MATTER = MATTER.c
_NAMED = MATTER_STUDENT.c
_REF = SUBJECT_REF.c
_STUDENT = TABLES["student"].c


class MatterStore:
    """The matters, in SQLite or PostgreSQL; implements `MatterShelf`."""

    def __init__(self, state: Engine, records: Engine) -> None:
        self._state = state
        self._records = records
        self._names = SubjectRefStore(state)

    @available()
    def find(self, looked: Looked) -> Mapping[MatterKind, Matter]:
        """The matter in force of each kind that is looked for.

        Where several fit: the one that names most of the students, then the newest.
        """
        if not looked.kinds:
            return {}
        with self._state.connect() as connection:
            rows = list(connection.execute(_in_force(looked)))
            several = len(rows) > len({row.kind for row in rows})
            counts = _named_of(connection, rows, looked) if several else {}
        rows.sort(key=lambda row: (counts.get(row.matter_key, 0), row.entered_at, row.matter_key))
        # Of each kind the last one stays.
        return {MatterKind(row.kind): _matter(row) for row in rows}

    @available()
    def enter(self, matter: Matter, student_keys: Iterable[int]) -> Matter:
        """Keeps a matter with its students; returns it with its key.

        Raises:
            AlreadyRecordedError: if one of that name was entered meanwhile.
        """
        with writing(self._state) as connection:
            if _found(connection, matter.matter_id) is not None:
                raise AlreadyRecordedError("a matter of this name is on file", field="matter_id")
            connection.execute(insert(MATTER).values(_values(matter)))
            kept = _found(connection, matter.matter_id)
            if kept is None:
                raise ChangedMeanwhileError("the matter was taken out meanwhile")
            rows = [{"matter_key": kept.key, "student_key": key} for key in sorted(student_keys)]
            if rows:
                connection.execute(insert(MATTER_STUDENT), rows)
        return kept

    @available()
    def end(self, matter_id: str, now: dt.datetime) -> None:
        """Ends a matter; one that has ended stays as it is."""
        with writing(self._state) as connection:
            connection.execute(
                update(MATTER)
                .where(_MATTER.matter_id == matter_id, _MATTER.ended_at.is_(None))
                .values(ended_at=_seconds(now))
            )

    @available()
    def get(self, matter_id: str) -> Matter | None:
        """The matter of that name."""
        with self._state.connect() as connection:
            return _found(connection, matter_id)

    @available()
    def page(
        self, requester: str, now: dt.datetime | None, before: int, most: int
    ) -> Sequence[Matter]:
        """Some matters, the newest first.

        Args:
            requester: only those of this one; empty for all.
            now: only those that have not ended or lapsed at this moment; None for all.
            before: only those with a smaller key; 0 begins with the newest.
            most: how many at most.
        """
        chosen = select(MATTER).order_by(_MATTER.matter_key.desc()).limit(most)
        if requester:
            chosen = chosen.where(_MATTER.requester == requester)
        if now is not None:
            chosen = chosen.where(_MATTER.valid_to >= _seconds(now), _not_ended(now))
        if before:
            chosen = chosen.where(_MATTER.matter_key < before)
        with self._state.connect() as connection:
            return [_matter(row) for row in connection.execute(chosen)]

    @available()
    def counts(self, matter_keys: Iterable[int]) -> Mapping[int, int]:
        """How many students each of some matters names."""
        counted = select(_NAMED.matter_key, func.count()).group_by(_NAMED.matter_key)
        with self._state.connect() as connection:
            return {
                key: count
                for some in in_lists(matter_keys)
                for key, count in connection.execute(counted.where(_NAMED.matter_key.in_(some)))
            }

    # Its students.

    @available()
    def keys_of(self, student_ids: Iterable[str]) -> Mapping[str, int]:
        """The students of those ids, as the records name them; unknown ones left out."""
        chosen = select(_STUDENT.student_id, _STUDENT.student_key)
        with self._records.connect() as connection:
            return {
                row.student_id: row.student_key
                for some in in_lists(student_ids)
                for row in connection.execute(chosen.where(_STUDENT.student_id.in_(some)))
            }

    @available()
    def student_keys(self, matter_key: int) -> frozenset[int]:
        """The students whom a matter names."""
        with self._state.connect() as connection:
            return frozenset(
                connection.scalars(
                    select(_NAMED.student_key).where(_NAMED.matter_key == matter_key)
                )
            )

    @available()
    def ids_of(self, student_keys: Iterable[int]) -> Mapping[int, str]:
        """The holder's own ids of some students; those who are gone left out."""
        chosen = select(_STUDENT.student_key, _STUDENT.student_id)
        with self._records.connect() as connection:
            return {
                row.student_key: row.student_id
                for some in in_lists(student_keys)
                for row in connection.execute(chosen.where(_STUDENT.student_key.in_(some)))
            }

    @available()
    def names(self, requester: str, student_keys: Sequence[int]) -> Mapping[int, str]:
        """The names by which a requester knows some students; whoever has none is given one."""
        known = self._names.named(requester, student_keys)
        nameless = sorted(set(student_keys) - set(known))
        if nameless:
            self._names.name(requester, nameless)
            known = self._names.named(requester, student_keys)
        return known


def _in_force(looked: Looked) -> Any:
    at = _seconds(looked.at)
    chosen = select(MATTER).where(
        _MATTER.requester == looked.requester,
        _MATTER.kind.in_(sorted(looked.kinds)),
        _MATTER.valid_from <= at,
        _MATTER.valid_to >= at,
        _not_ended(looked.at),
    )
    if looked.requester_keys is not None:
        # Whoever put other keys in the requester's place is not whom the steward had in mind.
        chosen = chosen.where(_MATTER.requester_keys == looked.requester_keys)
    if looked.matter_id:
        beside = _MATTER.kind == str(MatterKind.IDEA)
        chosen = chosen.where(or_(_MATTER.matter_id == looked.matter_id, beside))
    return chosen


def _named_of(
    connection: Connection, rows: Iterable[Row[Any]], looked: Looked
) -> Mapping[int, int]:
    """How many of the students that a question names each matter names too."""
    keys = [row.matter_key for row in rows]
    counts: dict[int, int] = {}
    for some_keys in in_lists(keys):
        for refs in in_lists(looked.subject_refs):
            counted = (
                select(_NAMED.matter_key, func.count())
                .join(SUBJECT_REF, _REF.student_key == _NAMED.student_key)
                .where(
                    _NAMED.matter_key.in_(some_keys),
                    _REF.recipient == looked.requester,
                    _REF.subject_ref.in_(refs),
                )
                .group_by(_NAMED.matter_key)
            )
            for key, count in connection.execute(counted):
                counts[key] = counts.get(key, 0) + count
    return counts


def _found(connection: Connection, matter_id: str) -> Matter | None:
    row = connection.execute(select(MATTER).where(_MATTER.matter_id == matter_id)).first()
    return None if row is None else _matter(row)


def _not_ended(now: dt.datetime) -> ColumnElement[bool]:
    return or_(_MATTER.ended_at.is_(None), _MATTER.ended_at > _seconds(now))


def _matter(row: Row[Any]) -> Matter:
    kind = MatterKind(row.kind)
    return Matter(
        key=row.matter_key,
        matter_id=row.matter_id,
        kind=kind,
        requester=row.requester,
        valid_from=_instant(row.valid_from),
        valid_to=_instant(row.valid_to),
        facts=read_facts(kind, row.facts),
        entered_by=row.entered_by,
        entered_at=_instant(row.entered_at),
        evidence_digest=row.evidence_digest,
        requester_keys=row.requester_keys,
        ended_at=None if row.ended_at is None else _instant(row.ended_at),
    )


def _values(matter: Matter) -> dict[str, Any]:
    return {
        "matter_id": matter.matter_id,
        "kind": str(matter.kind),
        "requester": matter.requester,
        "valid_from": _seconds(matter.valid_from),
        "valid_to": _seconds(matter.valid_to),
        "facts": matter.facts.written(),
        "entered_by": matter.entered_by,
        "entered_at": _seconds(matter.entered_at),
        "evidence_digest": matter.evidence_digest,
        "requester_keys": matter.requester_keys,
        "ended_at": None,
    }


def _seconds(at: dt.datetime) -> int:
    return int(at.timestamp())


def _instant(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
