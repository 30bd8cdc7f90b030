"""Random schedules of faults: what is in trouble when a question is asked, and what came of it.

A schedule is made of its number and of how many holders there are, so that one that went wrong can
be had again.
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
from deploy.local.founding import register
from deploy.local.layout import Layout
from deploy.local.processes import Processes
from homeroom import Answer, AsyncClient, Outcome
from homeroom.catalog import SUBJECT_REF

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.15
_ANSWER_SECONDS = 0.1
"""About what an answer takes while all is well: what befalls amid it comes in that time."""

Expected = frozenset[Outcome]
_LOST = frozenset({Outcome.UNREACHABLE})
_LATE = frozenset({Outcome.TIMED_OUT})
_WHOLE = frozenset({Outcome.ANSWERED})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of fault: what it does, and what may become of its holder's answer.

    Attributes:
        weight: how often it is drawn, beside others.
    """

    name: str
    may_be: Expected
    begin: Callable[["Place", str, random.Random], None]
    end: Callable[["Place", str], None]
    weight: int = 8


@dataclass(frozen=True, slots=True)
class Blow:
    """A trouble that befalls one holder.

    Attributes:
        chance: says how bad it is.
        after: the seconds from the question until it begins; None if it began before.
    """

    trouble: Trouble
    chance: random.Random
    after: float | None = None

    @property
    def may_be(self) -> Expected:
        """What may become of the answer: all of it may have come before."""
        return self.trouble.may_be if self.after is None else self.trouble.may_be | _WHOLE


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
        stranger: the address of another organization's node, which nothing befalls.
        answer_bytes: a little more than one holder's answer, so that some faults come after it.
        whole: of each holder that is well, how many rows it answers with, and how many apart.
    """

    processes: Processes
    ways: Ways
    behind: Mapping[str, str]
    stranger: str
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
    processes: Processes, holders: Sequence[str], stranger: str, ask: Ask, answer_bytes: int
) -> Iterator[Place]:
    """Holders that others look for at ways that lead there.

    Args:
        processes: of the federation.
        holders: whom troubles may befall.
        stranger: another organization, whose node may answer in place of a holder's.
        ask: asks the holders.
        answer_bytes: a little more than one holder's answer.
    """
    addresses = processes.layout.node_addresses
    behind = {name: addresses[name] for name in holders}
    with ways_to(processes, holders) as ways:
        yield Place(processes, ways, behind, addresses[stranger], ask, answer_bytes)


@contextmanager
def ways_to(processes: Processes, holders: Sequence[str]) -> Iterator[Ways]:
    """Has others look for each holder's node at a way that leads there, as its record says.

    At the end each record is as it was.
    """
    before = {name: processes.layout.node_addresses[name] for name in holders}
    between = dict(zip(holders, free_addresses(len(holders)), strict=True))
    with Ways({name: (between[name], own) for name, own in before.items()}) as ways:
        asyncio.run(_looked_for_at(processes.layout, between))
        try:
            yield ways
        finally:
            asyncio.run(_looked_for_at(processes.layout, before))


async def _looked_for_at(layout: Layout, addresses: Mapping[str, str]) -> None:
    for member in layout.members:
        if member.organization_id in addresses:
            await register(layout, member, addresses[member.organization_id])


def drawn(number: int, holders: Sequence[str]) -> dict[str, Blow]:
    """What befalls whom: one to three holders, half of them while the question is on its way.

    Args:
        number: of the schedule.
        holders: who may be befallen.
    """
    chance = random.Random(number)  # noqa: S311  # to be repeated
    some = chance.sample(holders, chance.randint(1, min(3, len(holders))))
    return {name: _blow(random.Random(chance.random())) for name in some}  # noqa: S311  # as above


def _blow(chance: random.Random) -> Blow:
    (trouble,) = chance.choices(TROUBLES, [trouble.weight for trouble in TROUBLES])
    return Blow(trouble, chance, chance.choice((None, chance.uniform(0, _ANSWER_SECONDS))))


async def broken(
    client: AsyncClient, place: Place, number: int, seconds: float, found: Found
) -> None:
    """Asks while some holders are in trouble, looks at what came, and mends what was broken.

    Returns when those answer again as the first time.

    Args:
        client: asks.
        place: the holders, and the ways to them; `healed` has been waited for.
        number: of the schedule.
        seconds: how long the answer may take.
        found: what went wrong is added to it.

    Raises:
        TimeoutError: if one that was mended does not answer again.
    """
    blows = drawn(number, place.holders)
    try:
        answer = await _asked(client, place, blows, seconds, found)
    finally:
        for name, blow in blows.items():
            await asyncio.to_thread(blow.trouble.end, place, name)
    before = (found.mislabelled, found.lost, found.doubled)
    for name in place.holders:
        _look(found, answer, name, blows.get(name, _NONE), place.whole[name])
    if before != (found.mislabelled, found.lost, found.doubled):
        found.wrong.append(number)
    await healed(client, place, list(blows))


async def _asked(
    client: AsyncClient,
    place: Place,
    blows: Mapping[str, Blow],
    seconds: float,
    found: Found,
) -> Answer:
    """The answer to a question that is asked while the blows fall."""

    async def fall(name: str, blow: Blow) -> None:
        await asyncio.sleep(blow.after or 0)
        await asyncio.to_thread(blow.trouble.begin, place, name, blow.chance)

    for name, blow in blows.items():
        if blow.after is None:
            await fall(name, blow)
    async with asyncio.TaskGroup() as falling:
        began = time.perf_counter()
        for name, blow in blows.items():
            if blow.after is not None:
                falling.create_task(fall(name, blow))
        answer = await place.ask(client, place.holders, seconds)
        found.overrun = max(found.overrun, time.perf_counter() - began - seconds)
    return answer


def _look(found: Found, answer: Answer, name: str, blow: Blow, whole: tuple[int, int]) -> None:
    source = answer.sources.get(name)
    outcome = None if source is None else source.outcome
    found.outcomes[blow.trouble.name, str(outcome)] += 1
    found.mislabelled += outcome not in blow.may_be | found.anywhere
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


async def healed(client: AsyncClient, place: Place, holders: Sequence[str]) -> None:
    """Waits until some holders answer again, with as many rows as the first time.

    Raises:
        TimeoutError: if one does not.
    """
    ill = list(holders)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            answer = await place.ask(client, ill, _PATIENCE_SECONDS)
            rows = {name: _rows_of(answer, name) for name in ill}
            if not place.whole and answer.complete:
                place.whole.update(rows)
            ill = [
                n
                for n in ill
                if answer.sources[n].outcome is not Outcome.ANSWERED
                or rows[n] != place.whole.get(n)
            ]
            if not ill:
                return
            await asyncio.sleep(_PAUSE_SECONDS)


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


def _pace(place: Place, chance: random.Random) -> int:
    """Bytes a second, so that an answer takes 10 s, 1 s or 0.1 s."""
    return place.answer_bytes * chance.choice([1, 10, 100]) // 10


_NONE = Blow(Trouble("well", _WHOLE, _signal(signal.SIGCONT), _mend), random.Random(0))  # noqa: S311
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
        _on_the_way(lambda place, chance: Fault(bytes_per_second=_pace(place, chance))),
        _mend,
    ),
    Trouble(
        "stranger",
        _LOST,
        _on_the_way(lambda place, _: Fault(stranger=place.stranger)),
        _mend,
    ),
    Trouble("held still", _LATE, _signal(signal.SIGSTOP), _signal(signal.SIGCONT)),
    # Rarely: to start a node again takes as long as several schedules.
    Trouble("killed", _LOST, _signal(signal.SIGKILL), _start_again, weight=1),
]
