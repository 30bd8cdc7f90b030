"""The SQL of what is so of a student on a day: the statuses that have a first and a last day.

Where a source told the periods of a status, they decide; else the flag, which tells of now alone:
of an earlier day nothing is known then.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    ScalarSelect,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
)

from services.node.domain.selection import Selection
from services.node.store.records.tables import RecordTable

_STUDENT = RecordTable.metadata.tables["student"]
_STATUS_TABLE = RecordTable.metadata.tables["student_status"]
_STATUS = _STATUS_TABLE.c

_DAY = bindparam("as_of", type_=Date, required=False)
_IS_TODAY = bindparam("as_of_today", type_=Integer, required=False) == 1
_ON_THAT_DAY = and_(
    _STATUS.begin_date <= _DAY, or_(_STATUS.end_date.is_(None), _STATUS.end_date >= _DAY)
)


def day_of_flags(selection: Selection) -> Mapping[str, Any]:
    """The day of which flags are told, and whether it is today."""
    day = selection.as_of
    return {"as_of": day, "as_of_today": int(day == selection.instant.date())}


def _told(told: ColumnElement[Any], status: str) -> ScalarSelect[Any]:
    return (
        select(func.max(told))
        .where(_STATUS.student_key == _STUDENT.c.student_key, _STATUS.status == status)
        .correlate(_STUDENT)
        .scalar_subquery()
    )


def _flag(status: str) -> ColumnElement[Any]:
    so = _told(case((_ON_THAT_DAY, 1), else_=0), status) == 1
    return func.coalesce(so, case((_IS_TODAY, _STUDENT.c[status])))


def _residence() -> ColumnElement[Any]:
    now, then = (
        _STUDENT.c.nighttime_residence,
        _told(case((_ON_THAT_DAY, _STATUS.detail)), "homeless"),
    )
    return case((_IS_TODAY, now), else_=then)


OF_A_DAY: Mapping[str, ColumnElement[Any]] = {
    **{
        status: _flag(status)
        for status in ("english_learner", "special_education", "homeless", "foster_care")
    },
    "nighttime_residence": _residence(),
}
"""The columns of students that are told as of a day."""
