"""Carries the bytes of one connection over a stream of messages, both ways, until either ends."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import grpc

PIECE_BYTES = 64 * 1024

_ENDS = (OSError, grpc.aio.AioRpcError, asyncio.InvalidStateError)
"""What a connection or a stream says that is over."""


class Stream(Protocol):
    """Either end of a call whose messages go both ways, as grpc.aio has it."""

    async def read(self) -> Any:
        """The next message; EOF when the other end says no more."""

    async def write(self, message: Any, /) -> None:
        """Returns when the stream takes more."""


class Connection(NamedTuple):
    """Both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def carry(self, stream: Stream, message: Callable[..., Any]) -> None:
        """Carries what comes; who made the connection closes it.

        Args:
            stream: what each of its messages carries is its `data`.
            message: the kind that this end writes.
        """
        ways = [
            asyncio.create_task(self._out(stream, message)),
            asyncio.create_task(self._into(stream)),
        ]
        try:
            ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ended:
                with suppress(*_ENDS):
                    way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _out(self, stream: Stream, message: Callable[..., Any]) -> None:
        while data := await self.reader.read(PIECE_BYTES):
            await stream.write(message(data=data))

    async def _into(self, stream: Stream) -> None:
        while (said := await stream.read()) is not grpc.aio.EOF and said.data:
            self.writer.write(said.data)
            # Whoever reads slowly is sent no more than its buffers take.
            await self.writer.drain()
