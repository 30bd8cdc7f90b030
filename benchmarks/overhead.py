"""What the log costs a small query: two nodes, one of them without a log, asked in turn."""

import asyncio
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.local.addresses import free_addresses
from deploy.local.layout import Layout, ProcessPlan
from homeroom.audit import AuditKind
from homeroom.errors import InternalError
from tools.soak.premises import HOLDER, Asker, Premises, premises
from tools.soak.work import Work

AT_ONCE = 32
_QUESTIONS = 128
_WARM_UP = 3
_MOST_SECONDS = 120.0
"""For one round; on a machine that needs longer nothing can be measured."""
_UNLOGGED = "unlogged"
_TICKS = os.sysconf("SC_CLK_TCK")


def measure(pairs: int) -> dict[str, Any]:
    """How many times as long questions take with a log, and as much of the node's processor."""
    with (
        tempfile.TemporaryDirectory(prefix="homeroom-") as folder,
        premises(Path(folder) / "federation") as at,
        _both(at) as both,
    ):
        seconds, cpu = asyncio.run(_measure(both, pairs))
        _require_none_written(both)
    for name, took in seconds.items():
        each = statistics.median(took) / _QUESTIONS * 1000
        print(
            f"{name}: {each:.2f} ms a question, {statistics.median(cpu[name]):.2f} ms of the node",
            flush=True,
        )
    return {
        "overhead": round(_ratio(seconds), 3),
        "overhead_cpu": round(_ratio(cpu), 3),
        "at_once": AT_ONCE,
    }


def _ratio(measured: dict[str, list[float]]) -> float:
    """Of each pair, asked one after the other; the median of all."""
    pairs = zip(measured[HOLDER], measured[_UNLOGGED], strict=True)
    return statistics.median(logged / unlogged for logged, unlogged in pairs)


def _require_none_written(at: Premises) -> None:
    """Fails if the node without a log has written one: then there was nothing to compare with."""
    state = at.layout.organization(HOLDER) / f"{_UNLOGGED}-state.db"
    with closing(sqlite3.connect(state)) as connection:
        (written,) = connection.execute(
            "SELECT count(*) FROM log_entry WHERE kind = ?", (str(AuditKind.DECIDED),)
        ).fetchone()
    if written:
        raise InternalError("the node without a log has one")


@contextmanager
def _both(at: Premises) -> Iterator[Premises]:
    """Starts both nodes on the same records."""
    for file in at.layout.organization(HOLDER).glob("*.db"):
        shutil.copy(file, file.with_name(f"{_UNLOGGED}-{file.name}"))
    layout = at.layout
    plan = layout.processes[HOLDER]
    processes = {**layout.processes, _UNLOGGED: _unlogged(layout, plan)}
    at.processes.layout = replace(layout, processes=processes)
    at.processes.start(HOLDER, _UNLOGGED)
    yield at


def _unlogged(layout: Layout, plan: ProcessPlan) -> ProcessPlan:
    address, health, metrics = free_addresses(3)
    own = layout.organization(HOLDER) / _UNLOGGED
    changed = {
        "ADDRESS": address,
        "HEALTH_ADDRESS": health,
        "METRICS_ADDRESS": metrics,
        "RECORDS_URL": f"sqlite:///{own}-records.db",
        "STATE_URL": f"sqlite:///{own}-state.db",
    }
    settings = {f"HOMEROOM_NODE_{name}": value for name, value in changed.items()}
    return ProcessPlan(
        "benchmarks.unlogged", {**plan.environment, **settings}, health, plan.policies
    )


async def _measure(
    at: Premises, pairs: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    work = Work(at, lambda _promise: None, random.Random(1))  # noqa: S311  # nothing secret is drawn
    sequence = await work.allow_all()
    plans = at.processes.layout.processes
    address = plans[_UNLOGGED].environment["HOMEROOM_NODE_ADDRESS"]
    askers = {HOLDER: Asker(at), _UNLOGGED: Asker(at, address)}
    refs = [ref for names in at.families.refs.values() for ref in names][:3]
    seconds: dict[str, list[float]] = {name: [] for name in askers}
    cpu: dict[str, list[float]] = {name: [] for name in askers}
    for number in range(_WARM_UP + pairs):
        # In turn also within the pairs: whoever comes second may find the machine warmer.
        for name in list(askers)[:: 1 if number % 2 else -1]:
            took, used = await _timed(at, name, askers[name], refs, sequence)
            if number >= _WARM_UP:
                seconds[name].append(took)
                cpu[name].append(used)
        _tell(number + 1, _WARM_UP + pairs)
    for asker in askers.values():
        await asker.close()
    return seconds, cpu


def _tell(rounds: int, of: int) -> None:
    """Says how far it is: the rounds take minutes."""
    if rounds % 5 == 0 or rounds == of:
        print(f"asked {rounds} of {of} rounds", flush=True)


async def _timed(
    at: Premises, name: str, asker: Asker, refs: list[str], sequence: int
) -> tuple[float, float]:
    process, left = at.processes.process_id(name), iter(range(_QUESTIONS))

    async def ask_on() -> None:
        for _ in left:
            async for got in asker.ask(refs, sequence):
                answered = got
            assert answered.receipt is not None
            assert len(answered.refs) == len(refs)

    began, before = time.perf_counter(), _cpu_ms(process)
    async with asyncio.timeout(_MOST_SECONDS), asyncio.TaskGroup() as asking:
        for _ in range(AT_ONCE):
            asking.create_task(ask_on())
    return time.perf_counter() - began, (_cpu_ms(process) - before) / _QUESTIONS


def _cpu_ms(process: int) -> float:
    """How much of the processor a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / _TICKS * 1000
