"""What one question costs, everything on: signed query, OPA, consent join, log, sealing, mTLS."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.ground import AGREEMENT_ID, PURPOSE, ground
from homeroom import Answer, AsyncClient

_HOLDERS = 3
_STUDENTS = 500
_DAYS = 180
_SMALL_RUNS = 60
_LARGE_RUNS = 5


def run() -> dict[str, Any]:
    """Small answers (10 students of each holder) and large ones (every row); medians."""
    with ground(_HOLDERS, _STUDENTS, _DAYS) as made:
        refs = [consent.subject_ref for consent in made.consents]
        few = [ref for start in range(0, len(refs), _STUDENTS) for ref in refs[start : start + 10]]
        newest = made.consents[-1].sequence
        small, large, rows = asyncio.run(_measure(made.profile, few, newest))
    print(f"{len(small)} small answers, {len(large)} answers of {rows:,} rows")
    return {
        "small_p50_ms": round(statistics.median(small) * 1000, 1),
        "small_p99_ms": round(sorted(small)[int(len(small) * 0.99) - 1] * 1000, 1),
        "rows_s": round(rows / statistics.median(large)),
        "rows": rows,
    }


async def _measure(
    profile: Path, few: list[str], newest: int
) -> tuple[list[float], list[float], int]:
    async with AsyncClient(profile) as client:
        rows = 0
        while rows < _HOLDERS * _STUDENTS * _DAYS:
            # Until every holder has taken every consent.
            rows = (await _ask(client, None, newest)).table.num_rows
        small = [await _seconds(client, few) for _ in range(_SMALL_RUNS)]
        large = [await _seconds(client, None) for _ in range(_LARGE_RUNS)]
        return small, large, rows


async def _seconds(client: AsyncClient, refs: list[str] | None) -> float:
    began = time.perf_counter()
    answer = await _ask(client, refs, 0)
    seconds = time.perf_counter() - began
    assert answer.complete, answer.sources
    return seconds


async def _ask(client: AsyncClient, refs: list[str] | None, sequence: int) -> Answer:
    return await client.query(
        AGREEMENT_ID,
        PURPOSE,
        "attendance",
        ["daily_attendance"],
        subject_refs=refs,
        min_consent_sequence=sequence,
        timeout=60,
    )
