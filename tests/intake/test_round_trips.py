"""What is exported and loaded into an empty node is the same there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.node.intake.export import export_oneroster
from services.node.store.records import RecordStore
from tests.intake.loaded_records import LoadedRecords
from tests.intake.shared_sets import shared_set
from tests.intake.test_oneroster import package, whole

STUDENTS = (
    "SELECT student_id, state_id, given_name, middle_name, family_name, birth_date, gender, races,"
    " hispanic, grade_level, school_id FROM student ORDER BY 1"
)
SPELLS = (
    "SELECT student_id, e.school_id, entry_date, exit_date FROM enrollment e"
    " JOIN student USING (student_key) ORDER BY 1, 2, 3"
)
SECTIONS = (
    "SELECT student_id, s.school_id, section_id, begin_date, end_date, course_code, course_title"
    " FROM section_enrollment s JOIN student USING (student_key) ORDER BY 1, 2, 3, 4"
)
SCHOOLS = "SELECT school_id, name FROM school ORDER BY 1"


@contextmanager
def opened(records: LoadedRecords) -> Iterator[RecordStore]:
    store = RecordStore(records.url)
    try:
        yield store
    finally:
        store.close()


def there_and_back(records: LoadedRecords, tmp_path: Path) -> LoadedRecords:
    """A new node, loaded from the export of another."""
    with opened(records) as store:
        export_oneroster(store, tmp_path / "export.zip")
    (tmp_path / "new").mkdir()
    new = LoadedRecords(tmp_path / "new")
    report = new.ingest("oneroster_csv", tmp_path / "export.zip")
    assert report.rejections == []
    return new


@pytest.mark.parametrize("query", [STUDENTS, SPELLS, SECTIONS, SCHOOLS])
def test_a_small_district_goes_there_and_back(
    records: LoadedRecords, tmp_path: Path, query: str
) -> None:
    records.ingest("oneroster_csv", package(tmp_path / "a.zip", "bulk", whole()))

    assert records.rows(query) == there_and_back(records, tmp_path).rows(query) != []


def test_a_generated_district_goes_there_and_back(records: LoadedRecords, tmp_path: Path) -> None:
    records.ingest("oneroster_csv", shared_set("oneroster-gospelnerd") / "dev-school-small")
    new = there_and_back(records, tmp_path)

    for query in (STUDENTS, SECTIONS, SCHOOLS):
        assert records.rows(query) == new.rows(query) != []


def test_daybreak_goes_there_and_back(records: LoadedRecords, tmp_path: Path) -> None:
    records.ingest("edfi_xml", shared_set("inbloom-il-daybreak"))
    new = there_and_back(records, tmp_path)

    for query in (SPELLS, SCHOOLS):
        assert records.rows(query) == new.rows(query) != []
    assert new.count("SELECT count(*) FROM section_enrollment") == 297
