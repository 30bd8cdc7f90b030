"""An app that reads a large answer slowly, in a process of its own, and tells how it has grown."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.layout import PROJECT
from homeroom import AsyncClient


@dataclass(frozen=True, slots=True)
class SlowReading:
    """What is asked, and how slowly it is read; everyone is meant.

    Attributes:
        pause: seconds that are let pass before each batch.
    """

    profile: str
    agreement_id: str
    purpose: str
    holders: Sequence[str]
    pause: float


@dataclass(frozen=True, slots=True)
class Read:
    """How many rows came, and by how many megabytes the reader has grown."""

    rows: int
    grown_mb: float


def read_slowly(reading: SlowReading) -> Read:
    """Reads in another process."""
    told = json.dumps(asdict(reading))
    module = [sys.executable, "-m", "benchmarks.slow_reader", told]
    done = subprocess.run(module, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    return Read(**json.loads(done.stdout))


def resident_mb(process: int | str) -> float:
    """How much memory a process has now."""
    return _status_mb(process, "VmRSS")


def peak_mb(process: int | str) -> float:
    """The most that it had since `forget_peak`."""
    return _status_mb(process, "VmHWM")


def forget_peak(process: int | str) -> None:
    """Has the peak of a process counted from now on."""
    Path(f"/proc/{process}/clear_refs").write_text("5", "ascii")


def _status_mb(process: int | str, name: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


async def _read(reading: SlowReading) -> Read:
    rows = 0
    async with AsyncClient(reading.profile) as client:
        await client.federation()
        before = resident_mb("self")
        forget_peak("self")
        asked = (reading.agreement_id, reading.purpose, "attendance", ["daily_attendance"])
        async with client.stream(*asked, holders=reading.holders, timeout=600) as answer:
            async for batch in answer:
                rows += batch.num_rows
                await asyncio.sleep(reading.pause)
    return Read(rows, peak_mb("self") - before)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(_read(SlowReading(**json.loads(sys.argv[1])))))))
