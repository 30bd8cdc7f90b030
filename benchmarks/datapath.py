"""What Homeroom costs beside sending the same rows bare: large answers and small ones."""

import asyncio
import os
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.bare_asking import BareAsker, bare_nodes
from benchmarks.bare_node import BareNode, BareQuestion, BareRows
from benchmarks.ground import AGREEMENT_ID, ASKER, PURPOSE, Ground, ground
from benchmarks.large import grown
from homeroom import AsyncClient, Outcome

_TICKS = os.sysconf("SC_CLK_TCK")
_DAYS = 180
_HUB = ("registry", "consent", "gateway")
_FROM_MEMORY = "benchmarks.rows_from_memory"
_IDLE_SECONDS = 10.0


@dataclass
class Measured:
    """What one way of asking took, run by run.

    Attributes:
        cpu: seconds of all processes together, for one question.
        net: the same, less what the processes use in that time when nobody asks.
        wall: seconds by the clock, for each question.
    """

    cpu: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Case:
    """One question, asked both ways.

    Attributes:
        refs: the students of each holder that are asked for; None asks for everyone.
        rows: how many rows each of the two must bring.
        questions: how many are asked in a run.
    """

    name: str
    nodes: int
    refs: Sequence[str] | None
    rows: int
    questions: int = 1
    from_memory: bool = False


def run(students: int = 1852, nodes: int = 100, runs: int = 5, days: int = _DAYS) -> dict[str, Any]:
    """The ratios of CPU, summed over all processes, and times; medians of interleaved runs.

    Args:
        students: of each of three holders, for the large answers.
        nodes: the most holders that a small question is put to; 0 leaves small ones out.
        runs: how often each case is measured.
        days: how many rows each of those students has.
    """
    return {**_large(students, days, runs), **(_small(nodes, runs) if nodes else {})}


