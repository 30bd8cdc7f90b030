"""Who reads consents for a node: a process beside it where the roster is large, else itself.

Opening bodies and looking for students takes half of what a consent costs. Beside the node it is
done on another core, while the node settles what was read before. The process is told of the
holder's sealing key and where the roster is, and of nothing else; without it nothing is settled.
"""

import asyncio
import datetime as dt
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.errors import ServiceUnreachableError
from homeroom.key_history import SigningKeys
from homeroom.sealing import SealingKey
from services.node.domain.claim_links import Nearby
from services.node.domain.consent_book import Arrived, Change
from services.node.domain.matching.match import NOBODY, Surroundings
from services.node.peers.consent_reading import ConsentReading
from services.node.peers.reading_frames import (
    LENGTH_BYTES,
    Employer,
    ToRead,
    WasRead,
    frame_of,
    value_of,
)

_PROGRAM = "services.node.commands.reading"
_STREAM_BYTES = 1 << 20
_UNREAD = "consents cannot be read at the moment"
_PATIENCE_SECONDS = 300.0
"""A large roster is read anew within one answer; whoever takes longer has come to nothing."""


class ConsentReaders(Protocol):
    """Reads what the consent service sent, and what was kept of it."""

    async def begin(self) -> None:
        """Gets ready, so that the first page need not wait."""
        ...

    async def changes(
        self, page: pb.ConsentChanges, keys: Mapping[str, SigningKeys], now: dt.datetime
    ) -> Sequence[Change]:
        """What the changes of a page mean here, in their order.

        Args:
            page: as the consent service sent it.
            keys: the public signing keys of every organization.
            now: the instant.

        Raises:
            ServiceUnreachableError: if they cannot be read at the moment.
        """
        ...

    async def again(
        self, kept: Iterable[Arrived], keys: Mapping[str, SigningKeys], now: dt.datetime
    ) -> Sequence[Arrived]:
        """Reads once more consents that were kept as they came.

        Raises:
            ServiceUnreachableError: if they cannot be read at the moment.
        """
        ...

    async def close(self) -> None:
        """Ends what was started to read."""
        ...


class ReadHere:
    """Reads in a thread of the node itself; implements `ConsentReaders`."""

    def __init__(self, reading: ConsentReading) -> None:
        self._reading = reading

    async def begin(self) -> None:
        """Has nothing to get ready."""

    async def changes(
        self, page: pb.ConsentChanges, keys: Mapping[str, SigningKeys], now: dt.datetime
    ) -> Sequence[Change]:
        def read() -> Sequence[Change]:
            said = (self._reading.change(one, keys, now) for one in page.changes)
            return [change for change in said if change is not None]

        return await asyncio.to_thread(read)

    async def again(
        self, kept: Iterable[Arrived], keys: Mapping[str, SigningKeys], now: dt.datetime
    ) -> Sequence[Arrived]:
        return await asyncio.to_thread(lambda: [self._reading.again(one, keys) for one in kept])

    async def close(self) -> None:
        """Has started nothing."""


class ReadBeside:
    """Reads in a process beside the node, if the roster is large; implements `ConsentReaders`.

    The process is started when it is first needed, and anew after it failed. Withdrawals alone are
    read here: they name no student, and wait for no roster.
    """

    def __init__(self, here: ReadHere, employer: Employer, large: Callable[[], bool]) -> None:
        self._here = here
        self._employer = employer
        self._large = large
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._run = -1
        self._given_names: frozenset[str] = frozenset()

    async def begin(self) -> None:
        if await asyncio.to_thread(self._large):
            async with self._turn:
                await self._started()

    async def changes(
        self, page: pb.ConsentChanges, keys: Mapping[str, SigningKeys], now: dt.datetime
    ) -> Sequence[Change]:
        recorded = any(one.HasField("recorded") for one in page.changes)
        if not recorded or not await asyncio.to_thread(self._large):
            return await self._here.changes(page, keys, now)
        return await self._asked(ToRead(page.SerializeToString(), (), keys, now, self._run))

    async def again(
        self, kept: Iterable[Arrived], keys: Mapping[str, SigningKeys], now: dt.datetime
    ) -> Sequence[Arrived]:
        if not await asyncio.to_thread(self._large):
            return await self._here.again(kept, keys, now)
        said = [(one.consent_id, one.recorder, one.evidence, one.taken_at) for one in kept]
        read = await self._asked(ToRead(b"", said, keys, now, self._run))
        return [one for one in read if isinstance(one, Arrived)]

    async def close(self) -> None:
        """Ends the process."""
        async with self._turn:
            process, self._process = self._process, None
            if process is not None:
                _kill(process)
                await process.wait()

    async def _asked(self, asked: ToRead) -> Sequence[Change]:
        frame = frame_of(asked)
        async with self._turn:
            process = await self._started()
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    answer = await asyncio.to_thread(value_of, await _exchanged(process, frame))
            except BaseException as failed:
                # Whoever asks next must not be given the answer to this.
                self._process = None
                _kill(process)
                if isinstance(failed, (OSError, EOFError)):
                    raise ServiceUnreachableError(_UNREAD) from None
                raise
            return self._with_near(answer)

    def _with_near(self, answer: WasRead) -> Sequence[Change]:
        if answer.given_names is not None:
            self._run, self._given_names = answer.run, answer.given_names
        return [
            self._nearby(change, found, answer.run) if isinstance(change, Arrived) else change
            for change, found in zip(answer.changes, answer.near, strict=True)
        ]

    def _nearby(self, one: Arrived, found: Surroundings | None, run: int) -> Arrived:
        nearby = Nearby(run, found or NOBODY, self._given_names)
        kept = (one.consent_id, one.recorder, one.evidence)
        return Arrived(*kept, one.opened, one.problem, nearby, one.taken_at)

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", _PROGRAM),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    limit=_STREAM_BYTES,
                    # Where the code is, and nothing of what the node was told.
                    env={"PYTHONPATH": os.pathsep.join(sys.path)},
                    # Ctrl-C is for the node: this ends when the node closes its input.
                    start_new_session=True,
                )
            except OSError:
                raise ServiceUnreachableError(_UNREAD) from None
            self._run = -1
            if self._process.stdin is not None:
                self._process.stdin.write(frame_of(self._employer))
        return self._process


def readers_for(
    organization_id: str,
    keys: Sequence[SealingKey],
    records_url: str,
    large: Callable[[], bool],
) -> ReadBeside:
    """Who reads consents for a holder.

    Args:
        organization_id: the holder.
        keys: for what is sealed to it; the present one, then those before it.
        records_url: where its roster is.
        large: whether that is worth a process of its own.
    """
    here = ReadHere(ConsentReading(organization_id, *keys))
    present, *former = (key.private.private_bytes_raw() for key in keys)
    employer = Employer(organization_id, present, records_url, tuple(former))
    return ReadBeside(here, employer, large)


async def _exchanged(process: asyncio.subprocess.Process, frame: bytes) -> bytes:
    """Sends one frame; returns the content of the one that answers it."""
    asked, answered = process.stdin, process.stdout
    if asked is None or answered is None:
        raise EOFError
    asked.write(frame)
    await asked.drain()
    length = await answered.readexactly(LENGTH_BYTES)
    return await answered.readexactly(int.from_bytes(length, "big"))


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
