"""A node that has no place for a question is asked again, when it says, while there is time."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeroom.errors import Reason, TooMuchAskedError
from services.gateway.domain.fan_out import (
    FRAMES_WAITING,
    Ended,
    FanOut,
    Outcome,
    Passed,
    Piece,
    pause_within,
)
from services.gateway.domain.plan import Holder
from tests.unit.gateway.virtual_time import run

SECONDS = 10.0
ALWAYS = 1_000_000


@dataclass
class CrowdedNode:
    """Refuses so often, then answers; notes when it was asked.

    Attributes:
        told: what it says of when to come again.
        after: how many frames it sends before it refuses.
    """

    refuses: int
    told: dict[str, str]
    after: int = 0
    asked: list[float] = field(default_factory=list)

    async def answer(self, _holder: Holder, _seconds: float) -> AsyncGenerator[Piece[str], None]:
        self.asked.append(asyncio.get_running_loop().time())
        for sequence in range(self.after):
            yield Piece(sequence, None, "a frame")
        if len(self.asked) <= self.refuses:
            raise TooMuchAskedError("too many", **self.told)
        yield Piece(self.after, Outcome.ANSWERED, "the last")


def asked(node: CrowdedNode, chance: float = 0.0) -> tuple[list[Passed[str] | Ended], float]:
    """What the caller is told, and when it is over."""

    async def collect() -> tuple[list[Passed[str] | Ended], float]:
        fan_out = FanOut(node, [Holder("ana", "ana:1")], SECONDS, chance=lambda: chance)
        events = [event async for event in fan_out.events()]
        return events, asyncio.get_running_loop().time()

    return run(collect())


REFUSED = Ended("ana", Outcome.CANNOT_DECIDE, str(Reason.TOO_MUCH_ASKED))


def test_it_is_asked_again_when_it_says_and_its_answer_is_whole() -> None:
    node = CrowdedNode(2, {"retry_after": "1.5"})

    events, _ = asked(node)

    assert events == [Passed("ana", "the last"), Ended("ana", Outcome.ANSWERED)]
    assert node.asked == [0.0, 1.5, 3.0]


def test_it_may_refuse_more_often_than_frames_may_wait() -> None:
    """A place that waited for a frame that did not come is free again."""
    node = CrowdedNode(3 * FRAMES_WAITING, {"retry_after": "0.1"})

    events, _ = asked(node)

    assert events[-1] == Ended("ana", Outcome.ANSWERED)


def test_what_it_refused_to_the_end_is_said_to_be_too_much_before_the_time_is_over() -> None:
    node = CrowdedNode(ALWAYS, {"retry_after": "3"})

    events, seconds = asked(node)

    assert events == [REFUSED]
    assert node.asked == [0.0, 3.0, 6.0, 9.0]
    assert seconds < SECONDS


@pytest.mark.parametrize("told", [{}, {"limit": "5"}, {"retry_after": "10"}])
def test_without_a_time_or_with_one_too_late_it_is_asked_once(told: dict[str, str]) -> None:
    node = CrowdedNode(ALWAYS, told)

    assert asked(node) == ([REFUSED], 0.0)
    assert len(node.asked) == 1


def test_once_a_frame_has_come_it_is_never_asked_again() -> None:
    """Else rows could come twice."""
    node = CrowdedNode(ALWAYS, {"retry_after": "1"}, after=2)

    events, _ = asked(node)

    assert events[-1] == REFUSED
    assert len(node.asked) == 1


@given(
    told=st.floats(0, 1e6),
    chance=st.floats(0, 1, exclude_max=True),
    left=st.floats(-10, 1e6),
)
def test_nobody_waits_beyond_the_time_left_nor_less_than_told(
    told: float, chance: float, left: float
) -> None:
    pause = pause_within(TooMuchAskedError("?", retry_after=str(told)), chance, left)

    assert pause is None or told <= pause < left
