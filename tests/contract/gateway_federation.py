"""A federation around one real gateway: a registry and nodes on real sockets, scripted by the test.

Everything is as in production but the registry's database and the nodes' answers: mutual TLS,
signatures, tokens, and OPA with the federation's own rules.
"""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc.jwk import OKPKey

from homeroom.agreement import AgreementDocument, Party
from homeroom.api.common.v1 import answer_pb2, evidence_pb2, query_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as gateway_pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.channel import ClientCredentials, open_channel
from homeroom.evidence import signature_on, signed
from homeroom.identity import Identity, Role
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.remote import error_of
from homeroom.sealing import SealingKey
from homeroom.signing import Domain, SigningKey
from homeroom.users import DevelopmentIssuer, User
from homeroom.vocabulary import AgreementKind, Basis, Element
from services.gateway.server import build_server
from services.gateway.settings import GatewaySettings
from services.runtime.errors import translated_errors
from services.runtime.server import Server

FEDERATION = "bay.example"
AGREEMENT = "A-1"
HUB = "hub"
ASKER = "cbo"
STRANGER = "stranger"

Script: TypeAlias = Callable[[node_pb.AnswerRequest], AsyncIterator[answer_pb2.AnswerFrame]]


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of the test's own."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        certificate = (
            _certificate(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        (folder / "ca.pem").write_bytes(_pem(certificate))
        return cls(folder, key, certificate)

    def issue(self, identity: Identity) -> dict[str, Path]:
        """The files of one identity's certificate, as settings name them."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity.organization_id)])
        names = [x509.UniformResourceIdentifier(identity.uri), x509.DNSName(identity.dns_name)]
        certificate = (
            _certificate(name, self.certificate.subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        stem = self.folder / f"{identity.dns_name}-{secrets.token_hex(4)}"
        stem.with_suffix(".pem").write_bytes(_pem(certificate))
        stem.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return {
            "certificate": stem.with_suffix(".pem"),
            "private_key": stem.with_suffix(".key"),
            "authorities": self.folder / "ca.pem",
        }

    def credentials(self, organization_id: str, role: Role) -> ClientCredentials:
        return ClientCredentials.load(**self.issue(Identity(FEDERATION, organization_id, role)))

    async def serve(
        self, identity: Identity, handlers: grpc.GenericRpcHandler, address: str = "127.0.0.1:0"
    ) -> "Serving":
        """Serves handlers with mutual TLS."""
        files = self.issue(identity)
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([handlers])
        port = server.add_secure_port(
            address,
            grpc.ssl_server_credentials(
                [(files["private_key"].read_bytes(), files["certificate"].read_bytes())],
                root_certificates=files["authorities"].read_bytes(),
                require_client_auth=True,
            ),
        )
        await server.start()
        return Serving(server, f"127.0.0.1:{port}")


@dataclass(frozen=True)
class Serving:
    """A server that runs, and where."""

    server: grpc.aio.Server
    address: str


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Member:
    """One organization, with all its keys."""

    organization_id: str
    node_address: str = ""
    standing: "registry_pb.Standing.ValueType" = registry_pb.STANDING_ACTIVE
    signing: SigningKey = field(default_factory=SigningKey.generate)
    sealing: SealingKey = field(default_factory=SealingKey.generate)
    issuer: DevelopmentIssuer = field(init=False)

    def __post_init__(self) -> None:
        name = f"https://{self.organization_id}.example"
        self.issuer = DevelopmentIssuer(name, OKPKey.generate_key("Ed25519"))

    def organization(self) -> registry_pb.Organization:
        issuer = self.issuer.public()
        record = registry_pb.OrganizationRecord(
            organization_id=self.organization_id,
            display_name=self.organization_id,
            kind="district",
            node_address=self.node_address,
            datasets=["attendance"],
            signing_key=self.signing.public,
            sealing_key=self.sealing.public,
            user_issuer=issuer.name,
            user_keys=issuer.keys,
            record_version=1,
        )
        statement = record.SerializeToString()
        return registry_pb.Organization(
            organization_id=self.organization_id,
            record=signed(Domain.ORGANIZATION, statement, self.organization_id, self.signing),
            standing=self.standing,
        )

    def party(self, role: str) -> Party:
        return Party.model_validate(
            {
                "organization_id": self.organization_id,
                "role": role,
                "signing_key_id": self.signing.key_id,
                "sealing_key_id": self.sealing.key_id,
            }
        )

    def token(self, **changed: Any) -> str:
        """A token of this organization's case worker."""
        today = dt.datetime.now(dt.UTC)
        user = User("u1", self.organization_id, "case_worker", today.date() + dt.timedelta(days=9))
        return self.issuer.token(replace(user, **changed), FEDERATION, today)


class FakeRegistry:
    """Streams signed snapshots of what the test says."""

    def __init__(self, members: Mapping[str, Member], age: dt.timedelta) -> None:
        self.key = SigningKey.generate()
        self.sequence = 1
        self.members = members
        self.agreement_state = registry_pb.AGREEMENT_STATE_ACTIVE
        self._age = age
        self._changed = asyncio.Condition()

    def handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "homeroom.api.registry.v1.RegistryService",
            {
                "WatchSnapshot": grpc.unary_stream_rpc_method_handler(
                    self._watch,
                    registry_pb.WatchSnapshotRequest.FromString,
                    registry_pb.WatchSnapshotResponse.SerializeToString,
                )
            },
        )

    async def publish(self) -> None:
        """Sends the state as it is now, with the next sequence."""
        async with self._changed:
            self.sequence += 1
            self._changed.notify_all()

    async def _watch(
        self, _request: registry_pb.WatchSnapshotRequest, _context: Any
    ) -> AsyncIterator[registry_pb.WatchSnapshotResponse]:
        sent = 0
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self.sequence > sent)  # noqa: B023 - read now
                sent = self.sequence
                snapshot = self._snapshot()
            yield registry_pb.WatchSnapshotResponse(snapshot=snapshot)

    def _snapshot(self) -> evidence_pb2.SignedStatement:
        issued = dt.datetime.now(dt.UTC) - self._age
        snapshot = registry_pb.Snapshot(federation=FEDERATION, sequence=self.sequence)
        snapshot.issue_time.FromDatetime(issued)
        snapshot.expire_time.FromDatetime(issued + dt.timedelta(hours=1))
        snapshot.organizations.extend(m.organization() for m in self.members.values())
        snapshot.agreements.append(self._agreement())
        return signed(Domain.SNAPSHOT, snapshot.SerializeToString(), HUB, self.key)

    def _agreement(self) -> registry_pb.Agreement:
        parties = [m for name, m in self.members.items() if name not in (HUB, STRANGER)]
        today = dt.datetime.now(dt.UTC).date()
        document = AgreementDocument(
            agreement_id=AGREEMENT,
            version=1,
            title="After-school support",
            kind=AgreementKind.CONSENTED_SHARING,
            parties=tuple(
                m.party("recipient" if m.organization_id == ASKER else "discloser") for m in parties
            ),
            legal_basis=(Basis.CONSENT,),
            purposes=("direct_service",),
            elements=(Element.DAILY_ATTENDANCE,),
            schools={m.organization_id: "all" for m in parties if m.organization_id != ASKER},
            effective_from=today - dt.timedelta(days=1),
            effective_to=today + dt.timedelta(days=1),
        ).encode()
        evidence = evidence_pb2.SignedStatement(
            statement=document,
            signatures=[
                signature_on(Domain.AGREEMENT, document, m.organization_id, m.signing)
                for m in parties
            ],
        )
        return registry_pb.Agreement(
            agreement_id=AGREEMENT, version=1, document=evidence, state=self.agreement_state
        )


