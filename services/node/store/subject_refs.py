"""Keeps the names by which each recipient knows students: one in use for each pair.

Names are random and derived from nothing. A recorder proposes them; the holder makes its own where
nothing was proposed, or what was is another student's or was given up.
"""

import datetime as dt
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, String, bindparam, delete, insert, select, update

from services.node.store.claim_tables import CLAIM_LINK, RECORDER_NAME
from services.node.store.consent_tables import CONSENT_GRANT, SUBJECT_REF
from services.node.store.database import available
from services.node.store.lists import in_lists, listed, one_listed, one_of
from services.runtime.database import insert_rows, writing
from services.runtime.statements import Statement

_REF = SUBJECT_REF.c
_GRANT = CONSENT_GRANT.c
_STUDENTS = Statement(
    select(_REF.subject_ref, _REF.student_key).where(
        _REF.recipient == bindparam("recipient"),
        _REF.student_key.is_not(None),
        _REF.retired_at.is_(None),
        one_listed(_REF.subject_ref, bindparam("subject_refs", type_=String())),
    )
)
_NAME_BYTES = 16
_MOST_STEPS = 100


class Named(NamedTuple):
    """A recipient, a student, and the name that a consent proposes; empty where none is.

    `since` is when the consent begins to count.
    """

    recipient: str
    student_key: int
    proposed: str
    consent_key: int = 0
    since: int = 0


