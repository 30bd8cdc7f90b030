"""A server says when it serves, and a stop of it loses no call that is running."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from homeroom.channel import open_channel
from homeroom.identity import Identity, Role
from services.runtime.server import LIVE, Server
from services.runtime.settings import ServiceSettings
from services.runtime.standby import ElectedGate
from tests.certificates import Authority

if TYPE_CHECKING:
    from services.runtime.election import Tenure

_FEDERATION = "test.example"
_NODE = Identity(_FEDERATION, "anytown", Role.NODE)
_APP = Identity(_FEDERATION, "helpers", Role.APP)
_STEWARD = Identity(_FEDERATION, "helpers", Role.STEWARD)
_ANSWER, _WATCH = "/test.Service/Answer", "/test.Service/WatchThings"
_LONG = 60.0

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass
class House:
    """A server with one stream that ends and one that does not, and whoever calls it."""

    folder: Path
    authority: Authority = field(default_factory=Authority.new)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    opened: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    asked: set[int] = field(default_factory=set)

    async def server(self, **changed: object) -> Server:
        settings: dict[str, object] = {
            "federation": _FEDERATION,
            "organization_id": "anytown",
            "address": "127.0.0.1:0",
            "health_address": f"unix:{self.folder}/health",
            **self.authority.write(_NODE, self.folder),
        }
        access = {_ANSWER: frozenset({Role.APP}), _WATCH: frozenset({Role.APP})}
        server = Server(ServiceSettings.model_validate(settings | changed), access)
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            name: grpc.unary_stream_rpc_method_handler(behavior)
            for name, behavior in (
                ("Answer", partial(self._answer, len(self.opened))),
                ("WatchThings", self._watch),
            )
        }
        server.grpc.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Service", handlers),)
        )
        self.opened.append(server.stop)
        return server

    async def call(self, server: Server, method: str, caller: Identity = _APP) -> Any:
        """A stream whose first message has come."""
        channel = open_channel(
            f"127.0.0.1:{server.port}", _NODE, self.authority.credentials(caller)
        )
        self.opened.insert(0, channel.close)
        call = _stream(channel, method)
        await call.read()
        return call

    async def health(self, service: str = "") -> int:
        async with grpc.aio.insecure_channel(f"unix:{self.folder}/health") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service=service)
            return int((await stub.Check(asked, timeout=_LONG)).status)

    async def _answer(self, server: int, _request: bytes, _context: object) -> AsyncIterator[bytes]:
        self.asked.add(server)
        yield b"first"
        await self.may_end.wait()
        yield b"last"

    async def _watch(self, _request: bytes, _context: object) -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.Event().wait()


@dataclass
class EndingTenure:
    """A replica's time as the one elected, which ends when a test says so."""

    held: bool = True

    def holds(self) -> bool:
        return self.held


@dataclass(frozen=True)
class StoppingAmidSending:
    """A gate that has the server stop as soon as a response is on its way."""

    stop: Callable[[], None]

    def admit(self) -> None:
        pass

    def let_go(self) -> None:
        asyncio.get_running_loop().call_soon(self.stop)


async def _read_on(call: Any) -> list[bytes]:
    """What still comes of an answer, however it ends."""
    read: list[bytes] = []
    with suppress(grpc.aio.AioRpcError):
        while (message := await call.read()) is not grpc.aio.EOF:
            read.append(message)
    return read


def _stream(channel: grpc.aio.Channel, method: str) -> Any:
    stub: Any = channel.unary_stream(method)
    return stub(b"", timeout=_LONG)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    made.may_end.set()
    for close in made.opened:
        await close()


async def _until(said: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_LONG):
        while not await said():  # noqa: ASYNC110  # what is waited for is on the wire
            await asyncio.sleep(0.01)


async def test_it_serves_once_all_that_must_come_before_has_come(house: House) -> None:
    """Until then the process lives, and no call is sent to it."""
    server, first, second = await house.server(), asyncio.Event(), asyncio.Event()
    for event in (first, second):
        server.ready_after(lambda event=event: event.wait())  # type: ignore[misc]  # bound now
    await server.start()

    assert [await house.health(LIVE), await house.health()] == [SERVING, NOT_SERVING]
    first.set()
    await asyncio.sleep(0)
    assert await house.health() == NOT_SERVING
    second.set()

    async def serving() -> bool:
        return (await house.health()) == int(SERVING)

    await _until(serving)


