"""Keeps which answers have to be given up: they may have told of a wrongly linked student."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, and_, or_, select, update

from services.node.domain.reviewing import Disclosed, ToRetract
from services.node.store.claim_tables import RETRACTION
from services.node.store.consent_tables import SUBJECT_REF
from services.node.store.database import available
from services.node.store.lists import in_lists
from services.node.store.state_tables import LOG_ENTRY
from services.runtime.database import insert_rows, writing

_REF, _WAITS = SUBJECT_REF.c, RETRACTION.c


class RetractionStore:
    """The retractions that requesters are still to be sent, in SQLite or PostgreSQL."""

    def __init__(self, state: Engine) -> None:
        self._state = state

    @available()
    def retractions(self, recipients: Collection[str], most: int) -> Sequence[ToRetract]:
        """What these requesters were not told yet, that of one requester together."""
        chosen = (
            select(_WAITS.recipient, _WAITS.query_digest, _WAITS.subject_ref)
            .where(_WAITS.sent.is_(False), _WAITS.recipient.in_(recipients))
            .order_by(_WAITS.recipient, _WAITS.query_digest, _WAITS.subject_ref)
            .limit(most)
        )
        with self._state.connect() as connection:
            return [ToRetract(*row) for row in connection.execute(chosen)]

    @available()
    def note_sent(self, sent: Iterable[ToRetract]) -> None:
        """These were sent."""
        with writing(self._state) as connection:
            for one in sent:
                this = and_(
                    _WAITS.recipient == one.recipient,
                    _WAITS.query_digest == one.query_digest,
                    _WAITS.subject_ref == one.subject_ref,
                )
                connection.execute(update(RETRACTION).where(this).values(sent=True))


def note_retractions(
    connection: Connection, student_key: int, disclosed: Sequence[Disclosed], now: dt.datetime
) -> None:
    """Has each of these answers given up, by the names that it may have told the student by."""
    found = {
        ToRetract(one.recipient, query_digest, subject_ref)
        for some in in_lists([one.log_index for one in disclosed])
        for one, query_digest in _digests(connection, disclosed, some)
        for subject_ref in _names(connection, student_key, one)
    }
    known = {
        ToRetract(*row)
        for row in connection.execute(
            select(_WAITS.recipient, _WAITS.query_digest, _WAITS.subject_ref).where(
                _WAITS.recipient.in_({one.recipient for one in found})
            )
        )
    }
    noted = {"noted_at": int(now.timestamp()), "sent": False}
    insert_rows(connection, RETRACTION, [one._asdict() | noted for one in sorted(found - known)])


def _digests(
    connection: Connection, disclosed: Sequence[Disclosed], places: Sequence[int]
) -> list[tuple[Disclosed, str]]:
    answers: dict[Any, Disclosed] = {one.log_index: one for one in disclosed}
    chosen = select(LOG_ENTRY.c.log_index, LOG_ENTRY.c.query_digest).where(
        LOG_ENTRY.c.log_index.in_(places)
    )
    rows = connection.execute(chosen)
    return [(answers[row.log_index], row.query_digest) for row in rows]


def _names(connection: Connection, student_key: int, answer: Disclosed) -> Sequence[str]:
    """What stood in the answer: the name in use, or one that was taken back since.

    Not the others that would find the student: that they mean the same one, no answer has told.
    """
    chosen = select(_REF.subject_ref).where(
        _REF.recipient == answer.recipient,
        _REF.student_key == student_key,
        or_(_REF.in_use, _REF.retired_at >= int(answer.at.timestamp())),
    )
    return connection.scalars(chosen).all()
