"""What a node tells of the intakes that it kept: counts and days, never a record."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple, Protocol


class TableTally(NamedTuple):
    """What became of the rows of one table."""

    table: str
    read: int
    added: int
    changed: int
    removed: int
    ended: int
    rejected: int


class KeptRun(NamedTuple):
    """One intake.

    Attributes:
        run: its number in the records' change sequence.
        source: the source under whose name the records came.
        rejected: how many rows were not taken, in all tables.
    """

    run: int
    source: str
    format_name: str
    finished_at: datetime
    tables: Sequence[TableTally]
    rejected: int


class SchoolReported(NamedTuple):
    """How far the attendance of one school is known.

    Attributes:
        attendance_kind: `every_day` or `exceptions`; empty where nobody knows.
    """

    school_id: str
    attendance_kind: str
    last_reported_date: date | None


class Intakes(Protocol):
    """The intakes that were kept."""

    def change_sequence(self) -> int:
        """The newest number of the records' change sequence; 0 before the first intake."""
        ...

    def newest(self, at_most: int) -> Sequence[KeptRun]:
        """The newest intakes, the newest first."""
        ...

    def schools(self) -> Sequence[SchoolReported]:
        """How far each school has reported."""
        ...
