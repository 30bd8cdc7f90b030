"""One shape for every error: a reason, its status, its class, and one place that ends calls."""

import ast
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from homeroom.api.common.v1 import error_reason_pb2
from homeroom.channel import open_channel
from homeroom.errors import ERROR_OF_REASON, HomeroomError, Reason
from homeroom.identity import Identity, Role
from homeroom.remote import error_of
from services.runtime.errors import STATUS_OF_REASON, translated_errors
from tests.certificates import Authority
from tests.contract.gateway_peers import serve

METHOD = "/homeroom.test.Any/Call"
PEER = Identity("test.example", "anytown", Role.NODE)
A_STUDENT = "Zebulonia Novak, born 2014-02-28"


def test_every_reason_has_one_class_and_one_status() -> None:
    classes = HomeroomError.__subclasses__()

    assert set(STATUS_OF_REASON) == set(Reason)
    assert set(ERROR_OF_REASON) == set(Reason)
    assert sorted(error.reason for error in classes) == sorted(Reason)
    assert grpc.StatusCode.OK not in STATUS_OF_REASON.values()


def test_the_protocol_and_the_code_have_the_same_reasons() -> None:
    names = error_reason_pb2.ErrorReason.keys()

    assert names[0] == "ERROR_REASON_UNSPECIFIED"
    assert [name.removeprefix("ERROR_REASON_") for name in names[1:]] == list(Reason)


def test_only_one_module_ends_a_call() -> None:
    """Everywhere else an error is raised, and so has the one shape."""
    ending = {
        str(file)
        for root in ("services", "homeroom")
        for file in Path(root).rglob("*.py")
        if "homeroom/api" not in str(file)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("abort", "abort_with_status")
    }

    assert ending == {"services/runtime/errors.py"}


async def failure_of(error: Exception) -> grpc.aio.AioRpcError:
    """What a caller sees of an error that a method raises, over a real connection."""

    async def method(_request: bytes, context: Any) -> bytes:
        async with translated_errors(context, METHOD):
            raise error

    authority = Authority.new()
    handlers = grpc.method_handlers_generic_handler(
        "homeroom.test.Any", {"Call": grpc.unary_unary_rpc_method_handler(method)}
    )
    serving = await serve(authority.credentials(PEER), handlers)
    channel = open_channel(serving.address, PEER, authority.credentials(PEER))
    call: Any = channel.unary_unary(METHOD)
    try:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call(b"", timeout=30)
    finally:
        await channel.close()
        await serving.server.stop(None)
    return failed.value


@pytest.mark.parametrize("reason", list(Reason))
async def test_an_error_travels_with_its_reason_status_sentence_and_metadata(
    reason: Reason,
) -> None:
    failure = await failure_of(ERROR_OF_REASON[reason]("one sentence", limit="30 s"))
    status = rpc_status.from_call(failure)
    info = ErrorInfo()
    (detail,) = status.details
    detail.Unpack(info)

    assert failure.code() is STATUS_OF_REASON[reason]
    assert status.message == failure.details() == "one sentence"
    assert (info.reason, info.domain) == (reason, "homeroom")
    assert dict(info.metadata) == {"limit": "30 s"}
    assert type(error_of(failure)) is ERROR_OF_REASON[reason]


@pytest.mark.parametrize("kind", [ValueError, KeyError, Exception])
async def test_the_text_of_any_other_error_reaches_neither_caller_nor_log(
    kind: type[Exception], capfd: pytest.CaptureFixture[str]
) -> None:
    """The caller gets a reference, by which the log tells the error's type and place."""
    failure = await failure_of(kind(A_STUDENT))
    told = error_of(failure)
    logged = "".join(capfd.readouterr())

    assert told.reason is Reason.INTERNAL
    assert told.message == "internal error"
    assert set(told.metadata) == {"reference"}
    assert told.metadata["reference"] in logged
    assert kind.__name__ in logged
    assert "test_error_shape.py:" in logged
    for text in (A_STUDENT, "Zebulonia"):
        assert text not in logged
        assert text not in str(failure) + str(failure.trailing_metadata())
