"""Keeps consents and what they allow: the shelf of the consent book."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    delete,
    func,
    insert,
    select,
    update,
)

from homeroom.audit import AuditKind
from services.node.domain.consent_book import (
    Arrived,
    Narrowed,
    Progress,
    Revoked,
    Rotated,
    Settled,
    Step,
    Told,
    Verdict,
)
from services.node.domain.consent_entries import arrived_content, settled_content
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.replica import SeenLog
from services.node.store.acts import write_act
from services.node.store.consent_rows import drop_grants, keep_settled, narrow, revoke
from services.node.store.consent_tables import (
    CONSENT,
    CONSENT_GRANT,
    CONSENT_PROGRESS,
    CONSENT_RULES,
)
from services.node.store.database import available
from services.node.store.lists import in_lists, one_of
from services.node.store.subject_refs import rotate
from services.runtime.database import writing

_CONSENT = CONSENT.c
_LIVE = (_CONSENT.revoked_at.is_(None), _CONSENT.evidence != b"")


@dataclass(frozen=True, slots=True)
class EndingConsent:
    """A consent that will stop counting."""

    consent_id: str
    recorder: str
    student_key: int
    last_date: dt.date


class ConsentStore:
    """The consents of a node, in SQLite or PostgreSQL; implements `ConsentShelf`."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    # Following the consent service.

    @available()
    def progress(self) -> Progress:
        with self._state.connect() as connection:
            row = connection.execute(select(CONSENT_PROGRESS)).first()
        if row is None:
            return Progress(0, 0, None)
        return Progress(
            row.sequence,
            row.organization_sequence,
            dt.datetime.fromtimestamp(row.confirmed_at, dt.UTC) if row.confirmed_at else None,
            SeenLog(row.log_size, row.log_root),
        )

    @available()
    def confirm(self, progress: Progress) -> None:
        with writing(self._state) as connection:
            _write_progress(connection, progress)

    @available()
    def apply(self, steps: Sequence[Step], progress: Progress | None) -> None:
        with writing(self._state) as connection:
            for kind, some in groupby(steps, type):
                if kind is Settled:
                    keep_settled(connection, [s for s in some if isinstance(s, Settled)])
                else:
                    for step in some:
                        _take_away(connection, step)
            if progress is not None:
                _write_progress(connection, progress)
            _write_entry(connection, steps, progress)

    # Settling again.

    @available()
    def due(self, most: int) -> Sequence[Arrived]:
        with self._state.connect() as connection:
            rows = connection.execute(
                select(_CONSENT.consent_id, _CONSENT.recorder, _CONSENT.evidence, _CONSENT.taken_at)
                .where(_CONSENT.due, *_LIVE)
                .order_by(_CONSENT.consent_key)
                .limit(most)
            )
            return [
                Arrived(
                    row.consent_id,
                    row.recorder,
                    row.evidence,
                    None,
                    taken_at=dt.datetime.fromtimestamp(row.taken_at, dt.UTC),
                )
                for row in rows
            ]

    @available()
    def note_rules(self, revision: str) -> None:
        """Everything is due once the rules are others than those it was settled by."""
        with self._state.connect() as connection:
            # Looked at every other second: only a change is worth the write lock.
            if connection.scalar(select(CONSENT_RULES.c.revision)) == revision:
                return
        with writing(self._state) as connection:
            known = connection.scalar(select(CONSENT_RULES.c.revision))
            if known != revision:
                connection.execute(delete(CONSENT_RULES))
                connection.execute(insert(CONSENT_RULES).values(rules_id=1, revision=revision))
                mark_due(connection, _CONSENT.consent_key.is_not(None))

    @available()
    def note_problems(self, problems: Iterable[ConsentProblem]) -> None:
        """What has one of these problems is due: what caused it may be gone."""
        with writing(self._state) as connection:
            mark_due(connection, _CONSENT.problem.in_([str(problem) for problem in problems]))

    @available()
    def note_recorders(self, organization_ids: Iterable[str]) -> None:
        """What these recorded is due: a key that they signed with is known as stolen."""
        names = sorted(organization_ids)
        if names:
            with writing(self._state) as connection:
                mark_due(connection, _CONSENT.recorder.in_(names))

    @available()
    def note_consents(self, consent_keys: Iterable[int]) -> None:
        """These are due: what they were settled by has changed."""
        with writing(self._state) as connection:
            for some in in_lists(consent_keys):
                mark_due(connection, _CONSENT.consent_key.in_(some))

    # What recorders are told.

    @available()
    def verdicts(self, recorders: Collection[str], most: int) -> Sequence[Told]:
        """Verdicts that these recorders were not told yet, those of one recorder together."""
        with self._state.connect() as connection:
            rows = connection.execute(
                select(_CONSENT.consent_id, _CONSENT.recorder, _CONSENT.verdict, _CONSENT.last_date)
                .where(_CONSENT.report_due, _CONSENT.recorder.in_(recorders), *_LIVE)
                .order_by(_CONSENT.recorder, _CONSENT.consent_key)
                .limit(most)
            )
            return [
                Told(
                    row.consent_id,
                    row.recorder,
                    Verdict(tuple(map(ConsentProblem, row.verdict.split())), row.last_date),
                )
                for row in rows
            ]

    @available()
    def note_told(self, told: Iterable[Told]) -> None:
        """These were told; a verdict that is another by now is still to be told."""
        alike: dict[Verdict, list[str]] = {}
        for one in told:
            alike.setdefault(one.verdict, []).append(one.consent_id)
        with writing(self._state) as connection:
            for verdict, consent_ids in alike.items():
                unchanged = update(CONSENT).where(
                    _CONSENT.verdict == " ".join(verdict.codes),
                    _CONSENT.last_date.is_not_distinct_from(verdict.last_date),
                )
                these = unchanged.where(one_of(_CONSENT.consent_id, consent_ids))
                connection.execute(these.values(report_due=False))

    # What there is.

    @available()
    def active_consents(self, now: dt.datetime) -> int:
        """How many consents are in effect."""
        instant = int(now.timestamp())
        with self._state.connect() as connection:
            counted = connection.scalar(
                select(func.count(CONSENT_GRANT.c.consent_key.distinct())).where(
                    CONSENT_GRANT.c.valid_from <= instant, CONSENT_GRANT.c.valid_to > instant
                )
            )
        return counted or 0

    @available()
    def problems(self) -> Mapping[ConsentProblem, int]:
        """How many consents could not be used, by reason."""
        with self._state.connect() as connection:
            rows = connection.execute(
                select(_CONSENT.problem, func.count())
                .where(_CONSENT.problem.is_not(None), _CONSENT.revoked_at.is_(None))
                .group_by(_CONSENT.problem)
            )
            return {ConsentProblem(problem): count for problem, count in rows}

    @available()
    def ending(self, first: dt.date, last: dt.date) -> Iterator[EndingConsent]:
        """The consents in use whose last day is between two days, the nearest first."""
        with self._state.connect() as connection:
            rows = connection.execute(
                select(
                    _CONSENT.consent_id,
                    _CONSENT.recorder,
                    _CONSENT.student_key,
                    _CONSENT.last_date,
                )
                .where(
                    _CONSENT.last_date.between(first, last),
                    _CONSENT.problem.is_(None),
                    _CONSENT.revoked_at.is_(None),
                )
                .order_by(_CONSENT.last_date, _CONSENT.consent_id)
            )
            for row in rows:
                yield EndingConsent(row.consent_id, row.recorder, row.student_key, row.last_date)


