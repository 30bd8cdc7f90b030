"""Random schedules of faults: what is in trouble when a question is asked, and what came of it.

A schedule is made of its number alone, so that one that went wrong can be had again.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pyarrow.compute as pc

from benchmarks.ways import WELL, Fault, Ways
from deploy.local.addresses import free_addresses
from deploy.local.processes import Processes
from homeroom import Answer, AsyncClient, Outcome
from homeroom.catalog import SUBJECT_REF

_PATIENCE_SECONDS = 60.0

Expected = frozenset[Outcome]
_LOST = frozenset({Outcome.UNREACHABLE})
_LATE = frozenset({Outcome.TIMED_OUT})
_WHOLE = frozenset({Outcome.ANSWERED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of fault: what it does, and what may become of its holder's answer."""

    name: str
    may_be: Expected
    begin: Callable[["Place", str, random.Random], None]
    end: Callable[["Place", str], None]


@dataclass
class Found:
    """What went wrong, of all that was asked.

    Attributes:
        overrun: the most seconds that an answer came after its deadline.
        wrong: the numbers of the schedules in which something was wrong.
        anywhere: what may become of any holder, where the machine may be slow.
    """

    overrun: float = 0.0
    mislabelled: int = 0
    lost: int = 0
    doubled: int = 0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[int] = field(default_factory=list)
    anywhere: Expected = frozenset()


Ask = Callable[[AsyncClient, Sequence[str], float], Awaitable[Answer]]
"""Asks some holders for everyone's attendance, with so many seconds."""


@dataclass(frozen=True, slots=True)
class Place:
    """Holders, and the ways to them that can be broken.

    Attributes:
        behind: each holder's own address; others look for it at the way that leads there.
        answer_bytes: a little more than one holder's answer, so that some faults come after it.
        whole: of each holder that is well, how many rows it answers with, and how many apart.
    """

    processes: Processes
    ways: Ways
    behind: Mapping[str, str]
    ask: Ask
    answer_bytes: int
    whole: dict[str, tuple[int, int]] = field(default_factory=dict)

    def group(self, holders: Sequence[str]) -> "Place":
        """Some of the holders alone."""
        behind = {name: self.behind[name] for name in holders}
        return replace(self, behind=behind, whole={})

    @property
    def holders(self) -> Sequence[str]:
        return list(self.behind)


@contextmanager
def relayed(
    processes: Processes, holders: Sequence[str], ask: Ask, answer_bytes: int
) -> Iterator[Place]:
    """Has each holder's node listen elsewhere than where others look for it, and a way between.

    At the end each listens again where it did.
    """
    before = processes.layout
    plans, ends = dict(before.processes), {}
    for name, address in zip(holders, free_addresses(len(holders)), strict=True):
        plan = plans[name]
        ends[name] = (plan.environment["HOMEROOM_NODE_ADDRESS"], address)
        environment = {**plan.environment, "HOMEROOM_NODE_ADDRESS": address}
        plans[name] = replace(plan, environment=environment)
        processes.stop(name)
    try:
        processes.layout = replace(before, processes=plans)
        with Ways(ends) as ways:
            processes.start(*holders)
            behind = {name: own for name, (_, own) in ends.items()}
            yield Place(processes, ways, behind, ask, answer_bytes)
    finally:
        for name in holders:
            processes.stop(name)
        processes.layout = before
        processes.start(*holders)


async def broken(
    client: AsyncClient, place: Place, number: int, seconds: float, found: Found
) -> None:
    """Asks while some holders are in trouble, looks at what came, and mends what was broken.

    Args:
        client: asks.
        place: the holders, and the ways to them.
        number: of the schedule.
        seconds: how long the answer may take.
        found: what went wrong is added to it.
    """
    chance = random.Random(number)  # noqa: S311  # to be repeated
    some = chance.sample(place.holders, chance.randint(1, min(3, len(place.holders))))
    troubles = {name: chance.choice(TROUBLES) for name in some}
    for name, trouble in troubles.items():
        await asyncio.to_thread(trouble.begin, place, name, chance)
    began = time.perf_counter()
    try:
        answer = await place.ask(client, place.holders, seconds)
        found.overrun = max(found.overrun, time.perf_counter() - began - seconds)
    finally:
        for name, trouble in troubles.items():
            await asyncio.to_thread(trouble.end, place, name)
    before = (found.mislabelled, found.lost, found.doubled)
    for name in place.holders:
        _look(found, answer, name, troubles.get(name, _NONE), place.whole[name])
    if before != (found.mislabelled, found.lost, found.doubled):
        found.wrong.append(number)


