"""Asks bare nodes, each directly, and puts what they tell into one table."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import grpc
import pyarrow as pa

from benchmarks.bare_node import METHOD, READY, BareNode, BareQuestion
from benchmarks.ground import databases_of
from deploy.local.addresses import free_addresses
from deploy.local.layout import PROJECT, Layout

_NODES_PER_PROCESS = 10


class BareAsker:
    """Kept channels to bare nodes."""

    def __init__(self, nodes: Sequence[BareNode]) -> None:
        self._channels = [grpc.aio.insecure_channel(node.address) for node in nodes]

    async def ask(self, question: BareQuestion, nodes: int) -> pa.Table:
        """The rows of the first so many nodes."""
        asked = question.encode()
        tables = await asyncio.gather(*(self._ask(c, asked) for c in self._channels[:nodes]))
        return pa.concat_tables(tables)

    async def _ask(self, channel: grpc.aio.Channel, asked: bytes) -> pa.Table:
        method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
        call = method(asked)
        pieces = [piece async for piece in call]
        with pa.ipc.open_stream(pa.BufferReader(b"".join(pieces))) as stream:
            return stream.read_all()

    async def close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))


@contextmanager
def bare_nodes(
    layout: Layout, holders: Sequence[str]
) -> Iterator[tuple[list[BareNode], list[int]]]:
    """Bare nodes over the databases of some holders, and the numbers of their processes.

    Up to ten holders have a process each; beyond that, a process has ten of them, for memory.
    """
    nodes = [
        BareNode(address, *databases_of(layout, name))
        for name, address in zip(holders, free_addresses(len(holders)), strict=True)
    ]
    each = 1 if len(nodes) <= _NODES_PER_PROCESS else _NODES_PER_PROCESS
    running = [_start(nodes[first : first + each]) for first in range(0, len(nodes), each)]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == READY
        yield nodes, [process.pid for process in running]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.communicate()


def _start(nodes: Sequence[BareNode]) -> subprocess.Popen[str]:
    told = json.dumps([asdict(node) for node in nodes])
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_node", told],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
