"""Writes consents, grants and withdrawals: many settled consents at once."""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from services.node.domain.consent_book import Narrowed, Settled
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Grant, Withdrawn, narrowed
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT, CONSENT_WITHDRAWAL
from services.node.store.element_bits import EVERY_ELEMENT, elements_in, mask_of
from services.node.store.lists import one_of
from services.node.store.rights import noted_about, rights_noted
from services.node.store.subject_refs import Named, allot
from services.runtime.database import insert_rows

_CONSENT = CONSENT.c
_GRANT = CONSENT_GRANT.c
_WITHDRAWAL = CONSENT_WITHDRAWAL.c


def keep_settled(connection: Connection, settled: Sequence[Settled]) -> None:
    """Keeps what became of consents, in place of what they allowed before."""
    newest = {one.consent_id: one for one in settled}
    known = _known(connection, newest)
    kept = [one for one in newest.values() if not _is_revoked(known.get(one.consent_id))]
    outdated = _outdated(connection, kept)
    before = [known[i.consent_id].consent_key for i in kept if i.consent_id in known]
    if before:
        drop_grants(connection, one_of(_GRANT.consent_key, before))
    rows = [
        (one.consent_id in known, _row(one, known.get(one.consent_id), one.consent_id in outdated))
        for one in kept
    ]
    fresh, again = ([row for old, row in rows if old is wanted] for wanted in (False, True))
    last_key = connection.scalar(select(func.max(_CONSENT.consent_key))) or 0
    insert_rows(connection, CONSENT, fresh)
    if again:
        named = _CONSENT.consent_id == bindparam("this_id")
        connection.execute(
            update(CONSENT).where(named),
            [{"this_id": row.pop("consent_id"), **row} for row in again],
        )
    keys = {consent_id: row.consent_key for consent_id, row in known.items()}
    keys |= _keys_after(connection, last_key)
    _keep_grants(connection, [s for s in kept if s.grants and s.consent_id not in outdated], keys)


def revoke(connection: Connection, consent_id: str, revoked_at: dt.datetime) -> None:
    """Takes a consent back, for ever."""
    at = int(revoked_at.timestamp())
    drop_grants(connection, _GRANT.consent_key == _key_of(consent_id))
    changed = connection.execute(
        update(CONSENT)
        .where(_CONSENT.consent_id == consent_id)
        .values(revoked_at=at, due=False, report_due=False)
    )
    if changed.rowcount == 0:
        unknown = {"consent_id": consent_id, "recorder": "", "evidence": b"", "revoked_at": at}
        unknown["taken_at"] = at
        connection.execute(insert(CONSENT).values(due=False, report_due=False, **unknown))


def narrow(connection: Connection, step: Narrowed) -> None:
    """Takes a part of a consent back, for ever."""
    if step.withdrawn.whole:
        revoke(connection, step.consent_id, step.narrowed_at)
        return
    mask = mask_of(step.withdrawn.elements) or EVERY_ELEMENT
    recipients = sorted(step.withdrawn.recipients) or [""]
    for recipient in recipients:
        _keep_withdrawal(connection, step.consent_id, recipient, mask, step.narrowed_at)
    touched: list[ColumnElement[bool]] = [_GRANT.consent_key == _key_of(step.consent_id)]
    if recipients != [""]:
        touched.append(_GRANT.recipient.in_(recipients))
    left = _GRANT.elements.bitwise_and(literal(EVERY_ELEMENT & ~mask))
    drop_grants(connection, *touched, left == 0)
    connection.execute(update(CONSENT_GRANT).where(*touched).values(elements=left))


