"""Reads the disclosure record: of one student, or of the whole organization."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, literal, select, union

from homeroom.matters import EmergencyFacts, MatterKind, read_facts
from homeroom.vocabulary import Element
from services.node.domain.kept_record import Ended, KeptRecord, RecordFilter, Threat
from services.node.domain.register import RecordedEvent, Regime
from services.node.store.consent_tables import CONSENT
from services.node.store.database import available
from services.node.store.destructions import certified_beside
from services.node.store.disclosure_tables import (
    DISCLOSED,
    DISCLOSED_CONSENT,
    DISCLOSURE_MANIFEST,
    DISCLOSURE_RECORD,
    DISCLOSURE_REFUSED,
)
from services.node.store.element_bits import elements_in
from services.node.store.lists import one_of
from services.node.store.matter_tables import MATTER

_RECORD = DISCLOSURE_RECORD.c
_MANIFEST = DISCLOSURE_MANIFEST.c
_AT_ONCE = 500


class RegisterStore:
    """The disclosure record, in SQLite or PostgreSQL; it is written with the log's entries."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def counts(self) -> Mapping[str, int]:
        """How many entries there are, by the table's name."""
        with self._state.connect() as connection:
            found = connection.scalar(select(func.count()).select_from(DISCLOSURE_RECORD))
        return {DISCLOSURE_RECORD.name: int(found or 0)}

    def entries(self) -> Iterator[KeptRecord]:
        """Every entry, oldest first."""
        yield from self._every(RecordFilter())

    def of_student(self, student_key: int) -> list[KeptRecord]:
        """The entries that concern a student, oldest first: named, or part of an answer."""
        return list(self._every(RecordFilter(student_key=student_key)))

    @available()
    def page(self, asked: RecordFilter, after: int, most: int) -> Sequence[KeptRecord]:
        """Some entries, oldest first, after the one of that log index."""
        chosen = _filtered(asked).where(_RECORD.log_index > after)
        with self._state.connect() as connection:
            rows = connection.execute(chosen.order_by(_RECORD.log_index).limit(most)).all()
            return _Beside(connection, [row.log_index for row in rows], asked.student_key).kept(
                rows
            )

    def _every(self, asked: RecordFilter) -> Iterator[KeptRecord]:
        after = -1
        while found := self.page(asked, after, _AT_ONCE):
            yield from found
            after = found[-1].log_index


def _filtered(asked: RecordFilter) -> Select[Any]:
    chosen = select(DISCLOSURE_RECORD, *_ENDED).outerjoin(
        DISCLOSURE_MANIFEST, _MANIFEST.log_index == _RECORD.log_index
    )
    for column, value in (
        (_RECORD.requester, asked.requester),
        (_RECORD.agreement_id, asked.agreement_id),
        (_RECORD.user_id, asked.user_id),
    ):
        if value:
            chosen = chosen.where(column == value)
    if asked.student_key is not None:
        chosen = chosen.where(_RECORD.log_index.in_(_about(asked.student_key)))
    if asked.element is not None:
        # Words are joined by ';', and none is a part of another between two of them.
        either = literal(";") + _RECORD.released + ";" + _RECORD.elements + ";"
        chosen = chosen.where(either.contains(f";{asked.element};", autoescape=True))
    if asked.since is not None:
        chosen = chosen.where(_RECORD.recorded_at >= int(asked.since.timestamp()))
    if asked.until is not None:
        chosen = chosen.where(_RECORD.recorded_at <= int(asked.until.timestamp()))
    if asked.events:
        chosen = chosen.where(_RECORD.event.in_([str(event) for event in sorted(asked.events)]))
    return chosen


_ENDED = (
    _MANIFEST.ended_at,
    _MANIFEST.row_count,
    _MANIFEST.pieces,
    _MANIFEST.frames_digest,
    _MANIFEST.cut,
)


def _about(student_key: int) -> Any:
    return union(
        select(DISCLOSED.c.log_index).where(DISCLOSED.c.student_key == student_key),
        select(DISCLOSURE_REFUSED.c.log_index).where(
            DISCLOSURE_REFUSED.c.student_key == student_key
        ),
    )


