"""What someone with a stolen certificate can do: sign, alter and send messages past the client."""

import datetime as dt
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
import pyarrow as pa

from deploy.local.layout import HUB, Layout
from homeroom.api.common.v1 import answer_pb2, evidence_pb2, query_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as gateway_pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceStub
from homeroom.channel import MAX_MESSAGE_BYTES
from homeroom.evidence import signed
from homeroom.identity import Identity, Role
from homeroom.packing import unpacked
from homeroom.query import to_query
from homeroom.question import Question, basis_named, elements_named
from homeroom.remote import error_of
from homeroom.sealing import AnswerContext, AnswerOpener, SealingKey
from homeroom.signing import Domain, SigningKey, digest_of
from tests.federation.records import ATTENDANCE, SCHOOL
from tests.federation.running import AGREEMENT, ASKER, PURPOSE

SECONDS = 30.0


@contextmanager
def channel_as(
    layout: Layout, caller: tuple[str, Role], address: str, peer: Identity
) -> Iterator[grpc.Channel]:
    """A channel with the real certificate of an organization's role."""
    organization_id, role = caller
    folder = layout.organization(organization_id)
    credentials = grpc.ssl_channel_credentials(
        (folder / "authorities.pem").read_bytes(),
        (folder / f"{role}_key.pem").read_bytes(),
        (folder / f"{role}.pem").read_bytes(),
    )
    options = (
        ("grpc.ssl_target_name_override", peer.dns_name),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    )
    with grpc.secure_channel(address, credentials, options) as channel:
        yield channel


@dataclass(frozen=True)
class Sealed:
    """What a node sent: the frames, as whoever passes them on sees them."""

    frames: Sequence[answer_pb2.AnswerFrame]

    @property
    def outcome(self) -> str:
        """What became of the question, without the prefix of the protos."""
        return answer_pb2.Outcome.Name(self.frames[-1].outcome).removeprefix("OUTCOME_")

    @property
    def bytes_on_the_wire(self) -> bytes:
        return b"".join(frame.SerializeToString() for frame in self.frames)


@dataclass(frozen=True)
class RogueGateway:
    """Holds the gateway's real certificate and asks nodes what it likes."""

    layout: Layout
    caller: tuple[str, Role] = (HUB, Role.GATEWAY)
    addresses: Mapping[str, str] | None = None

    def send(self, holder: str, query: evidence_pb2.SignedStatement, token: str) -> Sealed:
        """Sends one query to one node.

        Raises:
            HomeroomError: what the node refused it for.
        """
        address = (self.addresses or self.layout.node_addresses)[holder]
        peer = Identity(self.layout.federation, holder, Role.NODE)
        request = node_pb.AnswerRequest(query=query, user_token=token)
        with channel_as(self.layout, self.caller, address, peer) as channel:
            answer = cast("Any", NodeServiceStub(channel)).Answer(
                request, timeout=SECONDS, wait_for_ready=True
            )
            try:
                return Sealed([response.frame for response in answer])
            except grpc.RpcError as failure:
                raise error_of(cast("grpc.aio.AioRpcError", failure)) from None


def ask_gateway(
    layout: Layout, caller: str, query: evidence_pb2.SignedStatement, token: str
) -> Sequence[gateway_pb.QueryResponse]:
    """Sends a query to the gateway with the certificate of an organization's app.

    Raises:
        HomeroomError: what the gateway refused it for.
    """
    address = layout.processes["gateway"].environment["HOMEROOM_GATEWAY_ADDRESS"]
    peer = Identity(layout.federation, HUB, Role.GATEWAY)
    request = gateway_pb.QueryRequest(query=query, user_token=token)
    with channel_as(layout, (caller, Role.APP), address, peer) as channel:
        answer = cast("Any", GatewayServiceStub(channel)).Query(request, timeout=SECONDS)
        try:
            return list(answer)
        except grpc.RpcError as failure:
            raise error_of(cast("grpc.aio.AioRpcError", failure)) from None


@dataclass(frozen=True)
class Keys:
    """The private keys of an organization, and whose they are."""

    organization_id: str
    signing: SigningKey
    sealing: SealingKey

    @classmethod
    def of(cls, layout: Layout, organization_id: str) -> "Keys":
        folder = layout.organization(organization_id)
        return cls(
            organization_id,
            SigningKey.load(folder / "signing_key.pem"),
            SealingKey.load(folder / "sealing_key.pem"),
        )

    @classmethod
    def made_up(cls, organization_id: str) -> "Keys":
        """Keys of someone who claims to be an organization."""
        return cls(organization_id, SigningKey.generate(), SealingKey.generate())

    def sign(self, query: query_pb2.Query) -> evidence_pb2.SignedStatement:
        """A query, signed."""
        statement = query.SerializeToString(deterministic=True)
        return signed(Domain.QUERY, statement, self.organization_id, self.signing)

    def open(self, holder: str, query: evidence_pb2.SignedStatement, sealed: Sealed) -> pa.Table:
        """The rows of an answer to a query of this organization."""
        context = AnswerContext(digest_of(query.statement), holder)
        opener = AnswerOpener(sealed.frames[0].sealed_key, self.sealing, context)
        stream = b"".join(
            unpacked(opener.open_rows(frame.sequence, frame.sealed_rows))
            for frame in sealed.frames
            if frame.sealed_rows
        )
        return pa.ipc.open_stream(stream).read_all()

    def receipt(
        self, holder: str, query: evidence_pb2.SignedStatement, sealed: Sealed
    ) -> answer_pb2.Receipt:
        """What the holder says of an answer to a query of this organization."""
        last = sealed.frames[-1]
        context = AnswerContext(digest_of(query.statement), holder)
        opener = AnswerOpener(sealed.frames[0].sealed_key, self.sealing, context)
        statement = opener.open_receipt(last.sequence, last.sealed_receipt)
        evidence = evidence_pb2.SignedStatement.FromString(statement)
        return answer_pb2.Receipt.FromString(evidence.statement)


def question(**changed: Any) -> Question:
    """The question that the tests ask: everyone's attendance."""
    fields: dict[str, Any] = {
        "agreement_id": AGREEMENT,
        "agreement_version": 1,
        "purpose": PURPOSE,
        "dataset": "attendance",
        "elements": elements_named([ATTENDANCE, SCHOOL]),
        "basis": basis_named("consent"),
        "subject_refs": (),
        "everyone": True,
        "school_ids": (),
        "period": None,
        "holders": (),
        "min_registry_sequence": 0,
        "min_consent_sequence": 0,
        "validate_only": False,
    }
    return Question(**(fields | changed))


def query_of(
    token: str, requester: str = ASKER, asked_at: dt.datetime | None = None, **changed: Any
) -> query_pb2.Query:
    """The message of such a question, not yet signed."""
    now = asked_at or dt.datetime.now(dt.UTC)
    return to_query(question(**changed), requester, token, now, secrets.token_hex(16))


def user_token(layout: Layout, organization_id: str = ASKER) -> str:
    """The token of the organization's trained case manager."""
    return (layout.organization(organization_id) / "user.token").read_text("utf-8")
