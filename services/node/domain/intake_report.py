"""What an intake run tells: what became of every row, and what a clerk should look at.

It says where and why, and never repeats a value of a person.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

MAX_LISTED = 250
"""How many rejections, and how many notices, a report lists; it counts them all."""


class Rejection(NamedTuple):
    """A row, or a part of a file, that was not taken.

    Attributes:
        value_class: what kind of thing stood there, such as `digits`; never the value.
    """

    table: str
    file: str
    line: int
    field: str
    reason: str
    value_class: str = ""


class Notice(NamedTuple):
    """Something about a row that was taken, which a clerk should know."""

    table: str
    file: str
    line: int
    field: str
    reason: str
    value_class: str = ""


class Tally(Protocol):
    """What became of the rows loaded into a table."""

    added: int
    changed: int
    unchanged: int
    removed: int
    ended: int


@dataclass(slots=True)
class TableReport:
    """What became of the rows of one table."""

    read: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    ended: int = 0
    rejected: int = 0


@dataclass(slots=True)
class IntakeReport:
    """What one intake run did; it names no person.

    Attributes:
        rejections: the first of them; `rejected` of the tables counts all.
        notices: the first things that were taken as they are and deserve a look; `noticed` counts
            all, by table, field and reason.
        dropped: sensitive values that were never read into anything, by the field they stood in.
        skipped: elements of the source that no table holds, by name.
        run: its number in the records' change sequence; None if nothing was kept.
    """

    format_name: str
    tables: dict[str, TableReport] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    noticed: Counter[str] = field(default_factory=Counter)
    dropped: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    run: int | None = None

    @property
    def rejected(self) -> int:
        """How many rows were not taken, in all tables."""
        return sum(table.rejected for table in self.tables.values())

    def table(self, name: str) -> TableReport:
        """The report of a table; empty at first."""
        return self.tables.setdefault(name, TableReport())

    def reject(self, rejection: Rejection) -> None:
        """Counts a rejection, and lists it while there is room."""
        self.table(rejection.table).rejected += 1
        if len(self.rejections) < MAX_LISTED:
            self.rejections.append(rejection)

    def in_order(self) -> None:
        """Puts what is listed in the order in which a clerk goes through the files."""
        self.rejections.sort(key=lambda told: (told.file, told.line))
        self.notices.sort(key=lambda told: (told.file, told.line))

    def notice(self, notice: Notice) -> None:
        """Counts a notice, and lists it while there is room."""
        self.noticed[f"{notice.table}.{notice.field} {notice.reason}"] += 1
        if len(self.notices) < MAX_LISTED:
            self.notices.append(notice)

    def found(self, findings: Mapping[str, int]) -> None:
        """Counts what is odd about the records that were touched."""
        self.noticed.update(findings)

    def tally(self, tallies: Mapping[str, Tally]) -> None:
        """Takes over what the records say became of the rows."""
        for name, tally in tallies.items():
            table = self.table(name)
            table.added, table.changed, table.unchanged = (
                tally.added,
                tally.changed,
                tally.unchanged,
            )
            table.removed, table.ended = tally.removed, tally.ended

    def to_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "format": self.format_name,
            "run": self.run,
            "seconds": round(self.seconds, 3),
            "tables": {
                name: {place: getattr(report, place) for place in TableReport.__slots__}
                for name, report in self.tables.items()
            },
            "rejected": self.rejected,
            "rejections": [rejection._asdict() for rejection in self.rejections],
            "notices": [notice._asdict() for notice in self.notices],
            "noticed": dict(self.noticed),
            "dropped": dict(Counter(self.dropped)),
            "skipped": dict(Counter(self.skipped)),
        }
