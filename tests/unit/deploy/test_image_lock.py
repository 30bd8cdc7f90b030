"""An image holds what its services need, in the versions and with the hashes of the one lock."""

import pytest

from homeroom.errors import RequestInvalidError
from tools.image_lock import LOCK, _requirements, locked, needed

_LOCKED = locked(LOCK.read_text("utf-8"))


def test_the_servers_get_what_they_need_and_no_tool() -> None:
    names = needed(["services"])

    assert {"grpcio", "sqlmodel", "psycopg", "psycopg-binary", "opa-python-client"} <= names
    assert not names & {"pytest", "mypy", "ruff", "hypothesis", "pandas", "reportlab", "homeroom"}


def test_without_extras_there_is_the_client_alone() -> None:
    assert needed([]) < needed(["services"])
    assert "sqlmodel" not in needed([])


def test_what_another_system_needs_is_not_in_it() -> None:
    """Markers are read for the image, not for the machine that builds it."""
    assert "colorama" not in needed(["services", "dev"])


def test_everything_that_is_needed_is_locked_with_its_hashes() -> None:
    for name in needed(["services", "print"]):
        assert "==" in _LOCKED[name]
        assert "--hash=sha256:" in _LOCKED[name]


def test_a_package_that_is_not_installed_is_not_guessed_at() -> None:
    with pytest.raises(RequestInvalidError, match="not installed here"):
        _requirements("homeroom-absent")
