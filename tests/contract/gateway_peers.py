"""What stands around a gateway under test: organizations, a registry and nodes, scripted."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import grpc
from joserfc.jwk import OKPKey

from homeroom.agreement import AgreementDocument, Party
from homeroom.api.common.v1 import answer_pb2, evidence_pb2
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.channel import ClientCredentials
from homeroom.evidence import signed
from homeroom.lifecycle import Ending
from homeroom.signing import Domain, SigningKey
from homeroom.users import DevelopmentIssuer, User
from homeroom.vocabulary import AgreementKind, Basis, Element
from services.runtime.errors import translated_errors
from tests.histories import add, signed_by_all
from tests.organizations import Member, schedule_of

FEDERATION = "bay.example"
AGREEMENT = "A-1"
HUB = "hub"
ASKER = "cbo"
STRANGER = "stranger"

Script: TypeAlias = Callable[[node_pb.AnswerRequest], AsyncIterator[answer_pb2.AnswerFrame]]


@dataclass
class Participant:
    """An organization, where its node answers, and who signs its people's tokens."""

    member: Member
    node_address: str = ""
    standing: "registry_pb.Standing.ValueType" = registry_pb.STANDING_ACTIVE
    issuer: DevelopmentIssuer = field(init=False)

    def __post_init__(self) -> None:
        name = f"https://{self.member.organization_id}.example"
        self.issuer = DevelopmentIssuer(name, OKPKey.generate_key("Ed25519"))

    @classmethod
    def new(cls, organization_id: str) -> "Participant":
        return cls(Member.new(organization_id))

    def organization(self) -> registry_pb.Organization:
        issuer = self.issuer.public()
        return registry_pb.Organization(
            organization_id=self.member.organization_id,
            record=self.member.record(
                node_address=self.node_address,
                datasets=["attendance"],
                user_issuer=issuer.name,
                user_keys=issuer.keys,
            ),
            standing=self.standing,
        )

    def party(self) -> Party:
        """The asker receives; everyone else discloses."""
        role = "recipient" if self.member.organization_id == ASKER else "discloser"
        return self.member.party().model_copy(update={"role": role})

    def token(self, made_at: dt.datetime | None = None, **changed: Any) -> str:
        """A token of this organization's case worker, good for eight hours."""
        made_at = made_at or dt.datetime.now(dt.UTC)
        trained_to = made_at.date() + dt.timedelta(days=9)
        user = User("u1", self.member.organization_id, "case_worker", trained_to)
        return self.issuer.token(replace(user, **changed), FEDERATION, made_at)


class FakeRegistry:
    """Streams signed snapshots of what the test says."""

    def __init__(self, participants: Mapping[str, Participant], age: dt.timedelta) -> None:
        self.key = SigningKey.generate()
        self.participants = participants
        self.ended_by: set[str] = set()
        self._sequence = 1
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

    async def publish(self) -> int:
        """Sends the state as it is now; returns its sequence."""
        async with self._changed:
            self._sequence += 1
            self._changed.notify_all()
            return self._sequence

    async def _watch(
        self, _request: registry_pb.WatchSnapshotRequest, _context: Any
    ) -> AsyncIterator[registry_pb.WatchSnapshotResponse]:
        sent = 0
        while True:
            async with self._changed:
                while self._sequence == sent:
                    await self._changed.wait()
                sent = self._sequence
                snapshot = self._snapshot()
            yield registry_pb.WatchSnapshotResponse(snapshot=snapshot)

    def _snapshot(self) -> evidence_pb2.SignedStatement:
        issued = dt.datetime.now(dt.UTC) - self._age
        snapshot = registry_pb.Snapshot(federation=FEDERATION, sequence=self._sequence)
        snapshot.issue_time.FromDatetime(issued)
        snapshot.expire_time.FromDatetime(issued + dt.timedelta(hours=1))
        snapshot.organizations.extend(p.organization() for p in self.participants.values())
        snapshot.agreements.append(self._agreement())
        return signed(Domain.SNAPSHOT, snapshot.SerializeToString(), HUB, self.key)

    def _agreement(self) -> registry_pb.Agreement:
        outside = (HUB, STRANGER)
        parties = [p for name, p in self.participants.items() if name not in outside]
        today = dt.datetime.now(dt.UTC).date()
        document = AgreementDocument(
            agreement_id=AGREEMENT,
            version=1,
            title="After-school support",
            kind=AgreementKind.CONSENTED_SHARING,
            parties=tuple(participant.party() for participant in parties),
            legal_basis=(Basis.CONSENT,),
            schedules=(schedule_of("direct_service", Element.DAILY_ATTENDANCE),),
            schools={},
            effective_from=today - dt.timedelta(days=1),
            effective_to=today + dt.timedelta(days=1),
        )
        history = signed_by_all(document, [p.member.signer for p in parties])
        for participant in parties:
            if participant.member.organization_id in self.ended_by:
                add(history, participant.member.signer, Ending())
        return history


class FakeNode:
    """A node that answers as its script says, and notes what it was asked."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[node_pb.AnswerRequest] = []
        self.resumes: list[node_pb.ResumeAnswerRequest] = []
        self.rest: Sequence[answer_pb2.AnswerFrame] = ()
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
                ),
                "ResumeAnswer": grpc.unary_stream_rpc_method_handler(
                    self._resume,
                    node_pb.ResumeAnswerRequest.FromString,
                    node_pb.ResumeAnswerResponse.SerializeToString,
                ),
            },
        )

    async def _resume(
        self, request: node_pb.ResumeAnswerRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[node_pb.ResumeAnswerResponse]:
        self.resumes.append(request)
        async with translated_errors(context, "ResumeAnswer"):
            for frame in self.rest:
                yield node_pb.ResumeAnswerResponse(frame=frame)

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


@dataclass(frozen=True)
class Serving:
    """A server that runs, and where."""

    server: grpc.aio.Server
    address: str


async def serve(
    credentials: ClientCredentials,
    handlers: grpc.GenericRpcHandler,
    address: str = "127.0.0.1:0",
    beside: Sequence[grpc.GenericRpcHandler] = (),
) -> Serving:
    """Serves handlers with mutual TLS."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers([handlers, *beside])
    port = server.add_secure_port(
        address,
        grpc.ssl_server_credentials(
            [(credentials.private_key, credentials.certificate)],
            root_certificates=credentials.authorities,
            require_client_auth=True,
        ),
    )
    await server.start()
    return Serving(server, f"127.0.0.1:{port}")
