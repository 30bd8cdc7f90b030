"""One intake run: reads a file set in a format, and loads it whole or not at all."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from homeroom.errors import RequestInvalidError
from services.node.domain.intake import RowSource
from services.node.domain.intake_report import IntakeReport
from services.node.intake.carrying import Intake, OnProgress
from services.node.intake.edfi_json import EdFiJson
from services.node.intake.edfi_xml import EdFiXml
from services.node.intake.file_set import DAMAGED
from services.node.intake.mapped_csv import MappedCsv
from services.node.intake.oneroster import OneRosterCsv
from services.node.intake.record_csv import RecordCsv
from services.node.migrations import RECORDS, RECORDS_VERSION_TABLE
from services.node.store.records import IntakeRun, RecordStore
from services.runtime.database import upgrade


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person says about one intake.

    Attributes:
        source: the name of the source; the format's name, if none is given. What one source does
            not say any more is taken away only if that source brought it.
        bulk: whether the files are all there is, for formats that do not say it themselves.
        may_shrink: whether more than a fifth of a table may go.
        may_be_others: whether a student's id may come with another name and birth date.
        dry_run: whether to report only, and keep nothing.
        mapping: the map of a mapped CSV: a file, or the name of a ready one.
        today: the day it is, for spells that end and events that cannot be yet.
    """

    source: str = ""
    bulk: bool = False
    may_shrink: bool = False
    may_be_others: bool = False
    dry_run: bool = False
    mapping: str = ""
    today: date = field(default_factory=lambda: datetime.now(UTC).date())


Opener = Callable[[Path, Choices], RowSource]

FORMATS: Mapping[str, Opener] = {
    "edfi_xml": lambda path, choices: EdFiXml(path, bulk=choices.bulk),
    "edfi_json": lambda path, choices: EdFiJson(path, bulk=choices.bulk),
    "oneroster_csv": lambda path, _choices: OneRosterCsv(path),
    "mapped_csv": lambda path, choices: MappedCsv(path, choices.mapping, bulk=choices.bulk),
    "record_csv": lambda path, choices: RecordCsv(path, bulk=choices.bulk),
}
"""The formats that can be read, by name."""


def no_progress(_table: str, _rows: int) -> None:
    """What is told when nobody looks."""


def ingest(
    format_name: str,
    path: Path,
    records_url: str,
    choices: Choices | None = None,
    *,
    on_progress: OnProgress = no_progress,
) -> IntakeReport:
    """Imports a file set into a node's records.

    Args:
        format_name: one of `FORMATS`.
        path: a folder, a file or a zip archive.
        records_url: the records' database; its tables are made or brought up to date.
        choices: what a person says about it.
        on_progress: told a table and how many of its rows have been read so far.

    Raises:
        RequestInvalidError: if the format is unknown, the files are not in it, or too much would
            go; the node then stays as it was.
    """
    if format_name not in FORMATS:
        raise RequestInvalidError("there is no such format", field="format_name")
    chosen = choices or Choices()
    try:
        source = FORMATS[format_name](path, chosen)
        return ingest_source(format_name, source, records_url, chosen, on_progress)
    except DAMAGED:
        raise RequestInvalidError("the archive is damaged", field="path") from None


def ingest_source(
    format_name: str,
    source: RowSource,
    records_url: str,
    choices: Choices,
    on_progress: OnProgress = no_progress,
) -> IntakeReport:
    """Imports what a source gives, as `ingest` does.

    Raises:
        RequestInvalidError: as `ingest`.
    """
    upgrade(records_url, RECORDS, version_table=RECORDS_VERSION_TABLE)
    store = RecordStore(records_url)
    try:
        return load(store, format_name, source, choices, on_progress)
    finally:
        store.close()


def load(
    store: RecordStore,
    format_name: str,
    source: RowSource,
    choices: Choices,
    on_progress: OnProgress = no_progress,
) -> IntakeReport:
    """Imports what a source gives into open records, as `ingest` does.

    Raises:
        RequestInvalidError: as `ingest`.
    """
    began = time.monotonic()
    report = IntakeReport(format_name)
    try:
        with store.intake(choices.source or format_name, source.complete, choices.today) as run:
            latest = choices.today + timedelta(days=1)  # it may be tomorrow already, further east
            Intake(run, report, on_progress, latest, choices).take(source)
            _conclude(run, source, report, began)
            _keep_unless(choices.dry_run)
    except _OnlyTried:
        report.run = None
    return report


def _conclude(run: IntakeRun, source: RowSource, report: IntakeReport, began: float) -> None:
    run.finish()
    report.found(run.findings())
    report.dropped, report.skipped = dict(source.dropped), dict(source.skipped)
    report.run, report.seconds = run.mark.run, time.monotonic() - began
    run.keep_report(report.format_name, source.position, json.dumps(report.to_json()))


def _keep_unless(dry_run: bool) -> None:
    if dry_run:
        raise _OnlyTried


class _OnlyTried(Exception):  # noqa: N818  # undoes the transaction; never leaves this module
    """A dry run has come to its end."""