class SubjectRefStore:
    """The names of students, in SQLite or PostgreSQL."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def name(self, recipient: str, student_keys: Iterable[int]) -> None:
        """Gives each student a name that this recipient has none for."""
        with writing(self._state) as connection:
            allot(connection, [Named(recipient, key, "") for key in student_keys])

    @available()
    def students(self, recipient: str, subject_refs: Iterable[str]) -> Mapping[str, int]:
        """The key of each student whom a recipient knows by one of some names."""
        asked = {"recipient": recipient, "subject_refs": listed(subject_refs)}
        with self._state.connect() as connection:
            return dict(_STUDENTS.execute(connection, asked).fetchall())

    @available()
    def ever(self, recipient: str, student_key: int) -> set[str]:
        """Every name that a recipient has or had for a student."""
        chosen = select(_REF.subject_ref).where(
            _REF.recipient == recipient, _REF.student_key == student_key
        )
        with self._state.connect() as connection:
            return set(connection.scalars(chosen))

    @available()
    def named(self, recipient: str, student_keys: Iterable[int]) -> Mapping[int, str]:
        """The names in use by which a recipient knows some students."""
        chosen = select(_REF.student_key, _REF.subject_ref).where(
            _REF.recipient == recipient, _REF.in_use
        )
        with self._state.connect() as connection:
            return {
                row.student_key: row.subject_ref
                for some in in_lists(student_keys)
                for row in connection.execute(chosen.where(_REF.student_key.in_(some)))
            }


def allot(connection: Connection, wanted: Iterable[Named]) -> None:
    """Sees that each recipient has a name in use for its student, and knows the proposed ones."""
    named = list(dict.fromkeys(wanted))
    in_use = _in_use(connection, named)
    known = _known(connection, named)
    counting = _counting(connection, _renamed(named, in_use, known))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in named:
        pair = (one.recipient, one.student_key)
        name = _free_name(one, known)
        if pair in in_use and name:
            if not _shared(one, counting):
                # What the earlier name was for is over: the student goes by the newer one.
                _set_aside(connection, *pair)
                in_use.discard(pair)
                for row in rows.values():
                    row["in_use"] &= (row["recipient"], row["student_key"]) != pair
        elif pair not in in_use:
            name = name or _new_name()
        if name:
            known[(one.recipient, name)] = None
            rows[(one.recipient, name)] = _row(*pair, name, in_use=pair not in in_use)
            in_use.add(pair)
    if rows:
        insert_rows(connection, SUBJECT_REF, list(rows.values()))


def _renamed(
    named: Sequence[Named],
    in_use: Collection[tuple[str, int]],
    known: Mapping[tuple[str, str], str | None],
) -> set[tuple[str, int]]:
    """The recipients and students that have a name in use, or soon will, and may get another."""
    seen = set(in_use)
    renamed: set[tuple[str, int]] = set()
    for one in named:
        pair = (one.recipient, one.student_key)
        if pair in seen and _free_name(one, known):
            renamed.add(pair)
        seen.add(pair)
    return renamed


def rotate(
    connection: Connection, recipient: str, refs: Mapping[str, str], now: dt.datetime
) -> None:
    """Replaces names by new ones; consents stay as they are. Retired names find nobody."""
    at = int(now.timestamp())
    known = _rows(connection, recipient, {*refs, *refs.values()})
    taken = set(known)
    for old, new in refs.items():
        row = known.get(old)
        if new in taken or (row is not None and row.retired_at is not None):
            continue
        taken |= {old, new}
        _rename(connection, recipient, old, new)
        retired = {"in_use": False, "retired_at": at, "replaced_by": new}
        if row is None:
            # Its consent still waits for its student: then the new name is the one it gets.
            lost = _row(recipient, None, old, in_use=False) | retired
            connection.execute(insert(SUBJECT_REF).values(lost))
            continue
        connection.execute(
            update(SUBJECT_REF)
            .where(_REF.recipient == recipient, _REF.subject_ref == old)
            .values(retired)
        )
        new_row = _row(recipient, row.student_key, new, in_use=row.in_use)
        connection.execute(insert(SUBJECT_REF).values(new_row))


def retire(
    connection: Connection, student_key: int, recipients: Iterable[str], now: dt.datetime
) -> None:
    """Takes back every name that these recipients have for a student."""
    connection.execute(
        update(SUBJECT_REF)
        .where(
            _REF.student_key == student_key,
            _REF.recipient.in_(list(recipients)),
            _REF.retired_at.is_(None),
        )
        .values(in_use=False, retired_at=int(now.timestamp()))
    )


def _shared(one: Named, counting: Mapping[tuple[str, int], Mapping[int, int]]) -> bool:
    """Whether another consent counts at the same time for the same recipient and student.

    Then the name in use stays, and the one that this consent proposes finds the student too.
    """
    ends = counting.get((one.recipient, one.student_key), {})
    return any(end > one.since for key, end in ends.items() if key != one.consent_key)


def _rename(connection: Connection, recorder: str, old: str, new: str) -> None:
    """What a recorder says that it knows a student by follows the new name."""
    connection.execute(
        update(CLAIM_LINK)
        .where(CLAIM_LINK.c.recorder == recorder, CLAIM_LINK.c.known_as == old)
        .values(known_as=new)
    )
    this = RECORDER_NAME.c.recorder == recorder
    coded = select(RECORDER_NAME.c.student_key).where(this)
    old_keys, new_keys = (
        set(connection.scalars(coded.where(RECORDER_NAME.c.known_as == name)))
        for name in (old, new)
    )
    connection.execute(delete(RECORDER_NAME).where(this, RECORDER_NAME.c.known_as == old))
    for key in old_keys - new_keys:
        connection.execute(
            insert(RECORDER_NAME).values(recorder=recorder, known_as=new, student_key=key)
        )


def _counting(
    connection: Connection, pairs: Collection[tuple[str, int]]
) -> dict[tuple[str, int], dict[int, int]]:
    """For each recipient and student the consents that count, and when the last grant ends."""
    found: dict[tuple[str, int], dict[int, int]] = {pair: {} for pair in pairs}
    chosen = select(_GRANT.recipient, _GRANT.student_key, _GRANT.consent_key, _GRANT.valid_to)
    if not pairs:
        return found
    of_them = one_of(_GRANT.student_key, {student_key for _, student_key in pairs})
    for row in connection.execute(chosen.where(of_them)):
        ends = found.get((row.recipient, row.student_key))
        if ends is not None:
            ends[row.consent_key] = max(row.valid_to, ends.get(row.consent_key, 0))
    return found


def _set_aside(connection: Connection, recipient: str, student_key: int) -> None:
    this = (_REF.recipient == recipient, _REF.student_key == student_key, _REF.in_use)
    connection.execute(update(SUBJECT_REF).where(*this).values(in_use=False))


def _free_name(one: Named, known: Mapping[tuple[str, str], str | None]) -> str:
    """The proposed name, or the one that replaced it; empty if neither is free."""
    name = one.proposed
    for _ in range(_MOST_STEPS):
        if not name or (one.recipient, name) not in known:
            return name
        name = known[(one.recipient, name)] or ""
    return ""


def _in_use(connection: Connection, named: Iterable[Named]) -> set[tuple[str, int]]:
    wanted = {(one.recipient, one.student_key) for one in named}
    # By student alone: told the recipient too, a database may read every name that it has.
    chosen = select(_REF.recipient, _REF.student_key).where(_REF.in_use)
    return {
        (row.recipient, row.student_key)
        for row in connection.execute(
            chosen.where(one_of(_REF.student_key, {student_key for _, student_key in wanted}))
        )
        if (row.recipient, row.student_key) in wanted
    }


def _known(connection: Connection, named: Iterable[Named]) -> dict[tuple[str, str], str | None]:
    """The proposed names that are no longer free; for those given up unseen, what replaced them."""
    known: dict[tuple[str, str], str | None] = {}
    for recipient, ones in _by_recipient(named).items():
        waiting = {one.proposed for one in ones if one.proposed}
        while waiting:
            found = _rows(connection, recipient, waiting)
            lost = {name: row.replaced_by for name, row in found.items() if row.student_key is None}
            known |= {(recipient, name): lost.get(name) for name in found}
            waiting = {name for name in lost.values() if name and (recipient, name) not in known}
    return known


def _rows(connection: Connection, recipient: str, names: Iterable[str]) -> dict[str, Any]:
    return {
        row.subject_ref: row
        for row in connection.execute(
            select(SUBJECT_REF).where(_REF.recipient == recipient, one_of(_REF.subject_ref, names))
        )
    }


def _by_recipient(named: Iterable[Named]) -> dict[str, list[Named]]:
    grouped: dict[str, list[Named]] = {}
    for one in named:
        grouped.setdefault(one.recipient, []).append(one)
    return grouped


def _row(recipient: str, student_key: int | None, name: str, *, in_use: bool) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "subject_ref": name,
        "student_key": student_key,
        "in_use": in_use,
        "retired_at": None,
        "replaced_by": None,
    }


def _new_name() -> str:
    return secrets.token_hex(_NAME_BYTES)