def mark_due(connection: Connection, which: ColumnElement[bool]) -> None:
    """Has consents settled again; what they allow stays until then."""
    connection.execute(update(CONSENT).where(which, *_LIVE).values(due=True))


def suspend_student(connection: Connection, student_key: int) -> None:
    """Takes away all that is allowed about a student, at once, until it is settled again."""
    drop_grants(connection, CONSENT_GRANT.c.student_key == student_key)
    mark_due(connection, _CONSENT.student_key == student_key)


def _take_away(connection: Connection, step: Step) -> None:
    match step:
        case Revoked():
            revoke(connection, step.consent_id, step.revoked_at)
        case Narrowed():
            narrow(connection, step)
        case Rotated():
            rotate(connection, step.recipient, step.refs, step.rotated_at)


def _write_entry(connection: Connection, steps: Sequence[Step], progress: Progress | None) -> None:
    """Notes in the log what was kept, all of it in one entry."""
    if not steps:
        return
    if progress is None:
        write_act(connection, AuditKind.CONSENTS_SETTLED, settled_content(steps))
    else:
        write_act(connection, AuditKind.CONSENTS_ARRIVED, arrived_content(steps, progress))


def _write_progress(connection: Connection, progress: Progress) -> None:
    values: dict[str, Any] = {
        "sequence": progress.sequence,
        "organization_sequence": progress.organization_sequence,
        "confirmed_at": int(progress.confirmed_at.timestamp()) if progress.confirmed_at else 0,
        "log_size": progress.log.size,
        "log_root": progress.log.root,
    }
    connection.execute(delete(CONSENT_PROGRESS))
    connection.execute(insert(CONSENT_PROGRESS).values(progress_id=1, **values))
