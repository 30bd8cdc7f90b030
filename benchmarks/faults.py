"""What bad holders among ten do to an answer: its time, the names of outcomes, its rows."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import Any

from benchmarks.crowd import LIGHT, WITHOUT_RATE, crowded
from benchmarks.fault_schedules import Found, Place, broken, healed, relayed
from benchmarks.ground import AGREEMENT_ID, ASKER, PURPOSE, Ground, ground
from homeroom import Answer, AsyncClient

_STUDENTS, _DAYS = 40, 180

_SECONDS = 1.5
"""How long an answer may take while something is broken."""
_ANSWER_BYTES = 100_000
_TOLD_EACH = 50


def run(
    schedules: int = 300, nodes: int = 10, seed: int = 1, groups: int = 1, students: int = _STUDENTS
) -> dict[str, Any]:
    """Breaks one to three holders at a time, as a random schedule says, and asks all of them.

    Args:
        schedules: how many; each is asked about once. 0 measures the crowd alone.
        nodes: how many holders there are.
        seed: of the schedules.
        groups: into how many groups the holders are put; each has schedules of its own, at once.
        students: how many each holder has.
    """
    found = Found()
    names = [f"holder_{number}" for number in range(nodes)]
    with ExitStack() as stack:
        at = stack.enter_context(
            ground(nodes, students, _DAYS, askers=(ASKER, LIGHT), gateway=WITHOUT_RATE)
        )
        place = stack.enter_context(relayed(at.processes, names, ask, _ANSWER_BYTES))
        began = time.perf_counter()
        numbers = range(seed * 10**9, seed * 10**9 + schedules)
        asyncio.run(_all(at, place, groups, numbers, found))
        seconds = time.perf_counter() - began
        crowd = asyncio.run(crowded(at, names))
    for (trouble, outcome), count in sorted(found.outcomes.items()):
        print(f"{trouble}: {outcome} {count}")
    print(f"schedules that went wrong: {found.wrong}")
    return {
        "schedules": schedules,
        "schedules_s": round(schedules / seconds, 2),
        "overrun_ms": round(max(found.overrun, 0) * 1000),
        "mislabelled": found.mislabelled,
        "lost": found.lost,
        "doubled": found.doubled,
        **crowd,
    }


async def ask(client: AsyncClient, holders: Sequence[str], seconds: float) -> Answer:
    """What some holders say of everyone."""
    return await client.query(
        AGREEMENT_ID,
        PURPOSE,
        "attendance",
        ["daily_attendance"],
        holders=list(holders),
        timeout=seconds,
    )


async def _all(at: Ground, place: Place, groups: int, numbers: Sequence[int], found: Found) -> None:
    """Each group of holders takes the next schedule as soon as it is well again."""
    waiting = iter(numbers)

    async def work(client: AsyncClient, own: Place) -> None:
        await healed(client, own)
        for number in waiting:
            await broken(client, own, number, _SECONDS, found)
            await healed(client, own)
            done = number - numbers[0] + 1
            if done % _TOLD_EACH == 0:
                print(f"{done} of {len(numbers)} schedules", flush=True)

    async with AsyncExitStack() as stack:
        tasks = []
        for first in range(groups):
            client = await stack.enter_async_context(AsyncClient(at.profile))
            tasks.append(work(client, place.group(place.holders[first::groups])))
        await asyncio.gather(*tasks)
