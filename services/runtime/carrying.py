"""Carries the bytes of one connection over a stream of messages, both ways, until either ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import grpc

PIECE_BYTES = 64 * 1024

_ENDS = (OSError, grpc.aio.AioRpcError, asyncio.InvalidStateError)
"""What a connection or a stream says that is over."""


class Connection(NamedTuple):
    """Both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def _out(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        while data := await self.reader.read(PIECE_BYTES):
            await send(data)

    async def _into(self, receive: Callable[[], Awaitable[bytes]]) -> None:
        while data := await receive():
            self.writer.write(data)
            # Whoever reads slowly is sent no more than its buffers take.
            await self.writer.drain()

    async def carry(
        self, receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]
    ) -> None:
        """Carries what comes, and closes the connection in the end.

        Args:
            receive: the next bytes of the stream; none when it has ended.
            send: puts bytes on the stream, and returns when it takes more.
        """
        ways = [asyncio.create_task(self._out(send)), asyncio.create_task(self._into(receive))]
        try:
            ended, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ended:
                with suppress(*_ENDS):
                    way.result()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.writer.close()
