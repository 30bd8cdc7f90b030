"""Has a replica stand by until it is elected, and then answer for as long as it is.

Who calls while nobody serves is told to ask again in a moment, before anything is decided, read or
written: a question that comes while another replica takes over is answered a little later.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from homeroom.errors import HomeroomError, ServiceUnreachableError, TooMuchAskedError
from services.runtime.election import Election, Tenure
from services.runtime.errors import translated_errors
from services.runtime.gate import DeposedError
from services.runtime.identity import ServicerContext
from services.runtime.logs import log
from services.runtime.metrics import Reading
from services.runtime.server import Server

_TRY_SECONDS = 0.25
_ASK_AGAIN_SECONDS = 0.5
_BIND_TRIES = 20


@dataclass(frozen=True, slots=True)
class Seat:
    """What a replica that was elected answers with."""

    server: Server
    tenure: Tenure


class ElectedGate:
    """Lets calls in while this replica serves, and responses out while it is the one elected."""

    def __init__(self, server: Server, tenure: Tenure) -> None:
        self._server = server
        self._tenure = tenure

    def admit(self) -> None:
        if not self._server.serving or not self._tenure.holds():
            raise ask_again()

    def let_go(self) -> None:
        if not self._tenure.holds():
            raise DeposedError("another replica may have been elected")


class Standing:
    """How a replica stands: what its page of numbers tells.

    Attributes:
        tenure: its own, once it is elected.
    """

    def __init__(self, server: Server, *, alone: bool = False) -> None:
        self.tenure: Tenure | None = None
        self._alone = alone
        told = "1 while this replica is the only one or the one elected, 0 while it stands by."
        server.metrics.read(Reading("homeroom_elected", told, self._elected))
        told = "The number of the election that this replica won; 0 if it won none."
        server.metrics.read(Reading("homeroom_writer_epoch", told, self._epoch))

    def _elected(self) -> float:
        return float(self._alone or (self.tenure is not None and self.tenure.holds()))

    def _epoch(self) -> float:
        return self.tenure.epoch if self.tenure is not None else 0


async def elected(server: Server, election: Election) -> Seat | None:
    """Stands by until this replica is elected; None once it was asked to stop before.

    Raises:
        RequestInvalidError: if no election can be held in that database.
    """
    server.stop_on_signals()
    await server.be_watched()
    standing = Standing(server)
    log.info("standing by")
    while not server.asked_to_stop.is_set():
        try:
            tenure = await asyncio.to_thread(election.try_to_win)
        except ServiceUnreachableError:
            # Also a replica that finds no database can do nothing better than to wait for it.
            await server.stand_by(fit=False)
            log.warning("the election's database does not answer")
        else:
            if tenure is not None:
                standing.tenure = tenure
                return _seat(server, tenure)
            await server.stand_by(fit=True)
        await _pause(server.asked_to_stop)
    return None


@asynccontextmanager
async def asking_again(server: Server) -> AsyncIterator[None]:
    """Tells whoever calls to ask again in a moment, while the one elected gets ready."""
    await server.stand_by(fit=False)
    door = grpc.aio.server(interceptors=[_AskAgain()], options=server.options)
    await _listening(lambda: server.listen_with(door))
    await door.start()
    try:
        yield
    finally:
        await door.stop(None)


def ask_again() -> TooMuchAskedError:
    """What a caller is told that another replica, or this one, will answer soon."""
    return TooMuchAskedError("ask again in a moment", retry_after=f"{_ASK_AGAIN_SECONDS:.2f}")


def _seat(server: Server, tenure: Tenure) -> Seat:
    server.stands_behind(ElectedGate(server, tenure))
    # The last to end: until then nobody else is elected, and what is at work is written down.
    server.resources.push_async_callback(asyncio.to_thread, tenure.end)
    server.in_background(tenure.until_lost(), "being the replica elected")
    return Seat(server, tenure)


async def _pause(stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_TRY_SECONDS):
            await stopping.wait()
    except TimeoutError:
        return


async def _listening(listen: Callable[[], int]) -> None:
    """Listens where the replica before, on the same machine, may not have ended yet."""
    for _ in range(_BIND_TRIES):
        try:
            listen()
        except ServiceUnreachableError:
            await asyncio.sleep(_TRY_SECONDS)
        else:
            return
    listen()


class _AskAgain(grpc.aio.ServerInterceptor):
    """Answers every call alike, whatever it is and whoever makes it."""

    async def intercept_service(self, _continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        async def refused(_request: Any, context: ServicerContext) -> Any:
            async with translated_errors(context, details.method):
                raise _told()

        return grpc.unary_unary_rpc_method_handler(refused)


def _told() -> HomeroomError:
    return ask_again()
