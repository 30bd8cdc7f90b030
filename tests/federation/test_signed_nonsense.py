"""Nonsense that is well signed and so gets further than any stranger's: refused all the same."""

import datetime as dt
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from deploy.local.layout import HUB
from homeroom.api.common.v1 import query_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from homeroom.development import DevelopmentAuthority
from homeroom.errors import HomeroomError, Reason
from homeroom.evidence import signed
from homeroom.identity import Identity, Role
from homeroom.remote import error_of
from homeroom.signing import Domain
from tests.federation.records import HARBOR
from tests.federation.running import ASKER, Federation
from tests.federation.wire import (
    Keys,
    RogueGateway,
    ask_gateway,
    channel_as,
    query_of,
    user_token,
)

pytestmark = [pytest.mark.federation, pytest.mark.xdist_group("federation")]

ODD = "odd_club"
WORDS = ("", "\x00", "\u202e{}", "2026-13-45", "9999-12-31", "0001-01-01", "x" * 70_000, "-1")
NUMBERS = {
    FieldDescriptor.TYPE_INT32: (-1, -(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-1, -(2**63), 2**63 - 1, 253_402_300_799, -62_135_596_801),
    FieldDescriptor.TYPE_UINT64: (2**63, 2**64 - 1),
    FieldDescriptor.TYPE_ENUM: (999,),
}


def oddities(good: Message) -> Iterator[Message]:
    """The message with one field at a time set to something odd, in the messages within too."""
    for field in cast("Sequence[FieldDescriptor]", good.DESCRIPTOR.fields):
        for value in _odd_values(good, field):
            odd = type(good)()
            odd.CopyFrom(good)
            odd.ClearField(field.name)
            held = getattr(odd, field.name)
            if field.is_repeated:
                held.extend(value if isinstance(value, list) else [value])
            elif isinstance(value, Message):
                held.CopyFrom(value)
            elif value is not None:
                setattr(odd, field.name, value)
            yield odd
    unknown = type(good)()
    unknown.MergeFromString(good.SerializeToString() + b"\xfa\x7f\x03new")
    yield unknown


def _odd_values(good: Message, field: FieldDescriptor) -> Iterator[Any]:
    if field.message_type is not None:
        if not field.is_repeated:
            yield None
            yield from oddities(getattr(good, field.name))
    elif field.type == field.TYPE_STRING:
        yield from WORDS
        if field.is_repeated:
            yield []
            yield ["same", "same"]
            yield [f"many{number}" for number in range(20_000)]
    elif field.type == field.TYPE_BYTES:
        yield from (b"", b"\xff" * 31, b"\x00" * 32, b"\xff" * 33)
    else:
        yield from NUMBERS.get(field.type, ())


def require_typed(attempts: Iterator[Callable[[], object]]) -> None:
    """Each attempt succeeds or is refused with a reason other than INTERNAL."""
    failures = []
    for attempt in attempts:
        try:
            attempt()
        except HomeroomError as refused:
            if refused.reason is Reason.INTERNAL:
                failures.append((refused.message, refused.metadata))
    assert failures == []


def test_odd_queries_are_refused_by_a_node_with_a_reason(federation: Federation) -> None:
    """Each field of a query, odd and well signed, past the gateway."""
    token, keys = user_token(federation.layout), Keys.of(federation.layout, ASKER)
    gateway = RogueGateway(federation.layout)

    require_typed(
        lambda odd=odd: gateway.send(HARBOR, keys.sign(odd), token)  # type: ignore[misc]  # bound now
        for odd in _odd_queries(token)
    )
    assert federation.attendance().complete


def test_odd_queries_are_refused_by_the_gateway_with_a_reason(federation: Federation) -> None:
    """The same, through the gateway."""
    token, keys = user_token(federation.layout), Keys.of(federation.layout, ASKER)

    require_typed(
        lambda odd=odd: ask_gateway(federation.layout, ASKER, keys.sign(odd), token)  # type: ignore[misc]  # bound now
        for odd in _odd_queries(token)
    )
    assert federation.attendance().complete


def test_odd_records_of_organizations_are_refused_with_a_reason(federation: Federation) -> None:
    """Whatever an organization says of itself, the registry keeps on, and so do all who follow."""
    authority = DevelopmentAuthority.open(federation.layout.folder)
    now = dt.datetime.now(dt.UTC)
    authority.make_organization(ODD, (Role.APP, Role.STEWARD), now, force=True)
    keys = Keys.of(federation.layout, ODD)
    good = registry_pb.OrganizationRecord(
        organization_id=ODD,
        display_name="Odd Club",
        kind="community_org",
        node_address="127.0.0.1:1",
        datasets=["attendance"],
        signing_key=keys.signing.public,
        sealing_key=keys.sealing.public,
        user_issuer="https://odd.example",
        user_keys='{"keys": []}',
        record_version=1,
    )
    require_typed(
        lambda odd=odd: _registered(federation, keys, odd)  # type: ignore[misc]  # bound now
        for odd in oddities(good)
    )
    assert federation.attendance().complete


def test_odd_revocations_are_refused_with_a_reason(federation: Federation) -> None:
    """Times beyond the calendar, and consents that are none."""
    keys = Keys.of(federation.layout, ASKER)
    good = consent_pb.Revocation(consent_id="0" * 32, organization_id=ASKER)
    good.revoke_time.FromDatetime(dt.datetime.now(dt.UTC))

    require_typed(
        lambda odd=odd: _revoked(federation, keys, odd)  # type: ignore[misc]  # bound now
        for odd in oddities(good)
    )
    assert federation.attendance().complete


def _odd_queries(token: str) -> Iterator[query_pb2.Query]:
    good = query_of(token, subject_refs=("0" * 32,), everyone=False, school_ids=("s",))
    good.period.start_date, good.period.end_date = "2026-01-01", "2026-06-30"
    for odd in oddities(good):
        query = cast("query_pb2.Query", odd)
        if query.query_id == good.query_id:
            query.query_id = secrets.token_hex(16)
        yield query


def _registered(federation: Federation, keys: Keys, record: Message) -> None:
    evidence = signed(
        Domain.ORGANIZATION, record.SerializeToString(), keys.organization_id, keys.signing
    )
    request = registry_pb.RegisterOrganizationRequest(
        record=evidence, request_id=secrets.token_hex(8)
    )
    _call(federation, (ODD, Role.STEWARD), Role.REGISTRY, RegistryServiceStub, request)


def _revoked(federation: Federation, keys: Keys, revocation: Message) -> None:
    evidence = signed(
        Domain.REVOCATION, revocation.SerializeToString(), keys.organization_id, keys.signing
    )
    request = consent_pb.RevokeConsentRequest(revocation=evidence, request_id=secrets.token_hex(8))
    _call(federation, (ASKER, Role.APP), Role.CONSENT, ConsentServiceStub, request)


def _call(
    federation: Federation, caller: tuple[str, Role], role: Role, stub: Any, request: Message
) -> None:
    name = type(request).__name__.removesuffix("Request")
    address = federation.layout.processes[str(role)].environment[f"HOMEROOM_{role.upper()}_ADDRESS"]
    peer = Identity(federation.layout.federation, HUB, role)
    with channel_as(federation.layout, caller, address, peer) as channel:
        try:
            getattr(stub(channel), name)(request, timeout=30)
        except grpc.RpcError as failure:
            raise error_of(cast("grpc.aio.AioRpcError", failure)) from None