def _look(
    found: Found, answer: Answer, name: str, trouble: Trouble, whole: tuple[int, int]
) -> None:
    source = answer.sources.get(name)
    outcome = None if source is None else source.outcome
    found.outcomes[trouble.name, str(outcome)] += 1
    found.mislabelled += outcome not in trouble.may_be | found.anywhere
    rows, apart = _rows_of(answer, name)
    if outcome is Outcome.ANSWERED:
        found.lost += rows < whole[0] or apart < whole[1]
        found.doubled += rows > whole[0]
    else:
        found.doubled += rows > 0


def _rows_of(answer: Answer, name: str) -> tuple[int, int]:
    """How many rows one holder answered with, and how many of another student or day."""
    if not answer.table.num_rows:
        return 0, 0  # and no column, where nobody answered
    rows = answer.table.filter(pc.equal(answer.table.column("source"), name))
    return rows.num_rows, rows.group_by([SUBJECT_REF, "event_date"]).aggregate([]).num_rows


async def healed(client: AsyncClient, place: Place) -> None:
    """Waits until every holder answers again, with as many rows as the first time.

    Raises:
        TimeoutError: if one does not.
    """
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            answer = await place.ask(client, place.holders, _PATIENCE_SECONDS)
            rows = {name: _rows_of(answer, name) for name in place.holders}
            if answer.complete and rows == (place.whole or rows):
                place.whole.update(rows)
                return


def _on_the_way(fault: Callable[[Place, random.Random], Fault]) -> Callable[..., None]:
    def begin(place: Place, name: str, chance: random.Random) -> None:
        place.ways.become(name, fault(place, chance))

    return begin


def _mend(place: Place, name: str) -> None:
    place.ways.become(name, WELL)


def _signal(number: signal.Signals) -> Callable[..., None]:
    def send(place: Place, name: str, chance: random.Random | None = None) -> None:
        del chance
        place.processes.signal(name, number)

    return send


def _start_again(place: Place, name: str) -> None:
    place.processes.stop(name)
    place.processes.start(name)


def _another(place: Place, name: str) -> Fault:
    """Another holder's node answers in this one's place."""
    return Fault(stranger=next(own for other, own in place.behind.items() if other != name))


_NONE = Trouble("well", _WHOLE, _signal(signal.SIGCONT), _mend)
TROUBLES = [
    Trouble("refused", _LOST, _on_the_way(lambda _, __: Fault(refuse=True)), _mend),
    Trouble("silent", _LATE | _LOST, _on_the_way(lambda _, __: Fault(silent=True)), _mend),
    Trouble(
        "cut",
        _LOST | _WHOLE,
        _on_the_way(lambda place, chance: Fault(cut_after=chance.randint(0, place.answer_bytes))),
        _mend,
    ),
    Trouble(
        "half-open",
        _LATE | _WHOLE,
        _on_the_way(lambda place, chance: Fault(stop_after=chance.randint(0, place.answer_bytes))),
        _mend,
    ),
    Trouble(
        "slow",
        _LATE | _WHOLE,
        _on_the_way(lambda _, chance: Fault(bytes_per_second=chance.choice([10**4, 10**5, 10**6]))),
        _mend,
    ),
    Trouble(
        "stranger",
        _LOST,
        lambda place, name, _: place.ways.become(name, _another(place, name)),
        _mend,
    ),
    Trouble("held still", _LATE, _signal(signal.SIGSTOP), _signal(signal.SIGCONT)),
    Trouble("killed", _LOST, _signal(signal.SIGKILL), _start_again),
]