def drop_grants(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Takes back what consents allow."""
    connection.execute(delete(CONSENT_GRANT).where(*which))


def digest_of_code(link_code: bytes) -> str:
    """What is kept of a link code: enough to know it again, not enough to print it."""
    return hashlib.sha256(link_code).hexdigest()


def _known(connection: Connection, consent_ids: Iterable[str]) -> dict[str, Any]:
    columns = (
        _CONSENT.consent_id,
        _CONSENT.consent_key,
        _CONSENT.revoked_at,
        _CONSENT.verdict,
        _CONSENT.last_date,
        _CONSENT.report_due,
    )
    chosen = select(*columns).where(one_of(_CONSENT.consent_id, consent_ids))
    return {row.consent_id: row for row in connection.execute(chosen)}


def _keys_after(connection: Connection, last_key: int) -> dict[str, int]:
    """The keys that were given since: they stand together, so that none is looked for by itself."""
    chosen = select(_CONSENT.consent_id, _CONSENT.consent_key).where(
        _CONSENT.consent_key > last_key
    )
    return {row.consent_id: row.consent_key for row in connection.execute(chosen)}


def _is_revoked(known: Any) -> bool:
    return known is not None and known.revoked_at is not None


def _outdated(connection: Connection, settled: Sequence[Settled]) -> set[str]:
    """The consents that were settled by rights that were noted otherwise meanwhile."""
    students = {one.student.student_key: one.student for one in settled if one.student}
    noted = noted_about(connection, students)
    return {
        one.consent_id
        for one in settled
        if (student := one.student) is not None
        and rights_noted(noted.get(student.student_key, ()))
        != (student.postsecondary_from, student.limited, student.entitled)
    }


def _row(one: Settled, known: Any, outdated: bool) -> dict[str, Any]:
    """A consent's row; its recorder is told what is new to it."""
    verdict = " ".join(one.verdict.codes) if one.verdict else None
    last_date = one.verdict.last_date if one.verdict else None
    told = known is not None and (known.verdict, known.last_date) == (verdict, last_date)
    waits = one.problem is ConsentProblem.LINK_CODE_UNKNOWN
    return {
        "consent_id": one.consent_id,
        "recorder": one.recorder,
        "evidence": one.evidence,
        "taken_at": int(one.taken_at.timestamp()),
        "student_key": one.student.student_key if one.student else None,
        "birth_date": one.student.birth_date if one.student else None,
        "code_digest": digest_of_code(one.link_code) if waits and one.link_code else None,
        "problem": str(one.problem) if one.problem else None,
        "verdict": verdict,
        "last_date": last_date,
        "due": outdated or one.problem is ConsentProblem.NOT_CHECKED,
        "report_due": known.report_due if told else verdict is not None,
    }


def _keep_grants(
    connection: Connection, settled: Sequence[Settled], keys: Mapping[str, int]
) -> None:
    withdrawn = _withdrawn(connection, [one.consent_id for one in settled])
    rows: list[dict[str, Any]] = []
    names: list[Named] = []
    for one in settled:
        grants = narrowed(one.grants, withdrawn.get(one.consent_id, ()))
        rows += [_grant_row(keys[one.consent_id], grant) for grant in grants]
        names += [
            Named(
                grant.recipient,
                grant.student_key,
                one.subject_refs[grant.recipient],
                keys[one.consent_id],
                _seconds_of(grant.valid_from),
            )
            for grant in grants
            if grant.recipient in one.subject_refs
        ]
    insert_rows(connection, CONSENT_GRANT, rows)
    allot(connection, names)


def _grant_row(consent_key: int, grant: Grant) -> dict[str, Any]:
    period = grant.record_period
    return {
        "recipient": grant.recipient,
        "purpose": grant.purpose,
        "student_key": grant.student_key,
        "consent_key": consent_key,
        "elements": mask_of(grant.elements),
        "named": mask_of(grant.named),
        "valid_from": _seconds_of(grant.valid_from),
        "valid_to": _seconds_of(grant.valid_to),
        "age_rule": int(grant.age_rule),
        "agreement_id": grant.agreement_id,
        "record_from": period.start_date if period else None,
        "record_to": period.end_date if period else None,
    }


@lru_cache(maxsize=4_096)
def _seconds_of(instant: dt.datetime) -> int:
    return int(instant.timestamp())


def _withdrawn(
    connection: Connection, consent_ids: Iterable[str]
) -> Mapping[str, Sequence[Withdrawn]]:
    found: dict[str, list[Withdrawn]] = {}
    chosen = select(CONSENT_WITHDRAWAL).where(one_of(_WITHDRAWAL.consent_id, consent_ids))
    for row in connection.execute(chosen):
        every = row.elements == EVERY_ELEMENT
        found.setdefault(row.consent_id, []).append(
            Withdrawn(
                frozenset() if every else elements_in(row.elements),
                frozenset({row.recipient} - {""}),
            )
        )
    return found


def _keep_withdrawal(
    connection: Connection, consent_id: str, recipient: str, mask: int, at: dt.datetime
) -> None:
    this = (_WITHDRAWAL.consent_id == consent_id, _WITHDRAWAL.recipient == recipient)
    more = update(CONSENT_WITHDRAWAL).where(*this)
    more = more.values(elements=_WITHDRAWAL.elements.bitwise_or(literal(mask)))
    if connection.execute(more).rowcount == 0:
        row = {"consent_id": consent_id, "recipient": recipient, "elements": mask}
        connection.execute(
            insert(CONSENT_WITHDRAWAL).values(withdrawn_at=int(at.timestamp()), **row)
        )


def _key_of(consent_id: str) -> Any:
    return select(_CONSENT.consent_key).where(_CONSENT.consent_id == consent_id).scalar_subquery()
