"""A node opens copies with the sealing keys that it had before, and says where none is found."""

from pathlib import Path

import pytest

from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.sealing import SealingKey
from services.node.opening import former_keys


def test_every_key_of_the_folder_is_taken_and_nothing_else(tmp_path: Path) -> None:
    keys = [SealingKey.generate() for _ in range(2)]
    for number, key in enumerate(keys):
        (tmp_path / f"sealing_key_former_{number}.pem").write_bytes(key.to_pem())
    (tmp_path / "notes.txt").write_text("no key")

    assert [key.public for key in former_keys(tmp_path)] == [key.public for key in keys]


def test_without_a_folder_there_is_no_former_key() -> None:
    assert former_keys(None) == ()


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_a_folder_without_a_key_is_refused(tmp_path: Path, folder: str) -> None:
    """What is meant is elsewhere: copies that nobody could open would be found out years later."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestInvalidError):
        former_keys(tmp_path / folder)


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sealing_key_former.pem").write_text("no key")
    with pytest.raises(EvidenceInvalidError):
        former_keys(tmp_path)
