"""What grows while an app slowly reads millions of rows: the gateway, the nodes and the app."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.ground import AGREEMENT_ID, PURPOSE, Ground, ground
from benchmarks.slow_reader import SlowReading, forget_peak, peak_mb, read_slowly, resident_mb
from homeroom import AsyncClient

_PAUSE = 0.01
_ASKED_BEFORE = 10


def run(nodes: int = 3, students: int = 1852, days: int = 180) -> dict[str, Any]:
    """Growth in megabytes over what each process had after a small question.

    Args:
        nodes: how many holders are asked.
        students: of each.
        days: how many rows each student has.
    """
    holders = [f"holder_{number}" for number in range(nodes)]
    with ground(nodes, students, days) as at:
        asyncio.run(_ask_little(at, holders))
        began = time.perf_counter()
        found = grown(at, holders, nodes * students * days)
        seconds = time.perf_counter() - began
    return {**found, "rows": nodes * students * days, "nodes": nodes, "seconds": round(seconds, 1)}


def grown(at: Ground, holders: Sequence[str], rows: int) -> dict[str, float]:
    """By how many megabytes each kind of process grows while a slow app reads every row."""
    gateway, *nodes = [at.processes.process_id(name) for name in ("gateway", *holders)]
    before = {process: resident_mb(process) for process in (gateway, *nodes)}
    for process in before:
        forget_peak(process)
    read = read_slowly(SlowReading(str(at.profile), AGREEMENT_ID, PURPOSE, holders, _PAUSE))
    assert read.rows == rows, f"{read.rows} rows for {rows}"
    growth = {process: peak_mb(process) - idle for process, idle in before.items()}
    return {
        "gateway_mb": round(growth[gateway], 1),
        "node_mb": round(max(growth[node] for node in nodes), 1),
        "client_mb": round(read.grown_mb, 1),
    }


async def _ask_little(at: Ground, holders: Sequence[str]) -> None:
    """Asks each holder for a student until all have taken every consent."""
    each = len(at.consents) // len(holders)
    async with AsyncClient(at.profile) as client:
        for _ in range(_ASKED_BEFORE):
            answer = await client.query(
                AGREEMENT_ID,
                PURPOSE,
                "attendance",
                ["daily_attendance"],
                subject_refs=[consent.subject_ref for consent in at.consents[::each]],
                holders=holders,
                min_consent_sequence=at.consents[-1].sequence,
                timeout=60,
            )
            if answer.complete:
                return
    raise AssertionError(f"not every holder answers: {answer!r}")
