"""A node that nobody can connect to holds streams open, and the gateway reaches it over them."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest

from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import tunnel_service_pb2 as pb
from homeroom.api.gateway.v1.tunnel_service_pb2_grpc import TunnelServiceStub
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.errors import HomeroomError, NotPermittedError, ServiceUnreachableError
from homeroom.federation import DIALS_OUT
from homeroom.identity import Identity, Role
from homeroom.remote import error_of
from services.gateway.tunnels import MOST_WAITING
from services.node.peers import DiallingOut
from services.runtime.channels import Channels
from tests.contract.gateway_federation import (
    GatewayFederation,
    closed_port,
    frame,
    gateway_federation,
    until,
)
from tests.contract.gateway_peers import FEDERATION, HUB, FakeNode, Script

ANSWERED = ("ANSWERED", "")
UNREACHABLE = ("UNREACHABLE", "")


def telling(rows: Sequence[bytes]) -> Script:
    """Answers with these batches, and a receipt."""

    async def script(_request: node_pb.AnswerRequest) -> AsyncIterator[answer_pb2.AnswerFrame]:
        for sequence, some in enumerate(rows):
            yield frame(sequence, rows=some)
        yield frame(len(rows), last=True, rows=b"")

    return script


@asynccontextmanager
async def dialling(
    federation: GatewayFederation, own: str, by: str = "north"
) -> AsyncIterator[DiallingOut]:
    """Streams by the certificate of one node, which lead to the server at an address."""
    channels = Channels(federation.authority.credentials(Identity(FEDERATION, by, Role.NODE)))
    gateway = Identity(FEDERATION, HUB, Role.GATEWAY)
    host, _, port = own.rpartition(":")

    def stub_of(address: str) -> Any:
        return TunnelServiceStub(channels.to(address, gateway))

    at = f"localhost:{federation.server.port}"
    out = DiallingOut(stub_of, at, lambda: (host, int(port)))
    task = asyncio.create_task(out.run())
    try:
        yield out
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await channels.close()


async def north(federation: GatewayFederation, script: Script, by: str = "north") -> str:
    """A node that the registry gives no address of; where it listens."""
    served = await federation.serve_node(by, FakeNode(script), "127.0.0.1:0")
    return served.address


async def test_the_gateway_reaches_a_node_over_the_stream_that_the_node_opened(
    tmp_path: Path,
) -> None:
    """A large answer comes whole and in order, and a second question finds the way again."""
    rows = [bytes([n]) * 250_000 for n in range(40)]
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        own = await north(federation, telling(rows))
        async with dialling(federation, own) as out:
            await until(lambda: out.waiting)
            for _ in range(2):
                answer = await federation.ask()
                assert answer.outcomes == {"north": ANSWERED}
                assert [one.sealed_rows for one in answer.frames("north")] == [*rows, b""]
            assert out.waiting == 1


async def test_a_node_that_does_not_dial_is_unreachable_and_the_others_are_not(
    tmp_path: Path,
) -> None:
    holders: dict[str, Script | str] = {"north": DIALS_OUT, "south": telling([b"rows"])}
    async with gateway_federation(tmp_path, holders) as federation:
        answer = await federation.ask()
        assert answer.outcomes == {"north": UNREACHABLE, "south": ANSWERED}


async def test_a_stream_of_another_organization_leads_nowhere(tmp_path: Path) -> None:
    """Each organization's streams carry connections to its own node alone."""
    holders: dict[str, Script | str] = {"north": DIALS_OUT, "south": telling([b"rows"])}
    async with gateway_federation(tmp_path, holders) as federation:
        own = await north(federation, telling([b"rows"]))
        async with dialling(federation, own, by="south") as out:
            await until(lambda: out.waiting)
            assert (await federation.ask()).outcomes["north"] == UNREACHABLE
            assert out.waiting == 1


async def test_a_stream_that_leads_to_another_server_is_refused_by_tls(tmp_path: Path) -> None:
    """What a stream carries is proved like any connection: nobody is asked who is not the node."""
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        impostor = FakeNode(telling([b"rows"]))
        served = await federation.serve_node("stranger", impostor, "127.0.0.1:0")
        async with dialling(federation, served.address) as out:
            await until(lambda: out.waiting)
            assert (await federation.ask()).outcomes == {"north": UNREACHABLE}
        assert not impostor.requests


