"""What bad holders among ten do to an answer: its time, the names of outcomes, its rows."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow.compute as pc

from benchmarks.ground import AGREEMENT_ID, ASKER, PURPOSE, Ground, ground
from benchmarks.ways import WELL, Fault, Ways
from deploy.local.layout import free_addresses
from homeroom import Answer, AsyncClient, Outcome
from homeroom.catalog import SUBJECT_REF
from homeroom.errors import TooMuchAskedError

_STUDENTS, _DAYS = 40, 180
_ROWS = _STUDENTS * _DAYS
_SECONDS = 1.5
"""How long an answer may take while something is broken."""
_PATIENCE_SECONDS = 60.0
_ANSWER_BYTES = 400_000
"""A little more than one holder's answer, so that some faults come after it."""
_AT_ONCE = 8
_CROWD_SECONDS = 15.0
_LATER_SECONDS = 0.1

Expected = frozenset[Outcome]
_LOST = frozenset({Outcome.UNREACHABLE})
_LATE = frozenset({Outcome.TIMED_OUT})
_WHOLE = frozenset({Outcome.ANSWERED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of fault: what it does, and what may become of its holder's answer."""

    name: str
    may_be: Expected
    begin: Callable[["_Place", str, random.Random], None]
    end: Callable[["_Place", str], None]


@dataclass
class _Found:
    """What went wrong, of all that was asked."""

    overrun: float = 0.0
    mislabelled: int = 0
    lost: int = 0
    doubled: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Place:
    at: Ground
    ways: Ways
    nodes: dict[str, str]

    @property
    def holders(self) -> Sequence[str]:
        return list(self.nodes)


def run(schedules: int = 300, nodes: int = 10, seed: int = 1) -> dict[str, Any]:
    """Breaks one to three holders at a time, as a random schedule says, and asks all of them.

    Args:
        schedules: how many; each is asked about once.
        nodes: how many holders there are.
        seed: of the schedules.
    """
    found = _Found()
    with ground(nodes, _STUDENTS, _DAYS) as at, _relayed(at, nodes) as place:
        goodput = asyncio.run(_all(place, schedules, random.Random(seed), found))  # noqa: S311  # to be repeated
    for (trouble, outcome), count in sorted(found.outcomes.items()):
        print(f"{trouble}: {outcome} {count}")
    return {
        "schedules": schedules,
        "overrun_ms": round(max(found.overrun, 0) * 1000),
        "mislabelled": found.mislabelled,
        "lost": found.lost,
        "doubled": found.doubled,
        "goodput_ratio": round(goodput, 2),
    }


@contextmanager
def _relayed(at: Ground, nodes: int) -> Iterator[_Place]:
    """Has each holder's node listen elsewhere than where others look for it, and a way between."""
    processes = at.processes
    plans, ends, behind = dict(processes.layout.processes), {}, {}
    for name, address in zip(_holders(nodes), free_addresses(nodes), strict=True):
        plan = plans[name]
        ends[name] = (plan.environment["HOMEROOM_NODE_ADDRESS"], address)
        behind[name] = address
        environment = {**plan.environment, "HOMEROOM_NODE_ADDRESS": address}
        plans[name] = replace(plan, environment=environment)
        processes.stop(name)
    processes.layout = replace(processes.layout, processes=plans)
    with Ways(ends) as ways:
        processes.start(*behind)
        yield _Place(at, ways, behind)


def _holders(nodes: int) -> Sequence[str]:
    return [f"holder_{number}" for number in range(nodes)]


async def _all(place: _Place, schedules: int, chance: random.Random, found: _Found) -> float:
    async with AsyncClient(place.at.profile) as client:
        await _healed(client, place)
        for number in range(schedules):
            await _broken(client, place, chance, found)
            await _healed(client, place)
            if (number + 1) % 50 == 0:
                print(f"{number + 1} of {schedules} schedules", flush=True)
        return await _goodput(client, place)


async def _broken(client: AsyncClient, place: _Place, chance: random.Random, found: _Found) -> None:
    """Asks while some holders are in trouble, and looks at what came."""
    some = chance.sample(place.holders, chance.randint(1, 3))
    troubles = {name: chance.choice(_TROUBLES) for name in some}
    for name, trouble in troubles.items():
        await asyncio.to_thread(trouble.begin, place, name, chance)
    began = time.perf_counter()
    try:
        answer = await _ask(client, _SECONDS)
        found.overrun = max(found.overrun, time.perf_counter() - began - _SECONDS)
    finally:
        for name, trouble in troubles.items():
            await asyncio.to_thread(trouble.end, place, name)
    for name in place.holders:
        trouble = troubles.get(name, _NONE)
        _look(found, answer, name, trouble)


def _look(found: _Found, answer: Answer, name: str, trouble: Trouble) -> None:
    source = answer.sources.get(name)
    outcome = None if source is None else source.outcome
    found.outcomes[trouble.name, str(outcome)] += 1
    found.mislabelled += outcome not in trouble.may_be
    rows = answer.table.filter(pc.equal(answer.table.column("source"), name))
    told = rows.num_rows
    apart = rows.group_by([SUBJECT_REF, "event_date"]).aggregate([]).num_rows
    found.lost += outcome is Outcome.ANSWERED and apart < _ROWS
    found.doubled += told > apart or (outcome is not Outcome.ANSWERED and told > 0)


async def _healed(client: AsyncClient, place: _Place) -> None:
    """Waits until every holder answers again, in full.

    Raises:
        TimeoutError: if one does not.
    """
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not (answer := await _ask(client, _PATIENCE_SECONDS)).complete or (
            answer.table.num_rows < _ROWS * len(place.holders)
        ):
            pass


async def _ask(client: AsyncClient, seconds: float) -> Answer:
    return await client.query(
        AGREEMENT_ID,
        PURPOSE,
        "attendance",
        ["daily_attendance"],
        timeout=seconds,
    )


async def _goodput(client: AsyncClient, place: _Place) -> float:
    """Whole answers a second when four times as many are asked for as can be given, over the most.

    Both by askers who ask again as soon as they have an answer, or are told to come later.
    """
    usual = await _whole_answers(client, place, _AT_ONCE)
    crowded = await _whole_answers(client, place, 4 * _AT_ONCE)
    return crowded / usual


async def _whole_answers(client: AsyncClient, place: _Place, at_once: int) -> float:
    """Whole answers a second, once all askers are at it."""
    whole, begin = 0, time.perf_counter() + _CROWD_SECONDS / 2
    ends = begin + _CROWD_SECONDS

    async def ask_on() -> None:
        nonlocal whole
        while time.perf_counter() < ends:
            try:
                answer = await _ask(client, _CROWD_SECONDS)
            except TooMuchAskedError:
                await asyncio.sleep(_LATER_SECONDS)
                continue
            whole += answer.complete and begin <= time.perf_counter() < ends

    await asyncio.gather(*(ask_on() for _ in range(at_once)))
    return whole / _CROWD_SECONDS


def _on_the_way(fault: Callable[[_Place, random.Random], Fault]) -> Callable[..., None]:
    def begin(place: _Place, name: str, chance: random.Random) -> None:
        place.ways.become(name, fault(place, chance))

    return begin


def _mend(place: _Place, name: str) -> None:
    place.ways.become(name, WELL)


def _signal(number: signal.Signals) -> Callable[..., None]:
    def send(place: _Place, name: str, chance: random.Random | None = None) -> None:
        del chance
        place.at.processes.signal(name, number)

    return send


def _start_again(place: _Place, name: str) -> None:
    place.at.processes.stop(name)
    place.at.processes.start(name)


def _another(place: _Place, chance: random.Random) -> Fault:
    """The asker's own node answers, which is none of the holders."""
    del chance
    return Fault(stranger=place.at.layout.node_addresses[ASKER])


_NONE = Trouble("well", _WHOLE, _signal(signal.SIGCONT), _mend)
_TROUBLES = [
    Trouble("refused", _LOST, _on_the_way(lambda _, __: Fault(refuse=True)), _mend),
    Trouble("silent", _LATE | _LOST, _on_the_way(lambda _, __: Fault(silent=True)), _mend),
    Trouble(
        "cut",
        _LOST | _WHOLE,
        _on_the_way(lambda _, chance: Fault(cut_after=chance.randint(0, _ANSWER_BYTES))),
        _mend,
    ),
    Trouble(
        "half-open",
        _LATE | _WHOLE,
        _on_the_way(lambda _, chance: Fault(stop_after=chance.randint(0, _ANSWER_BYTES))),
        _mend,
    ),
    Trouble(
        "slow",
        _LATE | _WHOLE,
        _on_the_way(lambda _, chance: Fault(bytes_per_second=chance.choice([10**4, 10**5, 10**6]))),
        _mend,
    ),
    Trouble("stranger", _LOST, _on_the_way(_another), _mend),
    Trouble("held still", _LATE, _signal(signal.SIGSTOP), _signal(signal.SIGCONT)),
    Trouble("killed", _LOST, _signal(signal.SIGKILL), _start_again),
]
