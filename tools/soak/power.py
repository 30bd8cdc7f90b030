"""Power cuts: a node's work is recorded write by write, and cut at every point of it.

The node is a real one, in this process; its answers come over the wire. What it had promised when
a write was made must be kept by all that a cut after that write may leave.
"""

import asyncio
import random
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from homeroom.errors import HomeroomError, InternalError
from services.node.server import build_server
from services.node.settings import NodeSettings
from tools.soak.disk import Disk, Files, Loss, write_files
from tools.soak.premises import HOLDER, Asker, Premises
from tools.soak.promises import Promises, broken
from tools.soak.recording import Operation, Recording, recorded
from tools.soak.work import Promise, Work

_PATIENCE_SECONDS = 60.0


@dataclass
class Session:
    """A node's work from its start to its end, as it was recorded.

    Attributes:
        before: the files at the start.
        promises: each with the number of operations that had happened when it was received.
        wrong: what came that may not come.
    """

    before: Files
    recording: Recording
    promises: list[tuple[int, Promise]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: int = 0

    @property
    def operations(self) -> list[Operation]:
        """Every write, sync and deletion."""
        return self.recording.operations


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut, and what of it was not as it must be."""

    after: int
    loss: Loss
    wrong: list[str]


async def record_session(at: Premises, questions: int, imports: int, seed: int) -> Session:
    """Has a node answer questions while families revoke and records are imported."""
    folder = at.layout.organization(HOLDER)
    files = {name: (folder / name).read_bytes() for name in ("state.db", "records.db")}
    with recorded(folder) as recording:
        session = Session(files, recording)
        work = Work(
            at,
            lambda promise: session.promises.append((len(recording), promise)),
            random.Random(seed),  # noqa: S311  # it chooses students, no keys
        )
        plan = at.layout.processes[HOLDER]
        server = await build_server(NodeSettings.read("HOMEROOM_NODE_", plan.environment))
        await server.start()
        try:
            await _until_known(at, await work.allow_all())
            importing = asyncio.ensure_future(_import(work, imports))
            await work.go_on(range(questions))
            await importing
        finally:
            await server.stop()
    session.wrong, session.answers = work.wrong, work.answers
    if not work.answers:
        raise InternalError("the node answered nothing")
    return session


def cuts(session: Session, count: int, seed: int) -> Iterator[Cut]:
    """Cuts the power so many times, spread over the whole session, and looks at what is left."""
    disk, promises = Disk(session.before), Promises()
    chance = random.Random(seed)  # noqa: S311  # it chooses what is lost, no keys
    waiting = iter([*session.promises, (len(session.operations) + 1, _nothing)])
    mark, promise = next(waiting)
    with tempfile.TemporaryDirectory(prefix="homeroom-", dir=_memory()) as folder:
        for after in range(len(session.operations) + 1):
            if after:
                disk.take(session.operations[after - 1])
            while mark <= after:
                promise(promises)
                mark, promise = next(waiting)
            for _ in range(_here(after, count, len(session.operations) + 1)):
                loss = chance.choice(list(Loss))
                write_files(Path(folder), disk.cut(loss, chance))
                left = (f"sqlite:///{folder}/{name}.db" for name in ("state", "records"))
                yield Cut(after, loss, broken(promises, *left))


def _here(after: int, count: int, points: int) -> int:
    """How many of the cuts are made after an operation."""
    return (after + 1) * count // points - after * count // points


def _nothing(_promises: Promises) -> None:
    """What is promised after the end."""


def _memory() -> str | None:
    """A folder that needs no disk, where there is one: what is written there is read but once."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own there


async def _import(work: Work, imports: int) -> None:
    for _ in range(imports):
        await work.import_once()
        await asyncio.sleep(work.chance.uniform(0, 0.2))


async def _until_known(at: Premises, sequence: int) -> None:
    asker = Asker(at)
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                with suppress(grpc.aio.AioRpcError, HomeroomError):
                    async for got in asker.ask(None, sequence):
                        if got.refs:
                            return
                await asyncio.sleep(0.05)
    finally:
        await asker.close()
