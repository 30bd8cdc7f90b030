"""Bad input to every RPC of every service, over the wire: a typed refusal, and it still serves."""

import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_status import rpc_status

from deploy.local.layout import HUB
from homeroom.api.consent.v1 import consent_service_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2
from homeroom.api.node.v1 import node_service_pb2
from homeroom.api.registry.v1 import registry_service_pb2
from homeroom.errors import Reason
from homeroom.identity import Identity, Role
from tests.federation.leaks import found_in, secrets_of
from tests.federation.records import HARBOR
from tests.federation.running import ASKER, Federation, refs_in
from tests.federation.wire import channel_as

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

SERVICES: dict[Role, Any] = {
    Role.REGISTRY: registry_service_pb2.DESCRIPTOR.services_by_name["RegistryService"],
    Role.CONSENT: consent_service_pb2.DESCRIPTOR.services_by_name["ConsentService"],
    Role.NODE: node_service_pb2.DESCRIPTOR.services_by_name["NodeService"],
    Role.GATEWAY: gateway_service_pb2.DESCRIPTOR.services_by_name["GatewayService"],
}
METHODS: list[tuple[Role, MethodDescriptor]] = [
    (role, method) for role, service in SERVICES.items() for method in service.methods
]
CALLERS = {
    Role.REGISTRY: [(ASKER, Role.STEWARD), (HUB, Role.OPERATOR)],
    Role.CONSENT: [(ASKER, Role.APP), (HARBOR, Role.NODE)],
    Role.NODE: [(HUB, Role.GATEWAY), (HARBOR, Role.APP)],
    Role.GATEWAY: [(ASKER, Role.APP)],
}
"""Bearers that may call at least some of a service's methods."""

_DEPTH = 4
_LONG = 200_000

Filling = Callable[[FieldDescriptor], Any]


def _bytes(field: FieldDescriptor) -> Any:
    return secrets.token_bytes(200) if field.type == field.TYPE_BYTES else None


def _long(field: FieldDescriptor) -> Any:
    if field.type == field.TYPE_STRING:
        return "\u0161" * _LONG
    return b"\xff" * _LONG if field.type == field.TYPE_BYTES else None


def _odd_words(field: FieldDescriptor) -> Any:
    words = [
        "\x00",
        "' OR 1=1 --",
        "../../etc/passwd",
        "\u202e",
        "\U0001f9d1\u200d\U0001f3eb",
        "{}",
    ]
    return random.choice(words) if field.type == field.TYPE_STRING else None  # noqa: S311 - no secret


def _wrong_numbers(field: FieldDescriptor) -> Any:
    if field.type == field.TYPE_ENUM:
        return 999
    largest = {
        field.TYPE_INT32: -(2**31),
        field.TYPE_UINT32: 2**32 - 1,
        field.TYPE_INT64: -(2**63),
        field.TYPE_UINT64: 2**64 - 1,
        field.TYPE_BOOL: True,
    }
    return largest.get(field.type)


def _all_wrong(field: FieldDescriptor) -> Any:
    for filling in (_bytes, _odd_words, _wrong_numbers):
        value = filling(field)
        if value is not None:
            return value
    return None


FILLINGS: dict[str, Filling] = {
    "empty": lambda _: None,
    "random bytes": _bytes,
    "huge strings": _long,
    "odd words": _odd_words,
    "wrong numbers": _wrong_numbers,
    "all of it": _all_wrong,
}


def filled(message: Message, filling: Filling, depth: int = _DEPTH) -> Message:
    """The message with each field set to what the filling has for it, the messages within too."""
    for field in cast("Sequence[FieldDescriptor]", message.DESCRIPTOR.fields):
        if field.message_type is not None:
            if depth:
                inner = GetMessageClass(field.message_type)()
                _put(message, field, filled(inner, filling, depth - 1))
        elif (value := filling(field)) is not None:
            _put(message, field, value)
    return message


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    held = getattr(message, field.name)
    if field.is_repeated:
        held.append(value)
    elif isinstance(value, Message):
        held.CopyFrom(value)
    else:
        setattr(message, field.name, value)


def requests_of(method: MethodDescriptor) -> Iterator[Message]:
    """A request for each kind of bad input."""
    for filling in FILLINGS.values():
        yield filled(GetMessageClass(method.input_type)(), filling)


@pytest.mark.parametrize(("role", "method"), METHODS, ids=[m.full_name for _, m in METHODS])
def test_bad_input_is_refused_with_a_reason_and_nothing_else(
    federation: Federation, role: Role, method: MethodDescriptor
) -> None:
    """No bad request ends in INTERNAL, in an error without a reason, or tells a student's value."""
    told = [
        answer
        for caller in CALLERS[role]
        for request in requests_of(method)
        for answer in [_called(federation, role, caller, method, request)]
    ]

    reasons = {reason for reason, _ in told}
    assert reasons <= {"", *Reason} - {Reason.INTERNAL}
    assert not found_in(repr(told).encode(), secrets_of(federation))


def test_every_service_still_serves_after_bad_input(federation: Federation) -> None:
    """Whatever was sent, no process has ended, and a good question is answered."""
    for role, method in METHODS:
        for request in requests_of(method):
            _called(federation, role, CALLERS[role][0], method, request)

    answer = federation.attendance()
    assert answer.complete
    assert refs_in(answer)


def test_bytes_that_are_no_message_do_no_harm(federation: Federation) -> None:
    """What gRPC itself cannot read never reaches a service, and the service goes on."""
    for role, method in METHODS:
        for content in (b"\xff" * 64, secrets.token_bytes(512)):
            _called(federation, role, CALLERS[role][0], method, content)

    assert federation.attendance().complete


def address_of(federation: Federation, role: Role) -> tuple[str, Identity]:
    """Where a service of that role answers, and who it is."""
    organization_id, name = (HARBOR, HARBOR) if role is Role.NODE else (HUB, str(role))
    environment = federation.layout.processes[name].environment
    address = environment[f"HOMEROOM_{role.upper()}_ADDRESS"]
    return address, Identity(federation.layout.federation, organization_id, role)


def _called(
    federation: Federation,
    role: Role,
    caller: tuple[str, Role],
    method: MethodDescriptor,
    request: Message | bytes,
) -> tuple[str, str]:
    """The reason that a call was refused for and all that was told; no reason if it was not."""
    address, peer = address_of(federation, role)
    path = f"/{method.containing_service.full_name}/{method.name}"
    with channel_as(federation.layout, caller, address, peer) as channel:
        try:
            if method.server_streaming:
                call: Any = channel.unary_stream(path, _serialized)(request, timeout=30)
                answer = next(iter(call), b"")
                call.cancel()
                return "", repr(answer)
            return "", repr(channel.unary_unary(path, _serialized)(request, timeout=30))
        except grpc.RpcError as failure:
            return _told_by(failure)


def _serialized(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


def _told_by(failure: grpc.RpcError) -> tuple[str, str]:
    call = cast("grpc.Call", failure)
    status = rpc_status.from_call(call)
    info = ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info):
            return info.reason, f"{status.message} {info.metadata}"
    return f"no reason: {call.code()}", str(call.details())
