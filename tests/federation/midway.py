"""Reads an answer, and does something as soon as it has begun to come."""

import asyncio
from collections.abc import Callable

from homeroom import AsyncClient
from homeroom.asking import open_exchange
from homeroom.gathering import Checks, Finished, Gathering
from homeroom.keeping import MemoryKeeper
from homeroom.question import Question
from tests.federation.running import ASKER, Federation


def run_through(
    federation: Federation, asked: Question, act: Callable[[], object], seconds: float = 60
) -> dict[str, Finished]:
    """What each holder's answer came to, although something was done in the middle of it."""
    return asyncio.run(_run_through(federation, asked, act, seconds))


async def _run_through(
    federation: Federation, asked: Question, act: Callable[[], object], seconds: float
) -> dict[str, Finished]:
    async with AsyncClient(federation.layout.profile(ASKER)) as client:
        session = client._session
        known = asyncio.ensure_future(session.registry_view.state())
        exchange = await open_exchange(session, asked, seconds)
        await asyncio.to_thread(act)
        gathering = Gathering(exchange, Checks(session.registry_view), lambda *_: MemoryKeeper())
        return {one.source.holder: one async for one in gathering.finished(known)}
