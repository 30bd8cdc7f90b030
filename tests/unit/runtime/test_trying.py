"""What should last as long as its service is begun again whenever it fails."""

import pytest

from services.runtime.trying import LASTED_SECONDS, keep_up


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)


class Feed:
    """Lasts as long as it is told, each time, and then fails; ends when nothing more is told."""

    def __init__(self, clock: Clock, *lasts: float) -> None:
        self._clock = clock
        self._lasts = list(lasts)

    async def watch(self) -> None:
        if self._lasts:
            self._clock.now += self._lasts.pop(0)
            raise ConnectionError


async def waits(*lasts: float) -> list[float]:
    """The seconds between the tries of what lasts for so long each time."""
    clock = Clock()
    feed = Feed(clock, *lasts)
    await keep_up(feed.watch, (ConnectionError,), clock=lambda: clock.now, sleep=clock.sleep)
    return clock.waits


async def test_waits_grow_while_nothing_lasts_and_never_beyond_two_seconds() -> None:
    found = [await waits(*[0.0] * 12) for _ in range(20)]

    assert all(max(each[:2]) <= 0.4 for each in found)
    assert max(max(each) for each in found) > 1
    assert max(max(each) for each in found) <= 2


async def test_what_had_lasted_is_begun_again_soon_however_often_it_had_failed_before() -> None:
    """A node that is up for a year knows of a revocation a moment after the hub was restarted."""
    found = [await waits(*[0.0] * 12, LASTED_SECONDS + 1, 0.0) for _ in range(20)]

    assert all(max(each[-2:]) <= 0.2 for each in found)


async def test_all_who_lost_it_together_do_not_come_back_together() -> None:
    assert len({(await waits(LASTED_SECONDS + 1))[0] for _ in range(5)}) > 1


async def test_another_failure_is_told() -> None:
    feed = Feed(Clock(), 0.0)
    with pytest.raises(ConnectionError):
        await keep_up(feed.watch, (TimeoutError,))