def _large(students: int, days: int, runs: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with ground(3, students, days) as at, both(at, 3) as sides:
        refs = refs_of(at, 3)
        for name, some in (("_2k", 11), ("_20k", 111), ("", None)):
            asked = None if some is None else [ref for of in refs for ref in of[:some]]
            rows = 3 * days * (some or students)
            case = Case(f"sqlite{name}", 3, asked, rows, 1 if some is None else 200 // some)
            bare, full = asyncio.run(sides.measure(case, runs))
            found[f"bulk_sqlite{name}_ratio"] = ratio(full.cpu, bare.cpu)
            # Processes keep what they once had: so before the large answer, not after it.
            found |= {} if "gateway_mb" in found else grown(at, sides.holders, 3 * days * students)
        found["extraction_us"] = round(_extraction_us(at), 2)
        sides.from_memory()
        case = Case("memory", 3, None, 3 * days * students, from_memory=True)
        bare, full = asyncio.run(sides.measure(case, runs))
        found["bulk_memory_ratio"] = ratio(full.cpu, bare.cpu)
        found["rows_s"] = round(case.rows / statistics.median(full.wall))
    return found


def _small(nodes: int, runs: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with ground(nodes, 10, 1) as at, both(at, nodes) as sides:
        refs = refs_of(at, nodes)
        of_each = {}
        for some in (count for count in (1, 3, 10, 100) if count <= nodes):
            asked = [ref for of in refs[:some] for ref in of]
            case = Case("small", some, asked, 10 * some, max(100 // some, 5))
            bare, full = asyncio.run(sides.measure(case, runs))
            found[f"small_ratio_{some}"] = ratio(full.wall, bare.wall)
            found[f"small_p50_ms_{some}"] = round(statistics.median(full.wall) * 1000, 1)
            found[f"small_p99_ms_{some}"] = round(_p99(full.wall) * 1000, 1)
            of_each[some] = statistics.median(full.net) / some
            found[f"cpu_ms_{some}x10"] = round(statistics.median(full.cpu) * 1000, 1)
            found[f"cpu_ratio_{some}x10"] = ratio(full.cpu, bare.cpu)
        if nodes >= 100:
            found["linear"] = round(of_each[100] / of_each[10], 2)
        asked = [ref for of in refs[:3] for ref in of]
        found["queries_s"] = round(asyncio.run(sides.together(asked, 3)), 1)
    return found


@dataclass
class Sides:
    """Both ways to the same rows.

    Attributes:
        at: the federation; its client asks in full.
        bare: the numbers of the bare nodes' processes.
        servers: those of the database servers that both ways read from.
    """

    at: Ground
    holders: Sequence[str]
    asker: Callable[[], BareAsker]
    bare: Sequence[int]
    servers: Sequence[int] = ()

    def from_memory(self) -> None:
        """Has the federation's nodes tell rows from memory from now on."""
        processes = self.at.processes
        for name in self.holders:
            processes.stop(name)
        plans = processes.layout.processes
        changed = {name: replace(plans[name], module=_FROM_MEMORY) for name in self.holders}
        processes.layout = replace(processes.layout, processes={**plans, **changed})
        processes.start(*self.holders)

    async def measure(self, case: Case, runs: int) -> tuple[Measured, Measured]:
        """Asks one question both ways in turn; says what each took, bare first."""
        bare, full = Measured(), Measured()
        asker = self.asker()
        question = BareQuestion(
            ASKER, AGREEMENT_ID, PURPOSE, case.refs, from_memory=case.from_memory
        )
        async with AsyncClient(self.at.profile) as client:

            async def in_full() -> int:
                return await self._rows(client, case.refs, case.nodes)

            async def barely() -> int:
                return int((await asker.ask(question, case.nodes)).num_rows)

            # The first asks until every holder has taken every consent.
            while await in_full() < case.rows:
                pass
            federation = self._federation()
            idle = await _idle(federation, self.servers)
            ways = [(full, in_full, federation, idle), (bare, barely, self.bare, 0.0)]
            for number in range(runs + 1):
                for took, ask, processes, unasked in ways[:: 1 if number % 2 else -1]:
                    # The first run warms both.
                    kept = took if number else Measured()
                    await _timed(case, kept, ask, processes, self.servers, unasked)
        await asker.close()
        _tell(case, bare, full)
        return bare, full

    async def together(self, refs: Sequence[str], nodes: int) -> float:
        """How many small questions are answered in a second when 32 are on their way."""
        left = iter(range(600))
        async with AsyncClient(self.at.profile) as client:

            async def ask_on() -> None:
                for _ in left:
                    assert await self._rows(client, refs, nodes) == len(refs)

            began = time.perf_counter()
            await asyncio.gather(*(ask_on() for _ in range(32)))
        return 600 / (time.perf_counter() - began)

    async def _rows(self, client: AsyncClient, refs: Sequence[str] | None, nodes: int) -> int:
        answer = await client.query(
            AGREEMENT_ID,
            PURPOSE,
            "attendance",
            ["daily_attendance"],
            subject_refs=refs,
            holders=self.holders[:nodes],
            min_consent_sequence=self.at.consents[-1].sequence,
            timeout=60,
        )
        if not answer.complete:
            others = [one for one in answer.sources.values() if one.outcome is not Outcome.ANSWERED]
            print(Counter(f"{one.outcome} {one.error_reason}" for one in others), flush=True)
        return int(answer.table.num_rows)

    def _federation(self) -> list[int]:
        return [self.at.processes.process_id(name) for name in (*_HUB, *self.holders)]


@contextmanager
def both(at: Ground, nodes: int, servers: Sequence[int] = ()) -> Iterator[Sides]:
    """Bare nodes beside the federation's first so many, over the same databases."""
    holders = [f"holder_{number}" for number in range(nodes)]
    with bare_nodes(at.layout, holders) as (bare, processes):
        yield Sides(at, holders, lambda: BareAsker(bare), processes, servers)


async def _timed(
    case: Case,
    took: Measured,
    ask: Callable[[], Awaitable[int]],
    processes: Sequence[int],
    servers: Sequence[int],
    unasked: float,
) -> None:
    """One run; `unasked` is how much of a core the processes use when nobody asks."""
    before, first = cpu_seconds(processes, servers), time.perf_counter()
    for _ in range(case.questions):
        began = time.perf_counter()
        rows = await ask()
        took.wall.append(time.perf_counter() - began)
        assert rows == case.rows, f"{rows} rows for {case.rows}"
    used, seconds = cpu_seconds(processes, servers) - before, time.perf_counter() - first
    took.cpu.append(used / case.questions)
    took.net.append((used - unasked * seconds) / case.questions)


async def _idle(processes: Sequence[int], servers: Sequence[int]) -> float:
    """How much of a core some processes use together when nobody asks them anything."""
    before = cpu_seconds(processes, servers)
    await asyncio.sleep(_IDLE_SECONDS)
    return (cpu_seconds(processes, servers) - before) / _IDLE_SECONDS


def cpu_seconds(processes: Sequence[int], servers: Sequence[int] = ()) -> float:
    """What some processes and this one have used of the processor.

    Args:
        processes: each alone.
        servers: each with all that it began, such as PostgreSQL has one for every connection.
    """
    ticks = sum(sum(_ticks(process)[:2]) for process in processes)
    for server in servers:
        begun = Path(f"/proc/{server}/task/{server}/children").read_text("utf-8").split()
        ticks += sum(_ticks(server))
        for process in begun:
            with suppress(OSError):
                ticks += sum(_ticks(process)[:2])
    return ticks / _TICKS + time.process_time()


def _ticks(process: int | str) -> list[int]:
    """User and system time of a process, then of those it began and that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return [int(one) for one in fields[11:15]]


def refs_of(at: Ground, nodes: int) -> list[list[str]]:
    """The students' names, holder by holder: consents were recorded in that order."""
    refs = [consent.subject_ref for consent in at.consents]
    each = len(refs) // nodes
    return [refs[number * each : (number + 1) * each] for number in range(nodes)]


def _extraction_us(at: Ground) -> float:
    """What reading one row into Arrow takes of the processor, join included."""
    name = at.layout.members[0].organization_id
    rows = BareRows(BareNode("", at.layout.records_url(name), at.layout.state_url(name)))
    return (
        asyncio.run(rows.seconds_of_reading(BareQuestion(ASKER, AGREEMENT_ID, PURPOSE, None))) * 1e6
    )


def ratio(full: Sequence[float], bare: Sequence[float]) -> float:
    """How many times as much the one took as the other, by their medians."""
    return round(statistics.median(full) / statistics.median(bare), 2)


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99) - 1]


def _tell(case: Case, bare: Measured, full: Measured) -> None:
    print(
        f"{case.name}, {case.nodes} nodes, {case.rows:,} rows: "
        f"CPU {statistics.median(full.cpu) * 1000:.1f} ms "
        f"({statistics.median(full.net) * 1000:.1f} beyond idling) against "
        f"{statistics.median(bare.cpu) * 1000:.1f}, "
        f"clock {statistics.median(full.wall) * 1000:.1f} ms against "
        f"{statistics.median(bare.wall) * 1000:.1f}",
        flush=True,
    )
