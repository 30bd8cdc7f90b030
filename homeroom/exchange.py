"""One signed query at the gateway: what comes of it, by one call after another or by several.

A holder whose answer broke off goes on by a call of its own, beside those by which other holders'
answers still come: else one that is silent would keep it waiting until nothing is left to go on
with.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from random import SystemRandom
from typing import Any

import grpc

from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.asking_again import pause_before_asking_again
from homeroom.errors import (
    EvidenceInvalidError,
    HomeroomError,
    NotPermittedError,
    ServiceUnreachableError,
    TooMuchAskedError,
)
from homeroom.opening import Asking
from homeroom.remote import error_of
from homeroom.session import Session

_LEAST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_PASSING = (ServiceUnreachableError, TooMuchAskedError)
"""What keeps an answer from going on for a while only."""


_Came = asyncio.Queue[tuple[int, pb.QueryResponse | Exception | None]]
"""What came, each by the number of its call."""


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing more comes by a call.

    Attributes:
        holders: whose answers came by it, or were to, and come by no other call now.
        failure: why it ended early; None where the gateway ended it, or never took it on.
        for_good: whether these answers cannot go on in the time that there is.
    """

    holders: Sequence[str]
    failure: HomeroomError | None = None
    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the gateway has taken on.

    Attributes:
        planned: the holders it asks.
        first: the first event after the plan; None if there is none.
        failure: what came in place of that event.
    """

    rpc: Any
    planned: tuple[str, ...]
    first: pb.QueryResponse | None = None
    failure: HomeroomError | None = None

    async def events(self) -> AsyncGenerator[pb.QueryResponse, None]:
        """What follows the plan, until the gateway ends it.

        Raises:
            HomeroomError: if it fails.
        """
        event = self.first
        try:
            if self.failure is not None:
                raise self.failure
            while event is not None:
                yield event
                event = await _read(self.rpc)
        finally:
            self.rpc.cancel()


class Exchange:
    """A query that the gateway has taken on."""

    def __init__(
        self,
        session: Session,
        asking: Asking,
        request: pb.QueryRequest,
        call: Call,
        asked_at: float,
        deadline: float,
    ) -> None:
        """Reads nothing yet.

        Args:
            session: of the app that asked.
            asking: what it asked.
            request: the same, as it was signed.
            call: by which the answers come.
            asked_at: when it was asked, by the event loop's clock, in seconds.
            deadline: until when, by the same clock.
        """
        self.asking = asking
        self.planned = call.planned
        self.asked_at = asked_at
        self._session = session
        self._request = request
        self._deadline = deadline
        self._calls = 0
        self._call_of: dict[str, int] = {}
        self._to_read: list[tuple[int, AsyncGenerator[pb.QueryResponse, None]]] = []
        self._take_on(call.planned, call.events())

    async def events(self) -> AsyncIterator[pb.QueryResponse | Over]:
        """What comes by all calls, until each is over; others may begin in between."""
        # What is not taken stays with the gateway, but for one event.
        came: _Came = asyncio.Queue(1)
        reading: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                for number, events in self._to_read:
                    reading[number] = asyncio.create_task(_read_on(number, events, came))
                self._to_read.clear()
                if not reading:
                    return
                number, event = await came.get()
                if isinstance(event, pb.QueryResponse):
                    yield event
                else:
                    del reading[number]
                    yield self._over(number, event)
        finally:
            for task in reading.values():
                task.cancel()
            await asyncio.gather(*reading.values(), return_exceptions=True)

    def prolong(self, seconds: float) -> None:
        """Gives it some seconds from now."""
        self._deadline = asyncio.get_running_loop().time() + seconds

    def go_on(self, positions: Sequence[pb.SourcePosition], tries: int = 0) -> None:
        """Has holders go on, as soon as the gateway is there; `events` has what comes of it.

        Args:
            positions: how much came of each answer that broke off.
            tries: how often that was in vain by now.
        """
        holders = [position.holder for position in positions]
        self._take_on(holders, self._going_on(positions, tries))

    def _take_on(
        self, holders: Sequence[str], events: AsyncGenerator[pb.QueryResponse, None]
    ) -> None:
        self._calls += 1
        self._call_of.update(dict.fromkeys(holders, self._calls))
        self._to_read.append((self._calls, events))

    def _over(self, number: int, end: Exception | None) -> Over:
        holders = [holder for holder, call in self._call_of.items() if call == number]
        if isinstance(end, _CannotGoOnError):
            return Over(holders, end.refusal, for_good=True)
        if end is None or isinstance(end, HomeroomError):
            return Over(holders, end)
        raise end

    async def _going_on(
        self, positions: Sequence[pb.SourcePosition], tries: int
    ) -> AsyncGenerator[pb.QueryResponse, None]:
        clock = asyncio.get_running_loop().time
        failure: HomeroomError | None = None
        while True:
            pause = _pause_before_try(tries, failure)
            if pause is None or clock() + pause >= self._deadline:
                raise _CannotGoOnError
            await asyncio.sleep(pause)
            try:
                call = await self._resumed(positions)
            except _PASSING as passing:
                failure = passing
            except HomeroomError as refused:
                raise _CannotGoOnError(refused) from refused
            else:
                break
            tries += 1
        async with aclosing(call.events()) as events:
            async for event in events:
                yield event

    async def _resumed(self, positions: Sequence[pb.SourcePosition]) -> Call:
        request = pb.ResumeQueryRequest(
            query=self._request.query, user_token=self._request.user_token, positions=positions
        )
        seconds = self._deadline - asyncio.get_running_loop().time()
        call = await begun(self._session.gateway.ResumeQuery(request, timeout=seconds))
        if call.failure is not None:
            raise call.failure
        return call


class _CannotGoOnError(Exception):
    """Answers that broke off cannot go on.

    Attributes:
        refusal: for what they may not; None where it is a matter of time, or of the gateway.
    """

    def __init__(self, failure: HomeroomError | None = None) -> None:
        super().__init__()
        self.refusal = failure if isinstance(failure, NotPermittedError) else None


async def _read_on(
    number: int, events: AsyncGenerator[pb.QueryResponse, None], came: _Came
) -> None:
    """Reads one call to its end, which comes last: None, or what it failed with."""
    end: Exception | None = None
    try:
        async with aclosing(events):
            async for event in events:
                await came.put((number, event))
    except Exception as failure:  # whatever it is, whoever takes what came hears of it
        end = failure
    await came.put((number, end))


def _pause_before_try(tries: int, failure: HomeroomError | None) -> float | None:
    """The seconds to wait; None where what was refused is refused for good."""
    chance = SystemRandom().random()
    if isinstance(failure, TooMuchAskedError):
        return pause_before_asking_again(failure, chance)
    # A node or a gateway that is being restarted is back after seconds.
    return min(_LEAST_PAUSE * 2**tries, _LONGEST_PAUSE) * (1 + chance) if tries else 0.0


async def begun(rpc: Any) -> Call:
    """The call, once the gateway has taken it on and the first source says something.

    Raises:
        HomeroomError: if it is refused, or nobody is there.
    """
    try:
        planned = await _plan(rpc)
        try:
            return Call(rpc, planned, await _read(rpc))
        except ServiceUnreachableError:
            raise
        except HomeroomError as failure:
            return Call(rpc, planned, failure=failure)
    except BaseException:
        rpc.cancel()
        raise


async def _plan(rpc: Any) -> tuple[str, ...]:
    event = await _read(rpc)
    if event is None or not event.HasField("plan"):
        raise EvidenceInvalidError("the gateway did not say whom it asks")
    return tuple(dict.fromkeys(event.plan.holders))


async def _read(rpc: Any) -> pb.QueryResponse | None:
    """The gateway's next event; None after its last.

    Raises:
        HomeroomError: if the call failed.
    """
    try:
        event = await rpc.read()
    except grpc.aio.AioRpcError as failure:
        raise error_of(failure) from None
    if isinstance(event, pb.ResumeQueryResponse):
        return event.event
    return event if isinstance(event, pb.QueryResponse) else None
