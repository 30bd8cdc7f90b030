"""Kills: a node's process, and an import's, are killed at a random point of their work.

Both are forked from a process that has loaded all their code, so that a life costs its work and not
its beginning. Between two lives the databases are looked at. Where PostgreSQL keeps them, it dies
too, several times in the life of a node, which has to go on without being started again.
"""

import asyncio
import multiprocessing
import os
import random
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.layout import Layout
from homeroom.errors import HomeroomError, ServiceUnreachableError
from services.node.server import build_server
from services.node.settings import NodeSettings
from services.runtime.database import open_database
from services.runtime.process import run_service
from tools.postgres import Cluster
from tools.soak.premises import HOLDER, Premises, bring
from tools.soak.promises import Promises, broken, version_of
from tools.soak.work import Promise, Work

_PATIENCE_SECONDS = 120.0
_LONGEST_LIFE_SECONDS = 5.0
_LONGEST_SPELL_SECONDS = 3.0
_MOST_IN_A_SPELL = 12
_PAUSE_SECONDS = 0.02
_MOST_PROMISES = 60
_A_MOMENT_SECONDS = 0.03
_STARTING_SHARE = 0.15
"""So many lives end while the node is still starting."""
_MOST_OUTAGES = 20
"""So often, at most, the database dies in one life of a node."""


@dataclass
class Killing:
    """One life after another of one holder's node.

    Attributes:
        cluster: what keeps the node's databases, if it is a server of its own.
    """

    at: Premises
    seed: int
    cluster: Cluster | None = None
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
        left = number
        with asyncio.Runner() as runner:
            runner.run(self._work.allow_all())
            while left:
                with self._living(runner) as life:
                    if self.cluster is not None and life.working is not None:
                        outages = self._chance.randrange(min(left, _MOST_OUTAGES))
                        for _ in range(outages):
                            yield self._outage(runner, life, self.cluster)
                        left -= outages
                if self.cluster is not None:
                    # What the node had begun may still be ending there; both die together.
                    self.cluster.die(at_once=True)
                    self.cluster.start()
                yield self._found()
                left -= 1

    @contextmanager
    def _living(self, runner: asyncio.Runner) -> "Iterator[_Life]":
        """One life of the node; it ends with the block, by a kill."""
        self._work.version = _version_of(self.at.records_url)
        life = _Life(self._node())
        try:
            if self._chance.random() < _STARTING_SHARE:
                runner.run(asyncio.sleep(self._chance.uniform(0, 1)))
            else:
                runner.run(self._begin(life))
            yield life
            if life.working is not None:
                runner.run(self._live(life))
        finally:
            _kill(life.node)
            runner.run(self._end(life))

    def _outage(self, runner: asyncio.Runner, life: "_Life", cluster: Cluster) -> list[str]:
        """The database dies and recovers under a node that goes on; what was wrong then."""
        runner.run(self._live(life, _MOST_IN_A_SPELL, _LONGEST_SPELL_SECONDS))
        cluster.die(at_once=bool(self._chance.getrandbits(1)))
        # The node meets the outage for a moment, and stands still while the databases are read.
        runner.run(asyncio.sleep(self._chance.uniform(0, _A_MOMENT_SECONDS)))
        _tell(life.node, signal.SIGSTOP)
        self._end_import(life)
        cluster.start()
        wrong = self._found()
        self._work.version = _version_of(self.at.records_url)
        _tell(life.node, signal.SIGCONT)
        runner.run(self._until_answering())
        return wrong

    def _found(self) -> list[str]:
        wrong, self._work.wrong = self._work.wrong, []
        return wrong + broken(self.promises, self.at.state_url, self.at.records_url)

    async def _begin(self, life: "_Life") -> None:
        await self._until_serving(life.node)
        life.working = asyncio.ensure_future(self._work.go_on(count()))

    async def _live(
        self,
        life: "_Life",
        promises: int = _MOST_PROMISES,
        seconds: float = _LONGEST_LIFE_SECONDS,
    ) -> None:
        """Imports, and waits until the node has promised some more, and a moment."""
        life.importing = self._import()
        await self._more(self._chance.randrange(promises), seconds)
        await asyncio.sleep(self._chance.uniform(0, _A_MOMENT_SECONDS))

    async def _more(self, promises: int, seconds: float) -> None:
        """Waits for so many promises, or that long."""
        self._awaited, self._enough = promises, asyncio.Event()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._enough.wait()

    async def _until_answering(self) -> None:
        """Waits until another answer has come whole: the next death is of a node at work."""
        before = self._work.answers
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while self._work.answers == before:
                    await self._more(1, _LONGEST_SPELL_SECONDS)
        except TimeoutError:
            raise ServiceUnreachableError(
                "the node does not go on after its database came back"
            ) from None

    def _node(self) -> ForkServerProcess:
        plan = self.at.layout.processes[HOLDER]
        process = self._processes.Process(target=_serve, args=(dict(plan.environment), self._told))
        process.start()
        return process

    def _import(self) -> ForkServerProcess:
        self._work.version += 1
        given = (self.at.layout, self._work.version, self._told)
        process = self._processes.Process(target=_bring, args=given)
        process.start()
        return process

    @property
    def _told(self) -> Path:
        """What the processes say."""
        return self.at.layout.folder / "logs" / f"{HOLDER}.log"

    async def _end(self, life: "_Life") -> None:
        if life.working is not None:
            life.working.cancel()
            with suppress(asyncio.CancelledError, HomeroomError, grpc.aio.AioRpcError):
                await life.working
        await asyncio.to_thread(self._end_import, life)

    def _end_import(self, life: "_Life") -> None:
        importing, life.importing = life.importing, None
        if importing is not None:
            _kill(importing)
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
                await asyncio.sleep(_PAUSE_SECONDS)
        raise ServiceUnreachableError("the node does not start again; its log says why")

    def _promised(self, promise: Promise) -> None:
        promise(self.promises)
        self._awaited -= 1
        if self._awaited <= 0:
            self._enough.set()


@dataclass
class _Life:
    """A node from its start to its death.

    Attributes:
        working: what keeps it busy, once it serves.
        importing: the import beside it.
    """

    node: ForkServerProcess
    working: "asyncio.Future[Any] | None" = None
    importing: ForkServerProcess | None = None


def _serve(environment: Mapping[str, str], told: Path) -> None:
    """The node's process."""
    _tell_to(told)
    os.environ.update(environment)
    raise SystemExit(run_service("node", NodeSettings, build_server))


def _bring(layout: Layout, version: int, told: Path) -> None:
    """The process of an import."""
    _tell_to(told)
    bring(layout, version)


def _tell_to(told: Path) -> None:
    with told.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)


def _tell(process: ForkServerProcess, what: signal.Signals) -> None:
    if process.pid is not None:
        os.kill(process.pid, what)


def _kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join()


def _version_of(records_url: str) -> int:
    engine = open_database(records_url)
    try:
        with engine.connect() as connection:
            return version_of(connection)
    finally:
        engine.dispose()
