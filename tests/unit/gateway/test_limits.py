"""Limits: how often, how long, and how old the state may be."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import StateStaleError, TooMuchAskedError
from services.gateway.domain.limits import Deadlines, RateLimit, require_fresh

NOW = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
MAX_AGE = dt.timedelta(seconds=30)


class HandClock:
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_wait_is_told() -> None:
    limit = RateLimit(per_second=2.0, burst=3, clock=HandClock())
    for _ in range(3):
        limit.take("cbo")

    with pytest.raises(TooMuchAskedError) as refused:
        limit.take("cbo")

    assert refused.value.metadata == {"retry_after": "0.5"}


def test_waiting_as_long_as_told_is_enough_and_less_is_not() -> None:
    clock = HandClock()
    limit = RateLimit(per_second=2.0, burst=1, clock=clock)
    limit.take("cbo")
    clock.now += 0.4
    with pytest.raises(TooMuchAskedError):
        limit.take("cbo")
    clock.now += 0.1

    limit.take("cbo")


def test_one_organization_never_uses_up_what_another_may_ask() -> None:
    limit = RateLimit(per_second=1.0, burst=1, clock=HandClock())
    limit.take("cbo")

    limit.take("shelter")


def test_a_long_pause_saves_no_more_than_one_burst() -> None:
    clock = HandClock()
    limit = RateLimit(per_second=1.0, burst=2, clock=clock)
    limit.take("cbo")
    clock.now += 3600
    limit.take("cbo")
    limit.take("cbo")

    with pytest.raises(TooMuchAskedError):
        limit.take("cbo")


@given(
    pauses=st.lists(st.floats(0, 3, allow_nan=False), max_size=60),
    per_second=st.floats(0.5, 20),
    burst=st.integers(1, 10),
)
def test_no_more_than_a_burst_and_the_steady_rate_is_ever_let_through(
    pauses: list[float], per_second: float, burst: int
) -> None:
    clock = HandClock()
    limit = RateLimit(per_second, burst, clock)
    through = 0
    for pause in pauses:
        clock.now += pause
        try:
            limit.take("cbo")
        except TooMuchAskedError:
            continue
        through += 1

    assert through <= burst + sum(pauses) * per_second + 1e-6


@pytest.mark.parametrize(
    ("left", "nodes"),
    [
        (5.0, 4.75),
        (0.1, 0.0),
        (0.0, 0.0),
        (600.0, 120.0),
        (None, 10.0),
        (float("inf"), 10.0),
        (9.2e18, 10.0),
    ],
)
def test_nodes_have_the_callers_time_less_a_margin_within_a_cap(
    left: float | None, nodes: float
) -> None:
    assert Deadlines(0.25, 10.0, 120.0).for_nodes(left) == pytest.approx(nodes)


def test_a_state_confirmed_lately_is_relied_on() -> None:
    require_fresh(NOW - MAX_AGE, NOW, MAX_AGE)


@pytest.mark.parametrize("confirmed", [None, NOW - MAX_AGE - dt.timedelta(milliseconds=1)])
def test_a_state_not_confirmed_lately_is_refused(confirmed: dt.datetime | None) -> None:
    with pytest.raises(StateStaleError) as refused:
        require_fresh(confirmed, NOW, MAX_AGE)

    assert refused.value.metadata == {"state": "registry"}
