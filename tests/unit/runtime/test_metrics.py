"""The page of numbers: every call is counted once, and no label says what a caller made up."""

import asyncio
import datetime as dt
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from homeroom.channel import open_channel
from homeroom.errors import (
    LogUnavailableError,
    NotPermittedError,
    RequestInvalidError,
    ServiceUnreachableError,
)
from homeroom.identity import Identity, Role
from services.runtime.identity import ServicerContext
from services.runtime.metrics import BASES, OTHER, REASONS, Metrics, Names, Reading, ages_of
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings
from tests.certificates import Authority

_FEDERATION = "test.example"
_NODE = Identity(_FEDERATION, "anytown", Role.NODE)
_ASK, _WATCH, _UNLISTED = "/test.Asked/Ask", "/test.Asked/WatchThings", "/test.Asked/Unlisted"
_NAME = "Zebulonia"
_LONG = 60.0


async def _ask(request: bytes, _context: ServicerContext) -> bytes:
    if request == b"refused":
        raise NotPermittedError(f"not for {_NAME}")
    if request == b"broken":
        raise KeyError(_NAME)
    if request == b"slow":
        await asyncio.Event().wait()
    return b"answer"


async def _watch(_request: bytes, _context: ServicerContext) -> AsyncIterator[bytes]:
    yield b"first"
    await asyncio.Event().wait()


class House:
    """A server with a page, and whoever calls it."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority.new()
        settings = {
            "federation": _FEDERATION,
            "organization_id": "anytown",
            "address": "127.0.0.1:0",
            "metrics_address": "127.0.0.1:0",
            "drain_seconds": 0,
            **self.authority.write(_NODE, folder),
        }
        roles = frozenset({Role.APP})
        self.server = Server(ServiceSettings.model_validate(settings), {_ASK: roles, _WATCH: roles})
        unary = grpc.unary_unary_rpc_method_handler
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Ask": unary(_ask),
            "Unlisted": unary(_ask),
            "WatchThings": grpc.unary_stream_rpc_method_handler(_watch),
        }
        self.server.grpc.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Asked", handlers),)
        )

    async def ask(self, method: str, request: bytes = b"", role: Role = Role.APP) -> str:
        """The name of the code that a call ends with."""
        caller = Identity(_FEDERATION, "helpers", role)
        address = f"127.0.0.1:{self.server.port}"
        async with open_channel(address, _NODE, self.authority.credentials(caller)) as channel:
            called: Any = channel.unary_unary(method)
            try:
                await called(request, timeout=_LONG)
            except grpc.aio.AioRpcError as failed:
                return failed.code().name
        return "OK"

    async def page(self) -> list[Sample]:
        """Every number on the page."""
        text = await asyncio.to_thread(_page, self.server.metrics_port)
        return [one for family in text_string_to_metric_families(text) for one in family.samples]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    await made.server.start()
    yield made
    await made.server.stop()


def _page(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_LONG) as page:
        return str(page.read().decode())


def _calls(samples: list[Sample]) -> Mapping[tuple[str, str, str], float]:
    return {
        (one.labels["method"], one.labels["code"], one.labels["reason"]): one.value
        for one in samples
        if one.name == "homeroom_calls_total"
    }


def _value(samples: list[Sample], name: str, **labels: str) -> float:
    (one,) = (s for s in samples if s.name == name and s.labels == labels)
    return one.value


async def _until(house: House, wanted: float, name: str, **labels: str) -> None:
    async with asyncio.timeout(_LONG):
        while _value(await house.page(), name, **labels) != wanted:  # noqa: ASYNC110  # on the wire
            await asyncio.sleep(0.01)


async def test_every_call_is_counted_once_by_how_it_ended(house: House) -> None:
    """Those too that are refused before they reach their servicer, or that there is none for."""
    asked = [
        await house.ask(_ASK),
        await house.ask(_ASK),
        await house.ask(_ASK, b"refused"),
        await house.ask(_ASK, b"broken"),
        await house.ask(_ASK, role=Role.STEWARD),
        await house.ask(_UNLISTED),
        await house.ask(f"/test.Asked/{_NAME}"),
    ]
    samples = await house.page()

    assert asked[3:] == ["INTERNAL", "PERMISSION_DENIED", "PERMISSION_DENIED", "UNIMPLEMENTED"]
    assert _calls(samples) == {
        (_ASK, "OK", ""): 2,
        (_ASK, "PERMISSION_DENIED", "NOT_PERMITTED"): 2,
        (_ASK, "INTERNAL", "INTERNAL"): 1,
        (OTHER, "PERMISSION_DENIED", "NOT_PERMITTED"): 1,
        (OTHER, "UNIMPLEMENTED", ""): 1,
    }
    assert _value(samples, "homeroom_call_seconds_count", method=_ASK) == 5
    assert _value(samples, "homeroom_calls_in_flight", method=_ASK) == 0
    assert not [one for one in samples if _NAME in repr(one)]


async def test_a_call_that_runs_is_in_flight_and_one_that_is_given_up_is_cancelled(
    house: House,
) -> None:
    asking = asyncio.ensure_future(house.ask(_ASK, b"slow"))

    await _until(house, 1, "homeroom_calls_in_flight", method=_ASK)
    asking.cancel()
    await _until(house, 0, "homeroom_calls_in_flight", method=_ASK)

    assert _calls(await house.page()) == {(_ASK, "CANCELLED", ""): 1}


async def test_a_watch_counts_and_its_hours_are_no_slow_call(house: House) -> None:
    caller = house.authority.credentials(Identity(_FEDERATION, "helpers", Role.APP))
    async with open_channel(f"127.0.0.1:{house.server.port}", _NODE, caller) as channel:
        watched: Any = channel.unary_stream(_WATCH)
        call = watched(b"", timeout=_LONG)
        await call.read()
        samples = await house.page()
        call.cancel()

    assert _value(samples, "homeroom_calls_in_flight", method=_WATCH) == 1
    assert not [
        one
        for one in samples
        if one.name.startswith("homeroom_call_seconds") and one.labels["method"] == _WATCH
    ]


async def test_the_page_says_when_it_serves_and_when_certificates_end(house: House) -> None:
    await _until(house, 1, "homeroom_ready")
    samples = await house.page()

    name = "homeroom_certificate_expiry_timestamp_seconds"
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).timestamp()
    assert abs(_value(samples, name, certificate="own") - tomorrow) < 3_600
    assert _value(samples, name, certificate="authority") >= _value(
        samples, name, certificate="own"
    )


async def test_a_service_listens_for_readers_only_where_it_is_told_to(tmp_path: Path) -> None:
    """And no longer than it runs."""
    house = House(tmp_path)
    silent = house.server._settings.model_copy(update={"metrics_address": None})
    server = Server(silent, {})
    await server.start()
    assert server.metrics_port == 0
    await server.stop()

    await house.server.start()
    assert "homeroom_ready" in _page(house.server.metrics_port)
    await house.server.stop()
    with pytest.raises(urllib.error.URLError):
        _page(house.server.metrics_port)


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics([_ASK])
    yield made
    asyncio.run(made.close())


def test_the_page_is_the_only_thing_there(metrics: Metrics) -> None:
    port = metrics.listen("127.0.0.1:0")

    for path in ("/", "/metrics/x", "/debug", f"/{_NAME}"):
        with pytest.raises(urllib.error.HTTPError) as failed:
            _page(port, path)
        assert failed.value.code == 404
        assert _NAME not in failed.value.read().decode()
        failed.value.close()


@pytest.mark.parametrize("address", ["9464", "127.0.0.1", "127.0.0.1:http", ":9464"])
def test_an_address_is_a_host_and_a_port(metrics: Metrics, address: str) -> None:
    """A port alone would open it to every network of the machine."""
    with pytest.raises(RequestInvalidError):
        metrics.listen(address)


def test_where_somebody_else_listens_the_service_does_not_start(metrics: Metrics) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ServiceUnreachableError):
        metrics.listen(f"127.0.0.1:{taken.getsockname()[1]}")


def test_a_number_that_cannot_be_read_takes_no_other_with_it(
    metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not known is absent; a fault of ours is told by its type alone."""

    def unknown() -> float:
        raise LogUnavailableError("the log cannot be read")

    def broken() -> float:
        raise KeyError(_NAME)

    metrics.read(
        Reading("test_unknown", "Not known.", unknown),
        Reading("test_broken", "Broken.", broken),
        Reading("test_known", "Known.", lambda: 7),
    )

    text = _page(metrics.listen("127.0.0.1:0"))

    assert "\ntest_known 7.0" in text
    assert "\ntest_unknown " not in text
    assert "\ntest_broken " not in text
    told = capsys.readouterr()
    assert "KeyError" in told.out + told.err
    assert _NAME not in told.out + told.err + text


