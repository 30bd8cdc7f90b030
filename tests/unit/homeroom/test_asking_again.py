"""When an app asks again that was told to come later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.asking_again import pause_before_asking_again
from homeroom.errors import TooMuchAskedError

CHANCES = st.floats(0, 1, exclude_max=True)


@given(seconds=st.floats(0.1, 30), chance=CHANCES)
def test_nobody_comes_sooner_than_told_nor_much_later(seconds: float, chance: float) -> None:
    refused = TooMuchAskedError("too many", retry_after=f"{seconds:.1f}")

    pause = pause_before_asking_again(refused, chance)
    assert pause is not None
    assert round(seconds, 1) <= pause <= 2 * round(seconds, 1)


@given(chance=CHANCES)
def test_a_service_that_says_at_once_is_not_asked_at_once(chance: float) -> None:
    pause = pause_before_asking_again(TooMuchAskedError("too many", retry_after="0"), chance)

    assert pause is not None
    assert pause >= 0.1


@pytest.mark.parametrize("told", [{}, {"limit": "5"}, {"retry_after": "soon"}])
@pytest.mark.parametrize("chance", [0.0, 0.9])
def test_what_is_too_much_at_any_time_is_not_asked_again(
    told: dict[str, str], chance: float
) -> None:
    assert pause_before_asking_again(TooMuchAskedError("too large", **told), chance) is None


@pytest.mark.parametrize("told", ["nan", "-1"])
def test_no_time_is_no_time(told: str) -> None:
    assert pause_before_asking_again(TooMuchAskedError("?", retry_after=told), 0.5) is None
