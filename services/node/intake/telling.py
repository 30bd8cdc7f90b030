"""Tells a person at a terminal how an intake goes, and what became of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.node.domain.intake_report import IntakeReport
from services.node.intake.carrying import OnProgress

_COUNTS = ("read", "added", "changed", "unchanged", "removed", "ended", "rejected")


@contextmanager
def progress_told(console: Console) -> Iterator[OnProgress]:
    """Shows a line for each table while the block runs: rows read, and how many a second."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console
    ) as progress:
        tasks: dict[str, TaskID] = {}
        began: dict[str, float] = {}

        def on_progress(table: str, rows: int) -> None:
            if table not in tasks:
                tasks[table], began[table] = progress.add_task(table), time.monotonic()
            seconds = max(time.monotonic() - began[table], 0.001)
            said = f"{table}: {rows:,} rows read, {rows / seconds:,.0f} a second"
            progress.update(tasks[table], description=said)

        yield on_progress


def show(report: IntakeReport, console: Console) -> None:
    """Shows a report: counts, rejections, what deserves a look, what was dropped."""
    table = Table("table", *_COUNTS)
    for name, counts in report.tables.items():
        table.add_row(name, *(f"{getattr(counts, count):,}" for count in _COUNTS))
    console.print(table)
    for line in _lines(report):
        console.print(line, markup=False)


def _lines(report: IntakeReport) -> Iterator[str]:
    for told in report.rejections:
        found = f" ({told.value_class})" if told.value_class else ""
        yield f"{told.file}:{told.line}: {told.table}.{told.field} {told.reason}{found}"
    if len(report.rejections) < report.rejected:
        yield f"... and {report.rejected - len(report.rejections):,} more rejected"
    for what, count in report.noticed.items():
        yield f"look at: {count:,} × {what}"
    for field, count in report.dropped.items():
        yield f"dropped at the door, never stored: {count:,} values of {field}"
    for name, count in report.skipped.items():
        yield f"passed over, no table holds it: {count:,} × {name}"
    if report.run is None:
        yield "only tried: nothing was kept"
    yield f"{report.seconds:.1f} s"
