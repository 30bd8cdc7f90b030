"""Reaches nodes that dial out: their streams carry the connections that the gateway makes to them.

For each such node there is a socket in a folder of this process alone; what connects there is
carried by a stream that the node holds open. TLS is between the gateway and the node, as over any
network: whoever else held a stream open could neither read nor say anything.
"""

import asyncio
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import grpc

from homeroom.api.gateway.v1 import tunnel_service_pb2 as pb
from homeroom.api.gateway.v1.tunnel_service_pb2_grpc import TunnelServiceServicer
from homeroom.errors import ServiceUnreachableError
from services.runtime.carrying import PIECE_BYTES, Connection
from services.runtime.identity import current_caller

MOST_WAITING = 4
"""How many streams of one organization may wait; with one more, the oldest is let go of."""
_LOOK_SECONDS = 0.05

TunnelContext = grpc.aio.ServicerContext[pb.OpenTunnelRequest, pb.OpenTunnelResponse]


class Tunnels:
    """The streams that nodes hold open, by organization, and the sockets that lead to them."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory("homeroom")))
        self._waiting: dict[str, deque[asyncio.Future[Connection]]] = {}
        self._carried: set[asyncio.StreamWriter] = set()
        self._draining: asyncio.Task[None] | None = None

    def address(self, organization_id: str) -> str:
        """Where an organization's node is reached, as gRPC is told it."""
        return f"unix:{self._folder / organization_id}"

    async def connection(
        self, organization_id: str, in_line: Callable[[], Awaitable[None]]
    ) -> Connection:
        """The next connection of the gateway to an organization's node, once it makes one.

        Args:
            organization_id: whose node it leads to.
            in_line: is called as soon as the next connection may be the caller's.

        Raises:
            ServiceUnreachableError: if newer streams wait, or the gateway is stopping.
        """
        if self._draining is not None:
            raise ServiceUnreachableError("the service is stopping")
        line = await self._line(organization_id)
        waiting = asyncio.get_running_loop().create_future()
        line.append(waiting)
        # The oldest may be of a connection that broke without a word.
        while len(line) > MOST_WAITING:
            line.popleft().set_exception(ServiceUnreachableError("newer tunnels wait here"))
        try:
            await in_line()
            connection: Connection = await waiting
        except BaseException:
            # It may have come at the very moment that the caller left.
            if not (waiting.cancel() or waiting.cancelled() or waiting.exception()):
                self.over(waiting.result())
            raise
        finally:
            with suppress(ValueError):
                line.remove(waiting)
        return connection

    async def _line(self, organization_id: str) -> deque[asyncio.Future[Connection]]:
        if organization_id not in self._waiting:
            self._waiting[organization_id] = deque()
            server = await asyncio.start_unix_server(
                partial(self._connected, organization_id),
                self._folder / organization_id,
                limit=PIECE_BYTES,
            )
            self._stack.callback(server.close)
        return self._waiting[organization_id]

    def _connected(
        self, organization_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = self._waiting[organization_id]
        while line:
            waiting = line.pop()
            if not waiting.done():
                waiting.set_result(Connection(reader, writer))
                self._carried.add(writer)
                return
        writer.close()

    def over(self, connection: Connection) -> None:
        """A connection was carried to its end, and is closed."""
        self._carried.discard(connection.writer)
        connection.writer.close()

    def drain(self, is_idle: Callable[[], bool]) -> None:
        """Takes no more streams, and closes what is carried as soon as nobody asks any more."""
        self._draining = asyncio.create_task(self._drain(is_idle))

    async def _drain(self, is_idle: Callable[[], bool]) -> None:
        for line in self._waiting.values():
            while line:
                line.pop().set_exception(ServiceUnreachableError("the service is stopping"))
        while not is_idle():  # noqa: ASYNC110 - nobody tells when the last question is over
            await asyncio.sleep(_LOOK_SECONDS)
        for writer in self._carried:
            writer.close()

    async def close(self) -> None:
        """Ends everything, and removes the sockets."""
        if self._draining is not None:
            self._draining.cancel()
        await self._stack.aclose()


class TunnelServicer(TunnelServiceServicer):
    """Takes the streams of nodes that dial out."""

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels

    async def OpenTunnel(  # type: ignore[override]  # grpc.aio takes a coroutine too
        self, request_iterator: AsyncIterator[pb.OpenTunnelRequest], context: TunnelContext
    ) -> None:
        del request_iterator

        async def in_line() -> None:
            await context.send_initial_metadata(())

        caller_id = current_caller().organization_id
        connection = await self._tunnels.connection(caller_id, in_line)
        try:
            await context.write(pb.OpenTunnelResponse())
            await connection.carry(context, pb.OpenTunnelResponse)
        finally:
            self._tunnels.over(connection)