class _Beside:
    """What stands beside some entries: of one student, or how many students there are."""

    def __init__(
        self, connection: Connection, indexes: Sequence[int], student_key: int | None
    ) -> None:
        self._connection = connection
        self._indexes = indexes
        self._student_key = student_key

    def kept(self, rows: Sequence[Any]) -> list[KeptRecord]:
        """The entries, with what stands beside each."""
        threats = self._threats(rows)
        certified = certified_beside(self._connection, self._indexes)
        found = [
            replace(
                _kept(row, threats.get(row.matter_id)),
                certified=certified.get(row.log_index, ()),
            )
            for row in rows
        ]
        if self._student_key is None:
            counts = self._counts()
            return [replace(one, student_count=counts.get(one.log_index, 0)) for one in found]
        released, refused, consents = self._released(), self._refused(), self._consents()
        return [
            replace(
                one,
                released=released.get(one.log_index, ()),
                reasons=(*one.reasons, *refused.get(one.log_index, ())),
                consent_ids=(named := tuple(consents.get(one.log_index, ()))),
                # What is said of another student's part is not this student's.
                certified=tuple(c for c in one.certified if c.consent_id in {"", *named}),
                student_count=1,
            )
            for one in found
        ]

    def _of(self, table: Any, *columns: Any) -> Sequence[Any]:
        chosen = select(table.c.log_index, *columns).where(one_of(table.c.log_index, self._indexes))
        if self._student_key is not None:
            chosen = chosen.where(table.c.student_key == self._student_key)
        return self._connection.execute(chosen).all()

    def _released(self) -> dict[int, tuple[Element, ...]]:
        rows = self._of(DISCLOSED, DISCLOSED.c.elements)
        return {row.log_index: tuple(sorted(elements_in(row.elements))) for row in rows}

    def _refused(self) -> dict[int, tuple[str, ...]]:
        rows = self._of(DISCLOSURE_REFUSED, DISCLOSURE_REFUSED.c.reason)
        return {row.log_index: (row.reason,) if row.reason else () for row in rows}

    def _consents(self) -> dict[int, list[str]]:
        rows = self._of(DISCLOSED_CONSENT, DISCLOSED_CONSENT.c.consent_key)
        keys = {row.consent_key for row in rows}
        named = select(CONSENT.c.consent_key, CONSENT.c.consent_id)
        chosen = named.where(one_of(CONSENT.c.consent_key, keys))
        ids = {row.consent_key: row.consent_id for row in self._connection.execute(chosen)}
        found: dict[int, list[str]] = {}
        for row in rows:
            found.setdefault(row.log_index, []).append(ids.get(row.consent_key, ""))
        return {index: sorted(filter(None, some)) for index, some in found.items()}

    def _counts(self) -> dict[int, int]:
        found: dict[int, set[int]] = {}
        for table in (DISCLOSED, DISCLOSURE_REFUSED):
            for row in self._of(table, table.c.student_key):
                found.setdefault(row.log_index, set()).add(row.student_key)
        return {index: len(keys) for index, keys in found.items()}

    def _threats(self, rows: Sequence[Any]) -> dict[str, Threat]:
        """What the matters of emergencies say; they stay on file."""
        ids = {row.matter_id for row in rows if row.matter_id}
        if not ids:
            return {}
        chosen = select(MATTER.c.matter_id, MATTER.c.facts).where(
            one_of(MATTER.c.matter_id, ids), MATTER.c.kind == str(MatterKind.EMERGENCY)
        )
        found: dict[str, Threat] = {}
        for row in self._connection.execute(chosen):
            facts = read_facts(MatterKind.EMERGENCY, row.facts)
            if isinstance(facts, EmergencyFacts):
                found[row.matter_id] = Threat(facts.declared_by or "", facts.threat or "")
        return found


def _kept(row: Any, threat: Threat | None) -> KeptRecord:
    return KeptRecord(
        log_index=row.log_index,
        query_digest=row.query_digest,
        at=_instant(row.recorded_at),
        event=RecordedEvent(row.event),
        regimes=tuple(map(Regime, _words(row.regimes))),
        onward_to=_words(row.onward_to),
        onward=_mapping(row.onward),
        authorities=_words(row.authorities),
        elements=_elements(row.elements),
        released=_elements(row.released),
        reasons=_words(row.reasons),
        withheld=_mapping(row.withheld),
        obligations=_words(row.obligations),
        revisions=(row.federation_revision, row.local_revision),
        secret_until=None if row.secret_until is None else _instant(row.secret_until),
        ended=_ended(row),
        threat=threat,
        **{name: getattr(row, name) for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    *("requester", "affiliation", "user_id", "role", "purpose", "interest", "basis"),
    *("agreement_id", "agreement_version", "matter_id", "dataset", "first_day", "last_day"),
    *("released_by", "releaser_role", "releaser_key", "everyone", "secret"),
)


def _ended(row: Any) -> Ended | None:
    if row.ended_at is None:
        return None
    at = _instant(row.ended_at)
    return Ended(at, row.row_count, row.pieces, row.frames_digest, row.cut)


def _instant(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _elements(joined: str) -> tuple[Element, ...]:
    return tuple(map(Element, _words(joined)))


def _mapping(written: str) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads(written) if written else {}
    return found


def _words(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(";")) if joined else ()
