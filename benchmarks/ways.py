"""The way to a node, which can be broken in the middle: a relay of bytes between two sockets."""

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

_PIECE = 16_384
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a way; with nothing set all is well.

    Attributes:
        refuse: nobody listens, and what was open is reset.
        silent: connections are taken and nothing is ever said; what was open is reset.
        stranger: another node answers in place of the one that is meant; what was open is reset.
        cut_after: how many more bytes of answers pass before the connection is reset.
        stop_after: how many more bytes of answers pass before nothing moves any more.
        bytes_per_second: how quickly answers pass at most.
    """

    refuse: bool = False
    silent: bool = False
    stranger: str = ""
    cut_after: int | None = None
    stop_after: int | None = None
    bytes_per_second: int | None = None

    @property
    def resets(self) -> bool:
        """Whether it ends the connections that are open when it begins."""
        return self.refuse or self.silent or bool(self.stranger)


WELL = Fault()


class Way:
    """One relay: whoever connects to `listens_at` reaches `leads_to`."""

    def __init__(self, listens_at: str, leads_to: str) -> None:
        self._listens_at = listens_at
        self._leads_to = leads_to
        self._fault = WELL
        self._passed = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._relaying: set[asyncio.Task[Any]] = set()

    async def begin(self) -> None:
        """Listens."""
        host, port = self._listens_at.rsplit(":", 1)
        self._server = await asyncio.start_server(self._relay, host, int(port))

    async def become(self, fault: Fault) -> None:
        """Has a fault begin, or end."""
        was, self._fault, self._passed = self._fault, fault, 0
        if fault.resets or was != WELL:
            # Nor does what was taken by a broken way outlive its mending.
            for writer in list(self._open):
                writer.transport.abort()
        if fault.refuse and self._server is not None:
            self._server.close()
            self._server = None
        elif not fault.refuse and self._server is None:
            await self.begin()

    async def end(self) -> None:
        """Ends the relay, and what it relays."""
        await self.become(replace(WELL, refuse=True))
        await asyncio.gather(*self._relaying, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relaying = asyncio.current_task()
        assert relaying is not None
        self._relaying.add(relaying)
        relaying.add_done_callback(self._relaying.discard)
        self._open.add(writer)
        try:
            if self._fault.silent:
                await self._nothing(reader)
                return
            host, port = (self._fault.stranger or self._leads_to).rsplit(":", 1)
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            self._open.add(far_writer)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._ask(reader, far_writer))
                    both.create_task(self._answer(far_reader, writer))
            finally:
                far_writer.transport.abort()
                self._open.discard(far_writer)
        except* OSError:
            pass  # a connection that is reset is what this is for
        finally:
            writer.transport.abort()
            self._open.discard(writer)

    async def _nothing(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(_PIECE):
            pass

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            fault = self._fault
            if fault.bytes_per_second is not None:
                await asyncio.sleep(len(piece) / fault.bytes_per_second)
            for limit in (fault.cut_after, fault.stop_after):
                if limit is not None and self._passed + len(piece) > limit:
                    piece = piece[: max(limit - self._passed, 0)]
            self._passed += len(piece)
            writer.write(piece)
            await writer.drain()
            if fault.cut_after is not None and self._passed >= fault.cut_after:
                raise ConnectionResetError
            if fault.stop_after is not None and self._passed >= fault.stop_after:
                await self._nothing(reader)
        raise ConnectionResetError


class Ways:
    """All ways to some nodes, relayed beside whoever breaks them."""

    def __init__(self, ways: Mapping[str, tuple[str, str]]) -> None:
        """Takes each holder's address as others know it, and where its node listens."""
        self._ways = {name: Way(*ends) for name, ends in ways.items()}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        for way in self._ways.values():
            self._do(way.begin())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for way in self._ways.values():
            self._do(way.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def become(self, holder: str, fault: Fault) -> None:
        """Has a fault begin on the way to one holder, or end."""
        self._do(self._ways[holder].become(fault))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)
