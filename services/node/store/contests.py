"""Holds claims against each other, and against what their recorders know of students."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select

from services.node.domain.claim_links import ClaimLink, held_against_each_other, with_doubts
from services.node.domain.matching import Identity
from services.node.domain.recorder_names import KnownAs, RecordersWord
from services.node.store.claim_rows import (
    REVOKED,
    STANDING,
    claim_of,
    links_of,
    settle_anew,
    standings_about,
    write_links,
)
from services.node.store.claim_tables import CLAIM_LINK, RECORDER_NAME
from services.node.store.consent_tables import SUBJECT_REF
from services.node.store.lists import one_of
from services.runtime.database import insert_rows

_LINK = CLAIM_LINK.c
_NAME = RECORDER_NAME.c
_REF = SUBJECT_REF.c
_MOST_STEPS = 100
_LIVE_LINKS = select(
    _LINK.recorder, _LINK.known_as, _LINK.state, _LINK.student_key, _LINK.claim
).where(~REVOKED.exists())
_IS_ABOUT = case((_LINK.state.in_(STANDING), _LINK.student_key))
_TELLING = (
    select(_LINK.recorder, _LINK.known_as)
    .group_by(_LINK.recorder, _LINK.known_as)
    .having(
        or_(
            func.min(_IS_ABOUT) != func.max(_IS_ABOUT),
            and_(func.count(_IS_ABOUT) > 0, func.count(_IS_ABOUT) < func.count()),
        )
    )
)
"""Names that several students have, or a student and another claim that is about nobody."""


def contest(
    connection: Connection,
    student_keys: Collection[int],
    names: Collection[KnownAs],
    given_names: Collection[str],
    fresh: Mapping[str, Identity],
) -> Mapping[str, ClaimLink]:
    """Sends to people the claims that contest each other; returns those that changed.

    Args:
        connection: in a transaction that writes.
        student_keys: the students whose claims have changed.
        names: recorders' names for students, as far as forms with them have arrived or changed.
        given_names: those that students of the roster bear.
        fresh: what the claims say that have just arrived.
    """
    word = _word(connection, names, student_keys)
    disputed = {key for _, key in word.names}
    for name in names:
        students = word.students.get(name, ())
        if len(students) > 1 or word.claims.get(name):
            disputed |= set(students)
    about = standings_about(connection, {*student_keys, *disputed}, disputed, fresh)
    if not about:
        return {}
    all_names = {one.known_as for those in about.values() for one in those if one.known_as}
    if not (all_names <= set(names) and about.keys() <= set(student_keys)):
        word = _word(connection, all_names, about)
    doubts = {
        consent_id: found
        for student_key, those in about.items()
        for consent_id, found in held_against_each_other(
            student_key, those, word, given_names
        ).items()
    }
    if not doubts:
        return {}
    changed = {
        consent_id: with_doubts(link, doubts[consent_id])
        for consent_id, link in links_of(connection, doubts).items()
    }
    write_links(connection, list(changed.values()), changed.keys())
    settle_anew(connection, changed)
    return changed


def keep_names(connection: Connection, coded: Iterable[tuple[KnownAs, int]]) -> None:
    """Keeps which student a recorder's name is, where a form's code says so."""
    given = set(coded)
    rows = _rows_named(connection, select(RECORDER_NAME), _NAME, {name for name, _ in given})
    known = {(KnownAs(row.recorder, row.known_as), row.student_key) for row in rows}
    insert_rows(
        connection,
        RECORDER_NAME,
        [
            {"recorder": name.recorder, "known_as": name.name, "student_key": student_key}
            for name, student_key in sorted(given - known)
        ],
    )


def newest_names(connection: Connection, names: Collection[KnownAs]) -> Mapping[KnownAs, KnownAs]:
    """For names that were replaced, those that replaced them."""
    replaced: dict[KnownAs, KnownAs] = {}
    waiting = set(names)
    for _ in range(_MOST_STEPS):
        found = _replaced(connection, waiting)
        replaced |= found
        waiting = set(found.values()) - replaced.keys()
        if not waiting:
            break
    return {name: _last(name, replaced) for name in names if name in replaced}


def _replaced(connection: Connection, names: Collection[KnownAs]) -> dict[KnownAs, KnownAs]:
    return {
        KnownAs(recorder, row.subject_ref): KnownAs(recorder, row.replaced_by)
        for recorder, own in _by_recorder(names).items()
        for row in connection.execute(
            select(_REF.subject_ref, _REF.replaced_by).where(
                _REF.recipient == recorder,
                one_of(_REF.subject_ref, own),
                _REF.replaced_by.is_not(None),
            )
        )
    }


def _last(name: KnownAs, replaced: Mapping[KnownAs, KnownAs]) -> KnownAs:
    for _ in range(_MOST_STEPS):
        if name not in replaced:
            break
        name = replaced[name]
    return name


def _word(
    connection: Connection, names: Collection[KnownAs], student_keys: Collection[int]
) -> RecordersWord:
    """What recorders say of students by these names, and of these students by codes.

    A name that one student has, and no other claim, says nothing: it is left out.
    """
    students: dict[KnownAs, set[int]] = {}
    claims: dict[KnownAs, list[Identity]] = {}
    own_names: dict[tuple[str, int], set[str]] = {}
    for row in _rows_named(connection, select(RECORDER_NAME), _NAME, names):
        students.setdefault(KnownAs(row.recorder, row.known_as), set()).add(row.student_key)
    telling = {KnownAs(*row) for row in _rows_named(connection, _TELLING, _LINK, names)}
    for row in _rows_named(connection, _LIVE_LINKS, _LINK, telling | students.keys()):
        name = KnownAs(row.recorder, row.known_as)
        if row.state in STANDING and row.student_key is not None:
            students.setdefault(name, set()).add(row.student_key)
        else:
            claims.setdefault(name, []).append(claim_of(row.claim))
    coded = select(RECORDER_NAME).where(one_of(_NAME.student_key, student_keys))
    for row in connection.execute(coded):
        own_names.setdefault((row.recorder, row.student_key), set()).add(row.known_as)
    return RecordersWord(students, own_names, claims)


def _rows_named(
    connection: Connection, chosen: Select[Any], columns: Any, names: Iterable[KnownAs]
) -> Iterator[Any]:
    """The rows of these names, of a table that has a recorder's name in two columns."""
    for recorder, own in _by_recorder(names).items():
        of_recorder = chosen.where(columns.recorder == recorder)
        yield from connection.execute(of_recorder.where(one_of(columns.known_as, own)))


def _by_recorder(names: Iterable[KnownAs]) -> Mapping[str, Sequence[str]]:
    grouped: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        grouped.setdefault(name.recorder, []).append(name.name)
    return grouped
