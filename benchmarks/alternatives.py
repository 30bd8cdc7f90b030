"""What other ways to send the same rows cost, and Homeroom beside them: the CPU of one row."""

import asyncio
import json
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import Any

import aiohttp
import grpc
from google.protobuf.message import Message

from benchmarks.bare_asking import BareAsker, bare_nodes
from benchmarks.bare_node import READY, BareNode, BareQuestion
from benchmarks.datapath import cpu_seconds
from benchmarks.ground import AGREEMENT_ID, ASKER, PURPOSE, Ground, ground
from benchmarks.plain_node import JSON, METHOD, OBJECTS, Row
from deploy.local.addresses import free_addresses
from deploy.local.layout import PROJECT
from homeroom import AsyncClient

_HOLDER = "holder_0"
_DAYS = 180
_QUESTION = BareQuestion(ASKER, AGREEMENT_ID, PURPOSE, None)

Ask = Callable[[], Awaitable[int]]
"""Asks once; returns how many rows came."""


def run(students: int = 111, runs: int = 5) -> dict[str, Any]:
    """Microseconds of a row, in each way; medians of interleaved runs.

    Args:
        students: of one holder; each has 180 rows.
        runs: how often each way is measured.
    """
    with (
        ground(1, students, _DAYS) as at,
        bare_nodes(at.layout, [_HOLDER]) as (bare, bare_processes),
        _plain_node(at) as (address, http_address, plain),
    ):
        hub = [at.processes.process_id(name) for name in ("registry", "consent", "gateway")]
        processes = {
            "homeroom": [*hub, at.processes.process_id(_HOLDER)],
            "arrow": bare_processes,
            **{name: [plain] for name in ("messages", "json", "objects")},
        }
        return asyncio.run(
            _measure(at, (bare, address, http_address), processes, (students * _DAYS, runs))
        )


async def _measure(
    at: Ground,
    where: tuple[Sequence[BareNode], str, str],
    processes: dict[str, list[int]],
    sizes: tuple[int, int],
) -> dict[str, Any]:
    rows, runs = sizes
    took: dict[str, list[float]] = {name: [] for name in processes}
    async with _ways(at, *where) as ways:
        # The first asks until the holder has taken every consent.
        while await ways["homeroom"]() < rows:
            pass
        for number in range(runs + 1):
            for name in list(ways)[:: 1 if number % 2 else -1]:
                before = cpu_seconds(processes[name])
                assert await ways[name]() == rows
                if number:
                    # The first run warms all.
                    took[name].append((cpu_seconds(processes[name]) - before) / rows)
    found = {f"{name}_us": round(statistics.median(all_) * 1e6, 2) for name, all_ in took.items()}
    for name, microseconds in found.items():
        print(f"{name.removesuffix('_us'):10} {microseconds:8.2f} µs a row", flush=True)
    return {"rows": rows, **found}


@asynccontextmanager
async def _ways(
    at: Ground, bare: Sequence[BareNode], address: str, http_address: str
) -> AsyncIterator[dict[str, Ask]]:
    """Each way to ask, over connections that are kept."""
    asker = BareAsker(bare)
    async with (
        AsyncClient(at.profile) as client,
        grpc.aio.insecure_channel(address) as channel,
        aiohttp.ClientSession(f"http://{http_address}") as http,
    ):

        async def in_full() -> int:
            sequence = at.consents[-1].sequence
            asked = (AGREEMENT_ID, PURPOSE, "attendance", ["daily_attendance"])
            answer = await client.query(*asked, min_consent_sequence=sequence, timeout=60)
            return int(answer.table.num_rows)

        async def arrow() -> int:
            return int((await asker.ask(_QUESTION, 1)).num_rows)

        async def messages() -> int:
            method: grpc.aio.UnaryStreamMultiCallable[bytes, Message] = channel.unary_stream(
                METHOD, response_deserializer=Row.FromString
            )
            call = method(_QUESTION.encode())
            return len([row async for row in call])

        async def over_http(path: str) -> int:
            async with http.post(path, data=_QUESTION.encode()) as response:
                return len(await response.json())

        yield {
            "arrow": arrow,
            "homeroom": in_full,
            "messages": messages,
            "json": lambda: over_http(JSON),
            "objects": lambda: over_http(OBJECTS),
        }
        await asker.close()


@contextmanager
def _plain_node(at: Ground) -> Iterator[tuple[str, str, int]]:
    """A node of the other ways over the holder's databases: its addresses, its process."""
    address, http_address = free_addresses(2)
    layout = at.layout
    node = BareNode(address, layout.records_url(_HOLDER), layout.state_url(_HOLDER))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.plain_node", json.dumps(asdict(node)), http_address],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == READY
        yield address, http_address, process.pid
    finally:
        process.terminate()
        process.communicate()
