"""Tells of the intakes that were kept, and how far each school has reported; no record."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select

from services.node.domain.intake_history import KeptRun, SchoolReported, TableTally
from services.node.store.database import available
from services.node.store.records.tables import TABLES, housekeeping

_RUN, _SOURCE = housekeeping("intake_run"), housekeeping("intake_source")
_SCHOOL = TABLES["school"].c


class IntakeHistory:
    """The node's intakes; implements `Intakes`."""

    def __init__(self, records: Engine) -> None:
        self._records = records

    @available()
    def change_sequence(self) -> int:
        with self._records.connect() as connection:
            return int(connection.scalar(select(func.max(_RUN.c.run))) or 0)

    @available()
    def newest(self, at_most: int) -> Sequence[KeptRun]:
        query = (
            select(_RUN, _SOURCE.c.name)
            .join(_SOURCE, _SOURCE.c.source_key == _RUN.c.source_key)
            .order_by(_RUN.c.run.desc())
            .limit(at_most)
        )
        with self._records.connect() as connection:
            return [_kept(row, json.loads(row.report)) for row in connection.execute(query)]

    @available()
    def schools(self) -> Sequence[SchoolReported]:
        query = select(
            _SCHOOL.school_id, _SCHOOL.attendance_kind, _SCHOOL.last_reported_date
        ).order_by(_SCHOOL.school_id)
        with self._records.connect() as connection:
            return [
                SchoolReported(row.school_id, row.attendance_kind or "", row.last_reported_date)
                for row in connection.execute(query)
            ]


def _kept(row: Any, report: dict[str, Any]) -> KeptRun:
    tables = [
        TableTally(name, **{place: counts[place] for place in TableTally._fields[1:]})
        for name, counts in report["tables"].items()
    ]
    finished = datetime.fromtimestamp(row.finished_at, UTC)
    return KeptRun(row.run, row.name, row.format_name, finished, tables, report["rejected"])
