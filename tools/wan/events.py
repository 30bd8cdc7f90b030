"""The course of events on a wide network, and what must come of each."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from benchmarks.ground import AGREEMENT_ID, PURPOSE, Ground, Sites, ground
from homeroom import Answer, AsyncClient, Outcome
from homeroom.errors import DeadlinePassedError
from tools.found import Found
from tools.wan.network import Network

_STUDENTS, _DAYS = 200, 180
_SMALL, _CUT_OFF = 30, 10
_STALE_SECONDS = 6
_SLACK_SECONDS = 0.5
"""How long an answer may be under way as the bound passes, and the last heartbeat before it."""
_OVERRUN_SECONDS = 0.05
_DEADLINE_SECONDS = 3.0
_PATIENCE_SECONDS = 60.0
_AWAY = {Outcome.TIMED_OUT, Outcome.UNREACHABLE}


def course(wide: Network, sites: Sites) -> Found:
    """Runs all of it."""
    found = Found()
    impatient = replace(sites, node_settings={"max_state_age_seconds": str(_STALE_SECONDS)})
    with ground(2, _STUDENTS, _DAYS, sites=impatient) as at:
        asyncio.run(_course(wide, at, found))
    return found


async def _course(wide: Network, at: Ground, found: Found) -> None:
    async with AsyncClient(at.profile) as client:
        asking = _Asking(client, at)
        await asking.until(lambda answer: answer.table.num_rows == _DAYS * len(asking.one_of_each))
        await _small(asking, found)
        await _large(asking, found)
        await _holder_cut_off(wide, asking, found)
        await _hub_cut_off(wide, asking, found)


@dataclass(frozen=True, slots=True)
class _Asking:
    client: AsyncClient
    at: Ground

    @property
    def one_of_each(self) -> Sequence[str]:
        """One student of each holder."""
        return [self.at.consents[0].subject_ref, self.at.consents[-1].subject_ref]

    async def ask(self, refs: Sequence[str] | None, seconds: float = _PATIENCE_SECONDS) -> Answer:
        """What both holders say of these students; of everyone, if none are named."""
        return await self.client.query(
            AGREEMENT_ID,
            PURPOSE,
            "attendance",
            ["daily_attendance"],
            subject_refs=None if refs is None else list(refs),
            timeout=seconds,
        )

    async def until(self, holds: Callable[[Answer], bool]) -> float:
        """Asks again and again; the seconds until an answer is as it should be."""
        began = time.monotonic()
        while time.monotonic() < began + _PATIENCE_SECONDS:
            if holds(await self.ask(self.one_of_each, _DEADLINE_SECONDS)):
                return time.monotonic() - began
            await asyncio.sleep(0.1)
        raise TimeoutError("the answers did not become what they should be")


async def _timed(asked: Awaitable[Answer]) -> tuple[Answer | None, float]:
    """The answer, none if it came too late, and the seconds that it took."""
    began = time.monotonic()
    try:
        answer = await asked
    except DeadlinePassedError:
        return None, time.monotonic() - began
    return answer, time.monotonic() - began


async def _small(asking: _Asking, found: Found) -> None:
    """Few rows, again and again: each answer is whole, however often a packet was lost."""
    asked = [await _timed(asking.ask(asking.one_of_each)) for _ in range(_SMALL)]
    took = [seconds * 1000 for _, seconds in asked]
    found.told |= {"small_p50_ms": round(statistics.median(took)), "small_max_ms": round(max(took))}
    whole = [answer for answer, _ in asked if answer and answer.complete]
    found.require(len(whole) == _SMALL, f"{_SMALL - len(whole)} small answers are not whole")


async def _large(asking: _Asking, found: Found) -> None:
    """Many rows come whole."""
    answer, seconds = await _timed(asking.ask(None))
    rows = answer.table.num_rows if answer and answer.complete else 0
    found.told |= {"large_rows": rows, "large_s": round(seconds, 1)}
    found.require(rows == 2 * _STUDENTS * _DAYS, f"{rows} rows of the large answer came")


async def _holder_cut_off(wide: Network, asking: _Asking, found: Found) -> None:
    """The gateway does not reach a holder: the other's answer comes in time, and this is named."""
    wide.cut("gateway", "holder_1")
    asked = [
        await _timed(asking.ask(asking.one_of_each, _DEADLINE_SECONDS)) for _ in range(_CUT_OFF)
    ]
    wide.heal("gateway", "holder_1")
    overrun = max(seconds for _, seconds in asked) - _DEADLINE_SECONDS
    told = [answer.sources for answer, _ in asked if answer]
    named = [
        sources["holder_0"].outcome is Outcome.ANSWERED and sources["holder_1"].outcome in _AWAY
        for sources in told
    ]
    healed = await asking.until(lambda answer: answer.complete)
    late = _CUT_OFF - len(told)
    found.told |= {"overrun_ms": round(max(overrun, 0) * 1000), "late": late}
    found.told["healed_s"] = round(healed, 1)
    found.require(overrun <= _OVERRUN_SECONDS, f"an answer took {overrun:.3f} s too long")
    found.require(all(named), "an answer names the wrong holder, or none")
    # The last word of an answer is a packet like others: where it is lost, time may run out.
    found.require(late <= _CUT_OFF // 4, f"{late} answers of {_CUT_OFF} did not come in time")


async def _hub_cut_off(wide: Network, asking: _Asking, found: Found) -> None:
    """A node hears nothing of consents: within its bound it answers no more; healed, it knows."""
    taken_back = asking.at.consents[-1]
    wide.cut("hub", "holder_1")
    cut = time.monotonic()
    # Somebody else takes it back: who did it would never be answered by a state without it.
    async with AsyncClient(asking.at.profile) as family:
        await family.consents.revoke(taken_back.consent_id)
    last, reason = cut, ""
    while not reason and time.monotonic() < cut + _PATIENCE_SECONDS:
        answer = await asking.ask([taken_back.subject_ref], _DEADLINE_SECONDS)
        last = time.monotonic() if answer.table.num_rows else last
        reason = answer.sources["holder_1"].error_reason
    wide.heal("hub", "holder_1")
    healed = await asking.until(lambda answer: answer.complete)
    after = await asking.ask([taken_back.subject_ref])
    found.told |= {"stale_s": round(last - cut, 1), "heard_s": round(healed, 1)}
    bound = _STALE_SECONDS + _SLACK_SECONDS
    found.require(last - cut <= bound, f"rows left {last - cut:.1f} s after the node was cut off")
    found.require(reason == "STATE_STALE", f"the node that was cut off says {reason}")
    found.require(after.table.num_rows == 0, "what was taken back meanwhile is still answered")
