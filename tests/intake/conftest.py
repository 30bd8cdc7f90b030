"""What the tests of intake load: a folder for a set of files, and records to load it into."""

from pathlib import Path

import pytest

from tests.intake.loaded_records import LoadedRecords


@pytest.fixture
def records(tmp_path: Path) -> LoadedRecords:
    """The records of a new node, still empty."""
    return LoadedRecords(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for the files of a set."""
    made = tmp_path / "set"
    made.mkdir()
    return made