async def test_a_running_answer_is_finished_before_the_end(house: House) -> None:
    server = await house.server(drain_seconds=_LONG)
    await server.start()
    call = await house.call(server, _ANSWER)

    stopping = asyncio.ensure_future(server.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    house.may_end.set()

    assert [await call.read(), await call.code()] == [b"last", grpc.StatusCode.OK]
    await asyncio.wait_for(stopping, _LONG)


async def test_an_answer_that_outlasts_its_time_is_cut(house: House) -> None:
    server = await house.server(drain_seconds=0.05)
    await server.start()
    call = await house.call(server, _ANSWER)

    await asyncio.wait_for(server.stop(), _LONG)

    assert await call.code() is not grpc.StatusCode.OK


async def test_a_watch_ends_at_once_so_that_its_caller_watches_elsewhere(house: House) -> None:
    """It would otherwise hold every stop up for all of its time."""
    server = await house.server(drain_seconds=600)
    await server.start()
    call = await house.call(server, _WATCH)

    await asyncio.wait_for(server.stop(), _LONG)

    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert await call.details() == "the service is stopping"


async def test_a_watch_amid_its_sending_ends_at_once_as_well(house: House) -> None:
    """Cancelled there, it would end without a word, and the stop would wait for its caller."""
    server = await house.server(drain_seconds=600)
    server.stands_behind(StoppingAmidSending(server._guard.end_watches))
    await server.start()
    call = await house.call(server, _WATCH)

    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    await asyncio.wait_for(server.stop(), _LONG)


async def test_a_watch_that_its_caller_ends_is_no_fault_of_a_later_stop(house: House) -> None:
    server = await house.server(drain_seconds=600)
    await server.start()
    (await house.call(server, _WATCH)).cancel()

    await asyncio.wait_for(server.stop(), _LONG)


async def test_whoever_may_not_watch_is_told_so_also_while_it_stops(house: House) -> None:
    """Permission comes before everything else."""
    server = await house.server()
    await server.start()
    server._guard.end_watches()

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.call(server, _WATCH, _STEWARD)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as stopping:
        await house.call(server, _WATCH)
    assert stopping.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_told_to_stop_it_still_serves_until_callers_have_heard(house: House) -> None:
    """Probes hear at once that it leaves; a call that comes before they acted is not lost."""
    server = await house.server(leave_seconds=60)
    await server.start()
    await server.ready()
    leaving = asyncio.ensure_future(server._leave())

    async def not_serving() -> bool:
        return (await house.health()) == int(NOT_SERVING)

    await _until(not_serving)
    assert await house.health(LIVE) == SERVING
    await house.call(server, _ANSWER)
    await server.ready()
    assert await house.health() == NOT_SERVING
    leaving.cancel()


async def test_of_an_answer_half_sent_nothing_more_leaves_once_another_was_elected(
    house: House,
) -> None:
    """The one elected since decides by what is known since; whoever asks is sent to that one."""
    server, tenure = await house.server(), EndingTenure()
    server.stands_behind(ElectedGate(server, cast("Tenure", tenure)))
    await server.start()
    await server.ready()
    call = await house.call(server, _ANSWER)

    tenure.held = False
    house.may_end.set()
    assert await _read_on(call) == []
    assert await call.code() is grpc.StatusCode.UNAVAILABLE

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await house.call(server, _ANSWER)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    tenure.held = True
    assert await _read_on(await house.call(server, _ANSWER)) == [b"last"], "it is the gate's doing"


@pytest.mark.parametrize(("age", "told"), [(None, None), (30, 30_000)])
async def test_connections_have_an_age_only_where_one_is_set(
    house: House, age: int | None, told: int | None
) -> None:
    server = await house.server(connection_age_seconds=age)

    assert dict(server.options).get("grpc.max_connection_age_ms") == told


async def test_calls_take_turns_over_the_replicas_behind_one_address(house: House) -> None:
    """So a replica that was added takes its part, and one that leaves is passed over."""
    first, second = await house.server(), await house.server(health_address=None)
    ports = [await first.start(), await second.start()]
    replicas = ",".join(f"127.0.0.1:{port}" for port in ports)
    channel = open_channel(f"ipv4:{replicas}", _NODE, house.authority.credentials(_APP))
    house.opened.insert(0, channel.close)

    calls = []

    async def both_asked() -> bool:
        call = _stream(channel, _ANSWER)
        calls.append(call)
        await call.read()
        return house.asked == {0, 1}

    await _until(both_asked)