async def test_a_stream_whose_server_is_away_leaves_the_node_unreachable_until_it_is_back(
    tmp_path: Path,
) -> None:
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        own = closed_port()
        async with dialling(federation, own) as out:
            await until(lambda: out.waiting)
            assert (await federation.ask()).outcomes == {"north": UNREACHABLE}
            await federation.serve_node("north", FakeNode(telling([b"rows"])), own)
            for _ in range(100):
                if (answer := await federation.ask()).outcomes != {"north": UNREACHABLE}:
                    break
                await asyncio.sleep(0.2)
            assert answer.outcomes == {"north": ANSWERED}


async def opened(federation: GatewayFederation, role: Role) -> Any:
    """A stream, by a certificate of a role."""
    credentials = federation.authority.credentials(Identity(FEDERATION, "north", role))
    channels = Channels(credentials)
    federation.server.resources.push_async_callback(channels.close)
    at = f"127.0.0.1:{federation.server.port}"
    stub: Any = TunnelServiceStub(channels.to(at, Identity(FEDERATION, HUB, Role.GATEWAY)))
    return stub.OpenTunnel()


async def ended(call: Any) -> HomeroomError:
    """How a stream ended."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call.read()
    return error_of(failure.value)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.NODE}))
async def test_only_nodes_may_open_streams(tmp_path: Path, role: Role) -> None:
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        assert isinstance(await ended(await opened(federation, role)), NotPermittedError)


async def test_of_many_streams_the_newest_wait(tmp_path: Path) -> None:
    """An older one may be of a connection that broke without a word; nobody can pile them up."""
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        calls = [await opened(federation, Role.NODE) for _ in range(MOST_WAITING + 2)]
        gone = await until(lambda: [call for call in calls if call.done()][1:] and calls)
        gone = [call for call in gone if call.done()]
        assert len(gone) == 2
        assert all([isinstance(await ended(call), ServiceUnreachableError) for call in gone])


async def test_who_reads_slowly_is_sent_no_more_than_buffers_take(tmp_path: Path) -> None:
    """The node waits; neither the gateway nor the stream gathers the answer."""
    batches = 400
    node = FakeNode(telling([b"x" * 100_000] * batches))
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        own = (await federation.serve_node("north", node, "127.0.0.1:0")).address
        async with dialling(federation, own) as out:
            await until(lambda: out.waiting)
            stub: Any = await federation.stub()
            call = stub.Query(federation.request(), timeout=60)
            await call.read()
            before = -1
            while node.sent != before:
                before = node.sent
                await asyncio.sleep(1)
            assert 0 < node.sent < batches // 2
            rest = 0
            while await call.read() is not grpc.aio.EOF:
                rest += 1
            assert rest == batches + 2


async def test_a_question_that_runs_is_answered_over_its_stream_when_the_gateway_stops(
    tmp_path: Path,
) -> None:
    """Streams that wait are let go of at once; the one that carries ends with the last answer."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def script(_request: node_pb.AnswerRequest) -> AsyncIterator[answer_pb2.AnswerFrame]:
        yield frame(0)
        begun.set()
        await go_on.wait()
        yield frame(1, last=True)

    async with gateway_federation(tmp_path, {"north": DIALS_OUT}, drain_seconds=60) as federation:
        own = await north(federation, script)
        async with dialling(federation, own) as out:
            await until(lambda: out.waiting)
            asked = asyncio.create_task(federation.ask())
            await until(begun.is_set)
            began = time.monotonic()
            stopping = asyncio.create_task(federation.server.stop())
            await until(lambda: not out.waiting)
            go_on.set()
            assert (await asked).outcomes == {"north": ANSWERED}
            await stopping
            assert time.monotonic() - began < 30


async def test_bytes_that_no_connection_asked_for_are_not_taken(tmp_path: Path) -> None:
    """A stream that speaks first says nothing to anybody, and waits on."""
    async with gateway_federation(tmp_path, {"north": DIALS_OUT}) as federation:
        call = await opened(federation, Role.NODE)
        await call.write(pb.OpenTunnelRequest(data=b"GET / HTTP/1.1"))
        assert (await federation.ask(seconds=3)).outcomes["north"][0] in {
            "UNREACHABLE",
            "TIMED_OUT",
        }
