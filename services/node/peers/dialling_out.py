"""Holds streams open to the gateway, for a node that nobody can connect to from outside.

The gateway makes its connections to the node over them; TLS is between the two as over any network,
and the node admits no other calls than from outside.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import grpc

from homeroom.api.gateway.v1 import tunnel_service_pb2 as pb
from homeroom.api.gateway.v1.tunnel_service_pb2_grpc import TunnelServiceStub
from homeroom.errors import ServiceUnreachableError
from homeroom.identity import Identity, Role
from services.node.settings import NodeSettings
from services.runtime.carrying import PIECE_BYTES, Connection
from services.runtime.channels import Channels
from services.runtime.metrics import Reading
from services.runtime.trying import keep_up

if TYPE_CHECKING:
    from homeroom.api.gateway.v1.tunnel_service_pb2_grpc import TunnelServiceAsyncStub

_LOOK_SECONDS = 15.0
"""How often the gateway's replicas are looked up."""


class DiallingOut:
    """The streams to every replica of the gateway.

    Attributes:
        waiting: how many wait there for the gateway to connect.
        replicas: how many there are, as far as is known.
    """

    def __init__(
        self, stub_of: Callable[[str], Any], gateway: str, own: Callable[[], tuple[str, int]]
    ) -> None:
        """Knows where to dial.

        Args:
            stub_of: the TunnelService at an address.
            gateway: host:port; every address of the host is a replica.
            own: where this node's server listens.
        """
        self._stub_of = stub_of
        self._gateway = gateway
        self._own = own
        self._carrying: set[asyncio.Task[None]] = set()
        self.waiting = 0
        self.replicas = 0

    @classmethod
    def of(
        cls, settings: NodeSettings, channels: Channels, port: Callable[[], int]
    ) -> "DiallingOut":
        """As the settings say."""
        own = _nearest(settings.address.rpartition(":")[0].strip("[]"))

        def stub_of(address: str) -> "TunnelServiceAsyncStub":
            gateway = Identity(settings.federation, settings.gateway_operator, Role.GATEWAY)
            return TunnelServiceStub(channels.to(address, gateway))

        return cls(stub_of, settings.gateway_address, lambda: (own, port()))

    @property
    def reading(self) -> Reading:
        """What the node's page tells of it."""
        told = "Where this node dials out: replicas of the gateway that cannot reach it."
        return Reading("homeroom_tunnels_missing", told, self._missing)

    def _missing(self) -> float:
        return max(max(self.replicas, 1) - self.waiting, 0) if self._gateway else 0

    async def run(self) -> None:
        """Keeps one stream waiting at each replica, for as long as the node runs."""
        if not self._gateway:
            return
        keeping: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                found = await self._replicas()
                # A name that is not found for a while says nothing of who was there.
                for gone in keeping.keys() - found if found else ():
                    keeping.pop(gone).cancel()
                for new in found - keeping.keys():
                    keeping[new] = asyncio.create_task(self._keep(new))
                self.replicas = len(keeping)
                await asyncio.sleep(_LOOK_SECONDS if found else 1)
        finally:
            for task in (*keeping.values(), *self._carrying):
                task.cancel()
            await asyncio.gather(*keeping.values(), *self._carrying, return_exceptions=True)

    async def _replicas(self) -> set[str]:
        host, _, port = self._gateway.rpartition(":")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host.strip("[]"), port, type=socket.SOCK_STREAM
            )
        except OSError:
            return set()
        return {
            f"ipv6:[{host}]:{port}" if family is socket.AF_INET6 else f"ipv4:{host}:{port}"
            for family, host, port in ((one[0], str(one[4][0]), int(one[4][1])) for one in found)
        }

    async def _keep(self, address: str) -> None:
        stub = self._stub_of(address)

        async def take() -> None:
            while True:
                self._begin(await self._taken(stub))

        await keep_up(take, (grpc.aio.AioRpcError, ServiceUnreachableError))

    async def _taken(self, stub: "TunnelServiceAsyncStub") -> Any:
        """A stream, once the gateway connects over it."""
        call = stub.OpenTunnel()
        try:
            # The gateway says so once it could connect.
            await call.initial_metadata()
            self.waiting += 1
            try:
                said = await call.read()
            finally:
                self.waiting -= 1
        except BaseException:
            call.cancel()
            raise
        if said is grpc.aio.EOF:
            raise ServiceUnreachableError("the gateway ended the stream")
        return call

    def _begin(self, call: Any) -> None:
        task = asyncio.create_task(self._carry(call))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, call: Any) -> None:
        try:
            # A server that has stopped is away: the stream ends, and the gateway sees it.
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(*self._own(), limit=PIECE_BYTES)
                with closing(writer):
                    await Connection(reader, writer).carry(call, pb.OpenTunnelRequest)
        finally:
            call.cancel()


def _nearest(host: str) -> str:
    """Where a server on this machine is reached that listens at a host, or everywhere."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004  # IPv4
