"""Kills: a node's process, and an import's, are killed at a random point of their work.

Both are forked from a process that has loaded all their code, so that a life costs its work and not
its beginning. Between two lives the databases are looked at.
"""

import asyncio
import multiprocessing
import os
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from homeroom.errors import HomeroomError, ServiceUnreachableError
from services.node.server import build_server
from services.node.settings import NodeSettings
from services.runtime.process import run_service
from tools.soak.premises import HOLDER, Premises, bring
from tools.soak.promises import Promises, broken
from tools.soak.work import Promise, Work

_PATIENCE_SECONDS = 60.0
_LONGEST_LIFE_SECONDS = 5.0
_MOST_PROMISES = 60
_A_MOMENT_SECONDS = 0.03
_STARTING_SHARE = 0.15
"""So many lives end while the node is still starting."""


@dataclass
class Killing:
    """One life after another of one holder's node."""

    at: Premises
    seed: int
    promises: Promises = field(default_factory=Promises)

    def __post_init__(self) -> None:
        self._awaited, self._enough = 0, asyncio.Event()
        self._chance = random.Random(self.seed)  # noqa: S311  # it chooses moments, no keys
        self._work = Work(self.at, self._promised, self._chance)
        self._processes: ForkServerContext = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["tools.soak.kills"])

    @property
    def answers(self) -> int:
        """How many answers came whole."""
        return self._work.answers

    @property
    def broken_off(self) -> int:
        """How many answers a death broke off."""
        return self._work.broken_off

    def lives(self, number: int) -> Iterator[list[str]]:
        """What was wrong after each of so many deaths."""
        with asyncio.Runner() as runner:
            runner.run(self._work.allow_all())
            for _ in range(number):
                runner.run(self._life())
                wrong, self._work.wrong = self._work.wrong, []
                yield wrong + broken(self.promises, self.at.state, self.at.records)

    async def _life(self) -> None:
        self._work.version = _version_of(self.at.records)
        node = self._node()
        importing: ForkServerProcess | None = None
        working: asyncio.Future[None] | None = None
        try:
            if self._chance.random() < _STARTING_SHARE:
                await asyncio.sleep(self._chance.uniform(0, 1))
            else:
                await self._until_serving(node)
                working = asyncio.ensure_future(self._work.go_on(count()))
                importing = self._import()
                await self._live(self._chance.randrange(_MOST_PROMISES))
        finally:
            await asyncio.to_thread(_kill, node)
            await self._end(working, importing)

    async def _live(self, promises: int) -> None:
        """Waits until the node has promised so much more, and a moment: however slow a machine."""
        self._awaited, self._enough = promises, asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_LIFE_SECONDS):
                await self._enough.wait()
        await asyncio.sleep(self._chance.uniform(0, _A_MOMENT_SECONDS))

    def _node(self) -> ForkServerProcess:
        plan = self.at.layout.processes[HOLDER]
        told = self.at.layout.folder / "logs" / f"{HOLDER}.log"
        process = self._processes.Process(target=_serve, args=(dict(plan.environment), told))
        process.start()
        return process

    def _import(self) -> ForkServerProcess:
        self._work.version += 1
        process = self._processes.Process(target=bring, args=(self.at.layout, self._work.version))
        process.start()
        return process

    async def _end(
        self, working: "asyncio.Future[None] | None", importing: ForkServerProcess | None
    ) -> None:
        if working is not None:
            working.cancel()
            with suppress(asyncio.CancelledError, HomeroomError, grpc.aio.AioRpcError):
                await working
        if importing is not None:
            await asyncio.to_thread(_kill, importing)
            if importing.exitcode == 0:
                self._work.imported(self._work.version)

    async def _until_serving(self, node: ForkServerProcess) -> None:
        address = self.at.layout.processes[HOLDER].health_address
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            grpc.aio.insecure_channel(address) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            while node.is_alive():
                with suppress(grpc.aio.AioRpcError):
                    reply = await health.Check(health_pb2.HealthCheckRequest(), timeout=1)
                    if reply.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                await asyncio.sleep(0.02)
        raise ServiceUnreachableError("the node does not start again; its log says why")

    def _promised(self, promise: Promise) -> None:
        promise(self.promises)
        self._awaited -= 1
        if self._awaited <= 0:
            self._enough.set()


def _serve(environment: Mapping[str, str], told: Path) -> None:
    """The node's process."""
    with told.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ.update(environment)
    raise SystemExit(run_service("node", NodeSettings, build_server))


def _kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join()


def _version_of(records: Path) -> int:
    with closing(sqlite3.connect(records)) as connection:
        (run,) = connection.execute("SELECT max(run) FROM intake_run").fetchone()
    return int(run) - 1
