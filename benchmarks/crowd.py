"""What becomes of whole answers, and of whoever asks little, when far too much is asked at once.

Who floods is a process of its own: else whoever asks little would wait for it in the client.
"""

import asyncio
import datetime as dt
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.ground import AGREEMENT_ID, FIRST_DAY, PURPOSE, Ground
from homeroom import Answer, AsyncClient
from homeroom.errors import DeadlinePassedError, TooMuchAskedError

LIGHT = "light"
"""An organization that asks one question after the other, while another floods."""
WITHOUT_RATE = {
    "HOMEROOM_GATEWAY_QUERIES_PER_SECOND": "10000",
    "HOMEROOM_GATEWAY_QUERY_BURST": "10000",
}
"""Else an organization's own rate would be the limit, and not what the machine can do."""

_AT_ONCE = (2, 4, 8, 16)
"""How many ask at once where the most is looked for."""
_CROWD = 4
_ROUNDS = 3
_DEADLINE_SECONDS = 2.0
_WARM_SECONDS, _SECONDS = 2.0, 8.0
_PAUSE_SECONDS = 0.2
_PERIOD = (FIRST_DAY, FIRST_DAY + dt.timedelta(days=4))


@dataclass(frozen=True, slots=True)
class _Asking:
    """Who asks whom.

    Attributes:
        at_once: how many ask, each again as soon as it was answered.
        a_second: how many questions are begun in a second, whatever becomes of those before; then
            `at_once` is of no account.
    """

    profile: Path
    holders: Sequence[str]
    at_once: int = 0
    a_second: float = 0


async def crowded(at: Ground, holders: Sequence[str]) -> Mapping[str, Any]:
    """Whole answers a second inside their deadlines, and what another's question takes.

    By as many askers as give the most of them; and when four times as many questions are begun in
    a second as can be answered: then the other's count too, for they are answered with the rest.
    """
    light = partial(_light, at.layout.profile(LIGHT), holders)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as flood:

        async def whole(at_once: int = 0, a_second: float = 0) -> float:
            asking = _Asking(at.profile, holders, at_once, a_second)
            return await asyncio.get_running_loop().run_in_executor(flood, _whole, asking)

        calm, told = await light(), []
        found = {at_once: await whole(at_once) for at_once in _AT_ONCE}
        at_once = max(found, key=found.__getitem__)
        peaks, crowds = [found[at_once]], []
        for _ in range(_ROUNDS):
            crowd, seconds = await asyncio.gather(
                whole(a_second=_CROWD * median(peaks)), _later(light)
            )
            crowds.append(crowd + sum(one < _DEADLINE_SECONDS for one in seconds) / _SECONDS)
            told += seconds
            # In turn, for a shared machine is not as quick all the time.
            peaks.append(await whole(at_once))
    print(f"whole answers a second by how many ask at once: {found}; then {peaks[1:]}; {crowds}")
    return {
        "at_once": at_once,
        "peak_s": round(median(peaks), 2),
        "goodput_s": round(median(crowds), 2),
        "goodput_ratio": round(median(crowds) / median(peaks), 2),
        "light_p50_ms": round(median(told) * 1000),
        "light_calm_p50_ms": round(median(calm) * 1000),
        "light_refused": sum(seconds >= _DEADLINE_SECONDS for seconds in told),
    }


def _whole(asking: _Asking) -> float:
    return asyncio.run(_whole_answers(asking))


async def _whole_answers(asking: _Asking) -> float:
    """Whole answers a second, once all are at it."""
    whole, begin = 0, time.perf_counter() + _WARM_SECONDS
    ends = begin + _SECONDS

    async def ask(client: AsyncClient) -> bool:
        """Whether there was an answer in time."""
        nonlocal whole
        try:
            answer = await _ask(client, asking.holders)
        except (TooMuchAskedError, DeadlinePassedError):
            return False
        whole += answer.complete and begin <= time.perf_counter() < ends
        return True

    async def ask_on(client: AsyncClient) -> None:
        while time.perf_counter() < ends:
            if not await ask(client):
                await asyncio.sleep(_PAUSE_SECONDS)

    async with AsyncClient(asking.profile) as client, asyncio.TaskGroup() as tasks:
        for _ in range(asking.at_once):
            tasks.create_task(ask_on(client))
        while asking.a_second and time.perf_counter() < ends:
            tasks.create_task(ask(client))
            await asyncio.sleep(1 / asking.a_second)
    return whole / _SECONDS


async def _later(light: Callable[[], Any]) -> list[float]:
    await asyncio.sleep(_WARM_SECONDS)
    seconds: list[float] = await light()
    return seconds


async def _light(profile: Path, holders: Sequence[str]) -> list[float]:
    """The seconds of each question that one asks after the other; of one refused, all its time."""
    seconds, ends = [], time.perf_counter() + _SECONDS
    async with AsyncClient(profile) as client:
        await _ask(client, holders)
        while time.perf_counter() < ends:
            began = time.perf_counter()
            try:
                await _ask(client, holders)
                seconds.append(time.perf_counter() - began)
            except (TooMuchAskedError, DeadlinePassedError):
                seconds.append(_DEADLINE_SECONDS)
            await asyncio.sleep(_PAUSE_SECONDS)
    return seconds


async def _ask(client: AsyncClient, holders: Sequence[str]) -> Answer:
    return await client.query(
        AGREEMENT_ID,
        PURPOSE,
        "attendance",
        ["daily_attendance"],
        holders=list(holders),
        period=_PERIOD,
        timeout=_DEADLINE_SECONDS,
    )