class FakeNode:
    """A node that answers as its script says, and notes what it was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[node_pb.AnswerRequest] = []
        self.seconds: list[float] = []
        self.sent = 0
        self.ended = asyncio.Event()

    def handlers(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "homeroom.api.node.v1.NodeService",
            {
                "Answer": grpc.unary_stream_rpc_method_handler(
                    self._answer,
                    node_pb.AnswerRequest.FromString,
                    node_pb.AnswerResponse.SerializeToString,
                )
            },
        )

    async def _answer(
        self, request: node_pb.AnswerRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[node_pb.AnswerResponse]:
        self.requests.append(request)
        self.seconds.append(context.time_remaining())
        context.add_done_callback(
            lambda _context: self.ended.set()  # type: ignore[arg-type]  # any callable serves
        )
        async with translated_errors(context, "Answer"):
            async for frame in self._script(request):
                yield node_pb.AnswerResponse(frame=frame)
                self.sent += 1


@dataclass
class Answer:
    """What the gateway told one caller."""

    events: list[gateway_pb.QueryResponse] = field(default_factory=list)

    @property
    def plan(self) -> list[str]:
        assert self.events[0].HasField("plan")
        return list(self.events[0].plan.holders)

    @property
    def outcomes(self) -> dict[str, tuple[str, str]]:
        """Each holder's outcome and reason; a holder that ends twice fails the test."""
        ends = [event.outcome for event in self.events if event.HasField("outcome")]
        named = {
            end.holder: (
                answer_pb2.Outcome.Name(end.outcome).removeprefix("OUTCOME_"),
                end.error_reason,
            )
            for end in ends
        }
        assert len(named) == len(ends)
        return named

    def frames(self, holder: str) -> list[answer_pb2.AnswerFrame]:
        return [
            event.frame.frame
            for event in self.events
            if event.HasField("frame") and event.frame.holder == holder
        ]


