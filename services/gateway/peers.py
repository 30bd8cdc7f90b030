"""Calls other organizations' nodes over kept channels, each once.

A node answers a query once. So only the connection is tried again here, before anything is sent; a
call that was made is never made a second time, unless the node had no place for it: see `fan_out`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
)

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.node.v1 import account_service_pb2, destruction_service_pb2
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.api.node.v1.account_service_pb2_grpc import AccountServiceStub
from homeroom.api.node.v1.destruction_service_pb2_grpc import DestructionServiceStub
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceStub
from homeroom.channel import has_several
from homeroom.errors import DeadlinePassedError, EvidenceInvalidError, ServiceUnreachableError
from homeroom.federation import DIALS_OUT
from homeroom.identity import Identity, Role
from homeroom.remote import error_of
from services.gateway.domain.fan_out import Outcome, Piece
from services.gateway.domain.plan import Holder
from services.gateway.tunnels import Tunnels
from services.runtime.channels import Channels
from services.runtime.tracing import calling

if TYPE_CHECKING:
    from homeroom.api.node.v1.account_service_pb2_grpc import AccountServiceAsyncStub
    from homeroom.api.node.v1.destruction_service_pb2_grpc import DestructionServiceAsyncStub
    from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceAsyncStub

R = TypeVar("R")

_CONNECTION_TRIES = 3
# A channel tries again 0.2 s after its first failure: looking sooner would see the same one.
_RECONNECT_SECONDS = 0.25
_LOOK_SECONDS = 0.005

ANSWER_METHOD = "/homeroom.api.node.v1.NodeService/Answer"
RESUME_METHOD = "/homeroom.api.node.v1.NodeService/ResumeAnswer"

AWAY_SECONDS = 1.0
"""How long nobody waits again for a node that could not be reached; the channel tries on."""

TAKEOVER_SECONDS = 15.0
"""How long another replica of a node may need to answer, after the one before was there last."""

_OUTCOMES: dict[int, Outcome | None] = {
    answer_pb2.OUTCOME_UNSPECIFIED: None,
    answer_pb2.OUTCOME_ANSWERED: Outcome.ANSWERED,
    answer_pb2.OUTCOME_NO_PERMITTED_ANSWER: Outcome.NO_PERMITTED_ANSWER,
    answer_pb2.OUTCOME_TIMED_OUT: Outcome.TIMED_OUT,
    answer_pb2.OUTCOME_UNREACHABLE: Outcome.UNREACHABLE,
    answer_pb2.OUTCOME_CANNOT_DECIDE: Outcome.CANNOT_DECIDE,
}


class Nodes:
    """The nodes of a federation, as this gateway reaches them."""

    def __init__(
        self,
        channels: Channels,
        federation: str,
        tunnels: Tunnels,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._channels = channels
        self._tunnels = tunnels
        self._federation = federation
        self._away_seconds = away_seconds
        self._away_until: dict[grpc.aio.Channel, float] = {}
        self._there_at: dict[grpc.aio.Channel, float] = {}

    def channel_to(self, holder: Holder) -> grpc.aio.Channel:
        """The kept channel to a holder's node; TLS refuses whoever else answers there."""
        organization_id, address = holder.organization_id, holder.address
        if address == DIALS_OUT:
            address = self._tunnels.address(organization_id)
        peer = Identity(self._federation, organization_id, Role.NODE)
        channel = self._channels.to(address, peer)
        if has_several(address):
            self._there_at.setdefault(channel, -TAKEOVER_SECONDS)
        return channel

    async def account(
        self, holder: Holder, request: account_service_pb2.GetAccountRequest, seconds: float
    ) -> bytes:
        """A page of the account of a holder's log, sealed to whoever asked for it.

        Raises:
            HomeroomError: if the node cannot be reached, refuses, or breaks off.
        """
        stub: AccountServiceAsyncStub = AccountServiceStub(self.channel_to(holder))
        response = await self._once(holder, stub.GetAccount, request, seconds)
        return response.sealed_account

    async def certify(
        self,
        holder: Holder,
        request: destruction_service_pb2.CertifyDestructionRequest,
        seconds: float,
    ) -> bytes:
        """A holder's receipt for a certificate of destruction, sealed to whoever made it.

        Raises:
            HomeroomError: if the node cannot be reached, refuses, or breaks off.
        """
        stub: DestructionServiceAsyncStub = DestructionServiceStub(self.channel_to(holder))
        response = await self._once(holder, stub.CertifyDestruction, request, seconds)
        return response.sealed_receipt

    async def _once(
        self,
        holder: Holder,
        method: Callable[..., Awaitable[R]],
        request: Any,
        seconds: float,
    ) -> R:
        """One call whose whole answer is one message."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self.reach(self.channel_to(holder), seconds)
            return await method(request, timeout=max(deadline - clock(), 0))
        except TimeoutError:
            raise DeadlinePassedError("the node did not answer in time") from None
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure

    async def reach(self, channel: grpc.aio.Channel, seconds: float) -> None:
        """Waits until a channel is connected, unless it could not be a moment ago.

        Else every question would wait once more for the one member that is away.

        Args:
            channel: a kept channel to a node.
            seconds: how long the answer may take. No try begins in the second half of it: a node
                that refused is told from one that is late, also when there is little time.

        Raises:
            ServiceUnreachableError: if it is not.
        """
        clock = asyncio.get_running_loop().time
        if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
            if channel in self._there_at:
                self._there_at[channel] = clock()
            return
        last = self._there_at.get(channel)
        if last is not None and (left := last + TAKEOVER_SECONDS - clock()) > 0:
            await _taken_over(channel, min(left, seconds / 2))
            return
        if clock() < self._away_until.get(channel, 0):
            raise ServiceUnreachableError("the node could not be reached a moment ago")
        try:
            await _reach(channel, seconds / 2)
        except ServiceUnreachableError:
            self._away_until[channel] = clock() + self._away_seconds
            raise

    def asked(self, request: pb.AnswerRequest) -> "NodeCalls":
        """The calls that put one question to them."""
        return NodeCalls(self, ANSWER_METHOD, lambda stub, _: partial(stub.Answer, request))

    def resumed(self, requests: Mapping[str, pb.ResumeAnswerRequest]) -> "NodeCalls":
        """The calls that have each go on with its answer to one question."""
        return NodeCalls(
            self,
            RESUME_METHOD,
            lambda stub, holder: partial(stub.ResumeAnswer, requests[holder.organization_id]),
        )


Framed = pb.AnswerResponse | pb.ResumeAnswerResponse
Begin = Callable[["NodeServiceAsyncStub", Holder], Callable[..., Any]]
"""What begins the call to one holder."""


class NodeCalls:
    """One question's calls to nodes."""

    def __init__(self, nodes: Nodes, method: str, begin: Begin) -> None:
        self._nodes = nodes
        self._method = method
        self._begin = begin

    async def answer(
        self, holder: Holder, seconds: float
    ) -> AsyncGenerator[Piece[answer_pb2.AnswerFrame], None]:
        """The node's frames as they come; closing the generator cancels the call.

        Raises:
            HomeroomError: if the node cannot be reached, refuses, or breaks off.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        channel = self._nodes.channel_to(holder)
        with calling(self._method, holder.organization_id) as traced:
            await self._nodes.reach(channel, seconds)
            stub: NodeServiceAsyncStub = NodeServiceStub(channel)
            seconds = max(deadline - clock(), 0)
            call = self._begin(stub, holder)(timeout=seconds, metadata=traced)
            try:
                async for response in call:
                    yield _piece(response)
            except grpc.aio.AioRpcError as failure:
                raise error_of(failure) from failure
            finally:
                call.cancel()


def _piece(response: Framed) -> Piece[answer_pb2.AnswerFrame]:
    frame = response.frame
    if not response.HasField("frame") or frame.outcome not in _OUTCOMES:
        raise EvidenceInvalidError("a node sent something else than a frame")
    return Piece(frame.sequence, _OUTCOMES[frame.outcome], frame)


async def _reach(channel: grpc.aio.Channel, seconds: float) -> None:
    """Waits until the channel is connected.

    Raises:
        ServiceUnreachableError: if it cannot be, a few times over or until the seconds are over.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(ServiceUnreachableError),
        stop=stop_after_attempt(_CONNECTION_TRIES) | stop_before_delay(seconds),
        wait=wait_exponential(multiplier=_RECONNECT_SECONDS, max=1.0),
        reraise=True,
    ):
        with attempt:
            await _connected(channel)


async def _taken_over(channel: grpc.aio.Channel, seconds: float) -> None:
    """Waits until another replica of a node is there, which was there a moment ago.

    Raises:
        ServiceUnreachableError: if none is by then.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while channel.get_state(try_to_connect=True) is not grpc.ChannelConnectivity.READY:
        if clock() >= until:
            raise ServiceUnreachableError("no replica of the node can be reached")
        await asyncio.sleep(_LOOK_SECONDS)


async def _connected(channel: grpc.aio.Channel) -> None:
    # Looking again is cheap and can be cancelled; gRPC's own wait for a change cannot.
    while (state := channel.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
        if state in (
            grpc.ChannelConnectivity.TRANSIENT_FAILURE,
            grpc.ChannelConnectivity.SHUTDOWN,
        ):
            raise ServiceUnreachableError("the node cannot be reached")
        await asyncio.sleep(_LOOK_SECONDS)
