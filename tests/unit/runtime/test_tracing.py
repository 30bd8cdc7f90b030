"""Traces: real spans at a collector's socket, and nothing in them that somebody else wrote."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from homeroom.channel import open_channel
from homeroom.errors import NotPermittedError, RequestInvalidError
from homeroom.identity import Identity, Role
from services.runtime.identity import ServicerContext
from services.runtime.server import Server
from services.runtime.settings import ServiceSettings
from services.runtime.tracing import calling, open_tracing, tell_rows
from services.runtime.tracing.otlp import ATTRIBUTES, CODE, METHOD, ORGANIZATION, REASON, ROWS
from tests.certificates import Authority
from tests.collector import Collector, attributes_of

_FEDERATION = "test.example"
_NODE = Identity(_FEDERATION, "anytown", Role.NODE)
_ASK, _PASS = "/test.Traced/Ask", "/test.Traced/Pass"
_NAME = "Zebulonia"
_TRACE, _SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_LONG = 60.0


async def _ask(request: bytes, _context: ServicerContext) -> bytes:
    if request == b"refused":
        raise NotPermittedError(f"not for {_NAME}")
    if request == b"broken":
        raise KeyError(_NAME)
    tell_rows(3)
    return b"answer"


class House:
    """A server that sends its spans to a collector, and passes some calls on to itself."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        self.collector = collector
        self.authority = Authority.new()
        settings = {
            "federation": _FEDERATION,
            "organization_id": "anytown",
            "address": "127.0.0.1:0",
            "traces_endpoint": collector.endpoint,
            **self.authority.write(_NODE, folder),
        }
        roles = frozenset({Role.APP, Role.GATEWAY})
        self.server = Server(ServiceSettings.model_validate(settings), {_ASK: roles, _PASS: roles})
        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Ask": grpc.unary_unary_rpc_method_handler(_ask),
            "Pass": grpc.unary_stream_rpc_method_handler(self._pass),
        }
        self.server.grpc.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("test.Traced", handlers),)
        )

    async def _pass(self, request: bytes, _context: ServicerContext) -> AsyncIterator[bytes]:
        """Asks itself, as a gateway would."""
        with calling(_ASK, "elsewhere") as traced:
            yield await self.ask(_ASK, request, Role.GATEWAY, traced)

    async def ask(
        self, method: str, request: bytes, role: Role = Role.APP, metadata: Any = None
    ) -> bytes:
        caller = self.authority.credentials(Identity(_FEDERATION, "helpers", role))
        async with open_channel(f"127.0.0.1:{self.server.port}", _NODE, caller) as channel:
            if method == _PASS:
                opened: Any = channel.unary_stream(method)
                return bytes(await opened(request, timeout=_LONG, metadata=metadata).read())
            asked: Any = channel.unary_unary(method)
            return bytes(await asked(request, timeout=_LONG, metadata=metadata))

    async def spans(self) -> list[Any]:
        """All that the collector has been sent, once the server has stopped."""
        await self.server.stop()
        return self.collector.spans()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    with Collector() as collector:
        made = House(tmp_path, collector)
        await made.server.start()
        yield made
        await made.server.stop()


async def test_a_call_is_a_span_of_five_words_at_the_most(house: House) -> None:
    await house.ask(_ASK, b"rows")

    (span,) = await house.spans()

    assert attributes_of(span) == {METHOD: _ASK, CODE: "OK", ORGANIZATION: "helpers", ROWS: 3}
    assert (span.name, list(span.events), list(span.links)) == (_ASK, [], [])
    assert house.collector.resources() == [
        {"service.name": "homeroom-service", "homeroom.organization": "anytown"}
    ]


