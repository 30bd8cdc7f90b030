"""Finds who could receive by a link that turns out wrong, and what they were answered."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from services.node.domain.consent_forms import CLASS
from services.node.domain.reviewing import Disclosed
from services.node.store.consent_tables import CONSENT, CONSENT_GRANT, SUBJECT_REF
from services.node.store.disclosure_tables import DISCLOSED
from services.node.store.element_bits import elements_in
from services.node.store.lists import in_lists
from services.node.store.state_tables import LOG_ENTRY


def recipients_of(
    connection: Connection, consent_ids: Sequence[str], student_key: int
) -> tuple[str, ...]:
    """Who could receive about a student by these consents; everyone, where one names a class."""
    found: set[str] = set()
    for some in in_lists(consent_ids):
        keys = select(CONSENT.c.consent_key).where(CONSENT.c.consent_id.in_(some))
        granted = select(CONSENT_GRANT.c.recipient).where(CONSENT_GRANT.c.consent_key.in_(keys))
        found.update(connection.scalars(granted.distinct()))
    if any(recipient.startswith(CLASS) for recipient in found):
        named = select(SUBJECT_REF.c.recipient).where(SUBJECT_REF.c.student_key == student_key)
        found.update(connection.scalars(named.distinct()))
    return tuple(sorted(one for one in found if not one.startswith(CLASS)))


def disclosed_about(
    connection: Connection, student_key: int, recipients: Sequence[str], since: int
) -> tuple[Disclosed, ...]:
    """The answers to these recipients that may have held the student's records since."""
    rows = connection.execute(
        select(
            DISCLOSED.c.log_index,
            DISCLOSED.c.elements,
            LOG_ENTRY.c.written_at,
            LOG_ENTRY.c.content,
        )
        .join(LOG_ENTRY, LOG_ENTRY.c.log_index == DISCLOSED.c.log_index)
        .where(DISCLOSED.c.student_key == student_key, LOG_ENTRY.c.written_at >= since)
        .order_by(DISCLOSED.c.log_index)
    )
    return tuple(
        _one_disclosed(row, content)
        for row in rows
        if (content := json.loads(row.content))["requester"] in recipients
    )


def _one_disclosed(row: Any, content: Mapping[str, Any]) -> Disclosed:
    return Disclosed(
        row.log_index,
        dt.datetime.fromtimestamp(row.written_at, dt.UTC),
        content["requester"],
        content["user"],
        content["purpose"],
        content["dataset"],
        tuple(sorted(elements_in(row.elements))),
    )
