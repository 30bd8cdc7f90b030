"""The tables of an organization's records as CSV files, written as they are made."""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from deploy.local.pilot.region import HARBOR, MILL_RIVER, NEIGHBORHOOD, SHELTER

Row = Sequence[str]

COLUMNS: dict[str, tuple[str, ...]] = {
    "school": ("school_id", "name", "level", "attendance_kind"),
    "session": (
        "school_id",
        "session_name",
        "school_year",
        "begin_date",
        "end_date",
        "instructional_days",
    ),
    "student": (
        "student_id",
        "state_id",
        "given_name",
        "middle_name",
        "family_name",
        "birth_date",
        "gender",
        "races",
        "hispanic",
        "grade_level",
        "english_learner",
        "special_education",
        "homeless",
        "nighttime_residence",
        "foster_care",
        "lunch_eligibility",
        "school_id",
    ),
    "enrollment": (
        "student_id",
        "school_id",
        "entry_date",
        "school_year",
        "entry_type",
        "entry_grade_level",
        "exit_date",
        "exit_type",
        "graduated",
    ),
    "attendance": (
        "student_id",
        "school_id",
        "event_date",
        "category",
        "reason",
        "duration_days",
    ),
    "discipline_incident": (
        "incident_id",
        "student_id",
        "behavior",
        "school_id",
        "incident_date",
    ),
    "discipline_action": (
        "action_id",
        "student_id",
        "action_type",
        "action_date",
        "school_id",
        "planned_days",
        "actual_days",
    ),
    "section_enrollment": (
        "student_id",
        "school_id",
        "section_id",
        "begin_date",
        "course_code",
        "course_title",
        "end_date",
    ),
    "course_grade": (
        "student_id",
        "school_id",
        "course_code",
        "term",
        "grade_kind",
        "course_title",
        "letter_grade",
        "numeric_grade",
        "credits_earned",
    ),
    "assessment_result": (
        "student_id",
        "result_id",
        "assessment_title",
        "administration_date",
        "subject",
        "score_metric",
        "score",
        "performance_level",
    ),
    "program_participation": (
        "student_id",
        "program_name",
        "program_type",
        "begin_date",
        "end_date",
    ),
    "service_event": ("student_id", "service_name", "service_date", "hours"),
    "families": (
        "holder",
        "student_id",
        "recipient",
        "guardian_name",
        "relation",
        "language",
        "answer",
        "elements",
        "purposes",
        "signed_on",
    ),
}
"""The header of every file."""

_COMMUNITY_TABLES = ("student", "program_participation", "service_event")
_DISTRICT_TABLES = tuple(COLUMNS.keys() - {"service_event", "families"})

TABLES: dict[str, tuple[str, ...]] = {
    HARBOR: tuple(sorted(_DISTRICT_TABLES)),
    MILL_RIVER: tuple(sorted(_DISTRICT_TABLES)),
    NEIGHBORHOOD: _COMMUNITY_TABLES,
    SHELTER: _COMMUNITY_TABLES,
}
"""The tables each organization has."""


class Writer(Protocol):
    """Takes the rows of an organization's table."""

    def add(self, organization: str, table: str, rows: Sequence[Row]) -> None:
        """Append rows."""


class CsvFolder:
    """A folder of open CSV files; rows go to disk as they come."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = ExitStack()
        self._writers: dict[tuple[str, str], Any] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> "CsvFolder":
        self._open("", "families")
        for organization, tables in TABLES.items():
            for table in tables:
                self._open(organization, table)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def add(self, organization: str, table: str, rows: Sequence[Row]) -> None:
        self._writers[organization, table].writerows(rows)
        self.counts[organization, table] += len(rows)

    def _open(self, organization: str, table: str) -> None:
        path = self._folder / organization / f"{table}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = self._files.enter_context(path.open("w", encoding="utf-8", newline=""))
        writer = csv.writer(file)
        writer.writerow(COLUMNS[table])
        self._writers[organization, table] = writer


def flag(value: object) -> str:
    """A yes or no as the files write it."""
    return "true" if value else "false"


def joined(words: Iterable[str]) -> str:
    """Several words in one field."""
    return ";".join(words)