@pytest.mark.parametrize(
    ("request_", "code", "reason", "is_fault"),
    [
        (b"refused", "PERMISSION_DENIED", "NOT_PERMITTED", False),
        (b"broken", "INTERNAL", "INTERNAL", True),
    ],
)
async def test_of_an_error_its_code_and_reason_are_told_and_no_text(
    house: House, request_: bytes, code: str, reason: str, is_fault: bool
) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await house.ask(_ASK, request_)

    (span,) = await house.spans()

    assert (attributes_of(span)[CODE], attributes_of(span)[REASON]) == (code, reason)
    assert (span.status.code != 0, span.status.message) == (is_fault, "")
    assert list(span.events) == []
    assert _NAME.encode() not in house.collector.received()


async def test_a_trace_goes_on_from_service_to_service(house: House) -> None:
    """Each span is the parent of the next: of the call served, the call made, the call served."""
    await house.ask(_PASS, b"rows")

    spans = {(span.name, span.kind): span for span in await house.spans()}

    served, made, further = (spans[key] for key in ((_PASS, 2), (_ASK, 3), (_ASK, 2)))
    assert len({span.trace_id for span in spans.values()}) == 1
    assert (served.parent_span_id, made.parent_span_id) == (b"", served.span_id)
    assert further.parent_span_id == made.span_id
    assert attributes_of(made)[ORGANIZATION] == "elsewhere"
    assert set().union(*map(attributes_of, spans.values())) <= ATTRIBUTES


@pytest.mark.parametrize("role", [Role.APP, Role.GATEWAY])
async def test_an_app_begins_no_trace_and_nobody_sends_words_along(
    house: House, role: Role
) -> None:
    """Sixteen bytes of a trace's name hold a person's; only services of the federation give it."""
    written = (("traceparent", f"00-{_TRACE}-{_SPAN}-01"), ("tracestate", f"x={_NAME}"))
    await house.ask(_ASK, b"rows", role, (*written, ("baggage", f"student={_NAME}")))

    (span,) = await house.spans()

    went_on = role is Role.GATEWAY
    assert (span.trace_id.hex() == _TRACE, span.parent_span_id.hex() == _SPAN) == (went_on, went_on)
    assert span.trace_state == ""
    assert _NAME.encode() not in house.collector.received()


@pytest.mark.parametrize(
    "written",
    ["", _NAME, f"00-{_TRACE}-{_SPAN}", f"00-{'0' * 32}-{_SPAN}-01", f"00-{_TRACE}-{_NAME}-01\n"],
)
async def test_what_is_no_traceparent_begins_a_new_trace(house: House, written: str) -> None:
    metadata = (("traceparent", written.strip()),)
    await house.ask(_ASK, b"rows", Role.GATEWAY, metadata)

    (span,) = await house.spans()

    assert span.parent_span_id == b""
    assert span.trace_id.hex() not in {_TRACE, "0" * 32}


async def test_who_is_not_admitted_leaves_no_span(house: House) -> None:
    """Whoever sends noise fills no collector."""
    with pytest.raises(grpc.aio.AioRpcError):
        await house.ask(_ASK, b"rows", Role.STEWARD)

    assert await house.spans() == []


async def test_a_collector_that_is_away_holds_up_neither_a_call_nor_a_stop(tmp_path: Path) -> None:
    with Collector() as collector:
        house = House(tmp_path, collector)
    await house.server.start()

    async with asyncio.timeout(_LONG):
        assert await house.ask(_ASK, b"rows") == b"answer"
        await house.server.stop()


def test_without_the_extra_a_service_that_should_trace_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would otherwise look as if nothing happened."""
    monkeypatch.delitem(sys.modules, "services.runtime.tracing.otlp", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)

    with pytest.raises(RequestInvalidError, match="extra `tracing`"):
        open_tracing("http://127.0.0.1:4317", 1, {}, [])


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4317", "unix:/tmp/x", "file:///tmp/x"])
def test_traces_go_to_an_address_of_the_web(endpoint: str) -> None:
    with pytest.raises(RequestInvalidError, match="http"):
        open_tracing(endpoint, 1, {}, [])


def test_without_traces_nothing_is_sent_along() -> None:
    with calling(_ASK, "elsewhere") as traced:
        tell_rows(3)

    assert traced is None