def test_one_reader_that_waits_holds_up_no_other(metrics: Metrics) -> None:
    """Neither who connects and says nothing, nor who reads a page that is slow to make."""
    first = threading.Event()

    def once_slow() -> float:
        if not first.is_set():
            first.set()
            waiting.wait(_LONG)
        return 1

    waiting = threading.Event()
    metrics.read(Reading("test_slow", "Slow once.", once_slow))
    port = metrics.listen("127.0.0.1:0")
    with socket.create_connection(("127.0.0.1", port)):
        slow = threading.Thread(target=_page, args=(port,))
        slow.start()
        assert first.wait(_LONG)
        assert "test_slow 1.0" in _page(port)
        waiting.set()
        slow.join(_LONG)


def test_a_state_that_nobody_confirmed_is_infinitely_old() -> None:
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    confirmed = {"registry": lambda: now - dt.timedelta(seconds=4), "consent": lambda: None}

    age, limit = ages_of(confirmed, lambda: now, dt.timedelta(seconds=30))

    assert age.read() == {("registry",): 4.0, ("consent",): float("inf")}
    assert limit.read() == 30


def test_no_label_can_say_that_there_was_a_courts_order() -> None:
    """Its existence may be secret: it is counted among the rare grounds, which have no name."""
    assert not [one for one in (*BASES, *REASONS) if "order" in one or "judicial" in one]
    assert {"consent", "none", "aggregate"} <= BASES
    assert not {"emergency", "child_welfare"} & BASES
    assert {"STATE_STALE", "consent_revoked", "permitted_by_consent"} <= REASONS


def test_there_are_never_more_names_than_a_federation_may_have() -> None:
    names = Names(most=2)

    assert [names.label(one) for one in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]
