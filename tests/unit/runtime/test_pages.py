"""How lists are cut into pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import RequestInvalidError, TooMuchAskedError
from services.runtime.pages import key_of, number_of, page_of, page_size_of, token_after

MIB = 1024 * 1024
KEY_PART = st.text(st.characters(codec="ascii", categories=("L", "N", "P")))


@given(st.lists(st.integers(0, 12 * MIB), max_size=20), st.integers(1, 20))
def test_a_page_fits_into_one_message(sizes: list[int], limit: int) -> None:
    page = page_of(sizes, limit, lambda size: size)

    assert list(page) == sizes[: len(page)]
    assert len(page) <= limit
    assert sum(page) <= 8 * MIB or len(page) == 1
    assert page or not sizes


@given(KEY_PART, KEY_PART)
def test_a_token_names_the_key_it_was_made_of(identifier: str, version: str) -> None:
    assert key_of(token_after(identifier, version), 2) == (identifier, version)


@given(st.text())
def test_whatever_is_sent_as_a_token_is_read_or_refused(token: str) -> None:
    try:
        parts = key_of(token, 2)
        assert 0 <= number_of(parts[1]) < 2**63
    except RequestInvalidError:
        return
    assert all("\0" not in part for part in parts)


def test_the_size_of_a_page_is_bounded() -> None:
    assert page_size_of(0) > 0
    assert page_size_of(500) == 500
    with pytest.raises(TooMuchAskedError):
        page_size_of(501)
    with pytest.raises(RequestInvalidError):
        page_size_of(-1)