@dataclass
class GatewayFederation:
    """A running gateway, and the federation around it."""

    authority: Authority
    members: dict[str, Member]
    registry: FakeRegistry
    nodes: dict[str, FakeNode]
    server: Server
    _stack: AsyncExitStack

    def request(
        self,
        *,
        signer: Member | None = None,
        token: str | None = None,
        asked_at: dt.datetime | None = None,
        requester: str = ASKER,
        **changed: Any,
    ) -> gateway_pb.QueryRequest:
        """A signed question, right in everything that is not changed."""
        member = self.members[requester]
        token = member.token() if token is None else token
        question = replace(
            Question(
                agreement_id=AGREEMENT,
                purpose="direct_service",
                dataset="attendance",
                elements=(Element.DAILY_ATTENDANCE,),
                everyone=True,
            ),
            **changed,
        )
        now = asked_at or dt.datetime.now(dt.UTC)
        query = to_query(question, requester, token, now, secrets.token_hex(16))
        return self.signed(query, signer or member, token)

    def signed(self, query: query_pb2.Query, signer: Member, token: str) -> gateway_pb.QueryRequest:
        statement = query.SerializeToString()
        return gateway_pb.QueryRequest(
            query=signed(Domain.QUERY, statement, query.requester, signer.signing),
            user_token=token,
        )

    async def channel(
        self, organization_id: str = ASKER, role: Role = Role.APP
    ) -> grpc.aio.Channel:
        channel = open_channel(
            f"127.0.0.1:{self.server.port}",
            Identity(FEDERATION, HUB, Role.GATEWAY),
            self.authority.credentials(organization_id, role),
        )
        self._stack.push_async_callback(channel.close)
        return channel

    async def ask(
        self,
        request: gateway_pb.QueryRequest | None = None,
        *,
        by: str = ASKER,
        role: Role = Role.APP,
        seconds: float | None = 5.0,
    ) -> Answer:
        """Asks, and returns all that came; raises the error that the gateway meant."""
        stub = GatewayServiceStub(await self.channel(by, role))
        answer = Answer()
        try:
            async for event in stub.Query(request or self.request(), timeout=seconds):
                answer.events.append(event)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure
        return answer


@asynccontextmanager
async def gateway_federation(
    folder: Path,
    scripts: Mapping[str, Script | str],
    registry_age: dt.timedelta = dt.timedelta(0),
    **settings: Any,
) -> AsyncIterator[GatewayFederation]:
    """Starts everything; each holder has a script to answer by, or an address of its own."""
    async with AsyncExitStack() as stack:
        authority = Authority.create(folder)
        members = {name: Member(name) for name in (HUB, ASKER, STRANGER, *scripts)}
        nodes: dict[str, FakeNode] = {}
        for name, script in scripts.items():
            if isinstance(script, str):
                members[name].node_address = script
                continue
            nodes[name] = FakeNode(script)
            serving = await authority.serve(
                Identity(FEDERATION, name, Role.NODE), nodes[name].handlers()
            )
            stack.push_async_callback(serving.server.stop, None)
            members[name].node_address = serving.address
        registry = FakeRegistry(members, registry_age)
        serving = await authority.serve(
            Identity(FEDERATION, HUB, Role.REGISTRY), registry.handlers()
        )
        stack.push_async_callback(serving.server.stop, None)
        server = await build_server(
            _settings(authority, serving.address, registry.key.public.hex(), **settings)
        )
        await server.start()
        stack.push_async_callback(server.stop)
        yield GatewayFederation(authority, members, registry, nodes, server, stack)


def _settings(
    authority: Authority, registry_address: str, registry_key: str, **settings: Any
) -> GatewaySettings:
    return GatewaySettings.model_validate(
        {
            "federation": FEDERATION,
            "organization_id": HUB,
            "address": "127.0.0.1:0",
            **authority.issue(Identity(FEDERATION, HUB, Role.GATEWAY)),
            "registry_address": registry_address,
            "registry_organization_id": HUB,
            "registry_key": registry_key,
            "policy_engine": "embedded",
            "federation_policy": Path("policy/federation"),
            **settings,
        }
    )
