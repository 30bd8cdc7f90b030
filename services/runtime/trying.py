"""Keeps up what should last as long as its service: whenever it fails, it is begun again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import SystemRandom

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 2.0
LASTED_SECONDS = 5.0
"""What held for so long was well: once it fails, the waits are short again."""


async def keep_up(
    act: Callable[[], Awaitable[None]],
    failures: tuple[type[Exception], ...],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Does something again whenever it fails, until it ends by itself.

    Before each try it waits for a random time: up to 0.2 s first, and up to 2 s in the end.

    Args:
        act: what should last.
        failures: after which kinds of errors it is tried again; any other one is raised.
        clock: in seconds.
        sleep: waits for so many seconds.
    """
    while True:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(failures),
            wait=wait_random_exponential(multiplier=_FIRST_WAIT_SECONDS, max=_LONGEST_WAIT_SECONDS),
            sleep=sleep,
        ):
            with attempt:
                began = clock()
                try:
                    await act()
                except failures:
                    if clock() - began < LASTED_SECONDS:
                        raise
                else:
                    return
        # All who lost the same hub at the same moment do not come back at once.
        await sleep(SystemRandom().uniform(0, _FIRST_WAIT_SECONDS))
