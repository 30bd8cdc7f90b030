"""What bad holders among ten do to an answer: its time, the names of outcomes, its rows."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from benchmarks.crowd import LIGHT, WITHOUT_RATE, crowded
from benchmarks.fault_schedules import Found, Place, broken, healed, relayed
from benchmarks.ground import AGREEMENT_ID, ASKER, PURPOSE, Ground, ground
from homeroom import Answer, AsyncClient

_STUDENTS, _DAYS = 40, 180
_BYTES_OF_A_ROW, _BYTES_OF_NO_ROW = 14, 2_000
_TOLD_EACH = 50


def run(  # noqa: PLR0913, PLR0917 - the sizes that the command takes
    schedules: int = 300,
    nodes: int = 10,
    groups: int = 5,
    first: int = 1,
    students: int = _STUDENTS,
    milliseconds: int = 1_500,
    crowd: int = 1,
) -> dict[str, Any]:
    """Breaks one to three holders at a time, as a random schedule says, and asks all of them.

    Args:
        schedules: how many; each is asked about once. 0 measures the crowd alone.
        nodes: how many holders there are.
        groups: into how many groups the holders are put; each has schedules of its own, at once.
        first: the number of the first schedule.
        students: how many each holder has.
        milliseconds: how long an answer may take while something is broken.
        crowd: 0 leaves the crowd out.
    """
    found = Found()
    names = [f"holder_{number}" for number in range(nodes)]
    with ground(nodes, students, _DAYS, askers=(ASKER, LIGHT), gateway=WITHOUT_RATE) as at:
        began = time.perf_counter()
        numbers = range(first, first + schedules)
        if schedules:
            answer_bytes = _BYTES_OF_NO_ROW + students * _DAYS * _BYTES_OF_A_ROW
            with relayed(at.processes, names, ASKER, ask, answer_bytes) as place:
                asyncio.run(_all(at, place, groups, numbers, milliseconds / 1000, found))
        seconds = time.perf_counter() - began
        crowded_out = asyncio.run(crowded(at, names)) if crowd else {}
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
        **crowded_out,
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


async def _all(
    at: Ground, place: Place, groups: int, numbers: Sequence[int], seconds: float, found: Found
) -> None:
    """Each group of holders takes the next schedule as soon as it is well again."""
    waiting = iter(numbers)

    async def work(client: AsyncClient, own: Place) -> None:
        await healed(client, own, own.holders)
        for number in waiting:
            await broken(client, own, number, seconds, found)
            done = number - numbers[0] + 1
            if done % _TOLD_EACH == 0:
                print(f"{done} of {len(numbers)} schedules", flush=True)

    async with AsyncExitStack() as stack:
        tasks = []
        for group in range(groups):
            client = await stack.enter_async_context(AsyncClient(at.profile))
            tasks.append(work(client, place.group(place.holders[group::groups])))
        await asyncio.gather(*tasks)
