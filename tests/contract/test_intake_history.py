"""What is told of the intakes that were kept, on SQLite and on PostgreSQL alike."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeroom.errors import RequestInvalidError
from services.node.domain.intake_history import SchoolReported, TableTally
from services.node.intake.run import Choices, ingest
from services.node.store.records.history import IntakeHistory
from services.runtime.database import open_database
from tests.contract.node_stores import Urls, urls

__all__ = ["urls"]

FILES = {
    "school.csv": "school_id,name\nelm,Elm\noak,Oak\n",
    "student.csv": "student_id,given_name\nana,Ana\nben,Ben\n",
    "attendance.csv": (
        "student_id,school_id,event_date,category\nana,elm,2026-09-07,tardy\n"
        "ana,elm,2026-09-09,tardy\nana,elm,someday,tardy\nben,elm,2026-09-08,tardy\n"
    ),
}


def write(folder: Path, **changed: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in {**FILES, **changed}.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture
def history(urls: Urls) -> Iterator[IntakeHistory]:
    engine = open_database(urls.records)
    yield IntakeHistory(engine)
    engine.dispose()


def test_each_kept_intake_is_told_the_newest_first(
    history: IntakeHistory, urls: Urls, tmp_path: Path
) -> None:
    """A try and a refused one are none; what is told are counts and days, and nobody's name."""
    assert (history.change_sequence(), history.newest(5), history.schools()) == (0, [], [])
    folder = write(tmp_path / "files")
    ingest("record_csv", folder, urls.records, Choices(source="sis"))
    ingest("record_csv", folder, urls.records, Choices(dry_run=True))
    with pytest.raises(RequestInvalidError):
        ingest("edfi_xml", folder / "student.csv", urls.records)
    write(folder, **{"student.csv": "student_id,given_name\nana,Anna\nben,Ben\n"})
    ingest("record_csv", folder, urls.records, Choices(source="sis"))

    second, first = history.newest(5)
    assert history.newest(1) == [second]
    assert (first.run, second.run, history.change_sequence()) == (1, 2, 2)
    assert (first.source, first.format_name, first.rejected) == ("sis", "record_csv", 1)
    assert dt.datetime.now(dt.UTC) - first.finished_at < dt.timedelta(hours=1)
    assert TableTally("attendance", 4, 3, 0, 0, 0, 1) in first.tables
    assert TableTally("student", 2, 0, 1, 0, 0, 0) in second.tables
    assert history.schools() == [
        SchoolReported("elm", "exceptions", dt.date(2026, 9, 9)),
        SchoolReported("oak", "", None),
    ]
