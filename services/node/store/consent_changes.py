"""Notices what consents were settled by that has changed in the records since."""

from typing import Any

from sqlalchemy import Select, select

from services.node.store.consent_tables import CONSENT
from services.node.store.records.tables import RecordTable

_STUDENT = RecordTable.metadata.tables["student"]
_CONSENT = CONSENT.c


def consents_to_settle_again() -> Select[Any]:
    """The consents whose student has another birth date now, or is gone."""
    return (
        select(_CONSENT.consent_key)
        .select_from(CONSENT.outerjoin(_STUDENT, _STUDENT.c.student_key == _CONSENT.student_key))
        .where(
            _CONSENT.student_key.is_not(None),
            _CONSENT.revoked_at.is_(None),
            ~_CONSENT.due,
            _STUDENT.c.birth_date.is_distinct_from(_CONSENT.birth_date),
        )
    )
