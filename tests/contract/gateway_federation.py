"""A federation around one real gateway: a registry and nodes on real sockets, scripted by the test.

Everything is as in production but the registry's database and the nodes' answers: mutual TLS,
signatures, tokens, and OPA with the federation's own rules.
"""

import asyncio
import datetime as dt
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import grpc

from deploy.local.addresses import free_addresses
from homeroom.api.common.v1 import answer_pb2, query_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as gateway_pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from homeroom.audit import EVENTS, AuditEntry, AuditKind
from homeroom.channel import open_channel
from homeroom.evidence import signed
from homeroom.identity import Identity, Role
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.remote import error_of
from homeroom.signing import Domain, SigningKey
from homeroom.vocabulary import Element
from services.gateway.migrations import GATEWAY, VERSION_TABLE
from services.gateway.server import build_server
from services.gateway.settings import GatewaySettings
from services.gateway.store import GatewayLog
from services.runtime.database import upgrade
from services.runtime.server import Server
from tests.certificates import Authority
from tests.contract.gateway_peers import (
    AGREEMENT,
    ASKER,
    FEDERATION,
    HUB,
    STRANGER,
    FakeNode,
    FakeRegistry,
    Participant,
    Script,
    Serving,
    serve,
)
from tests.contract.scripted_witness import ScriptedWitness

_PATIENCE_SECONDS = 60
T = TypeVar("T")

QUESTION = Question(
    agreement_version=1,
    agreement_id=AGREEMENT,
    purpose="direct_service",
    dataset="attendance",
    elements=(Element.DAILY_ATTENDANCE,),
    everyone=True,
)


def frame(sequence: int, *, last: bool = False, rows: bytes = b"rows") -> answer_pb2.AnswerFrame:
    """A frame as a node makes them; the gateway can read none of its bytes."""
    return answer_pb2.AnswerFrame(
        sequence=sequence,
        sealed_key=b"key" if sequence == 0 else b"",
        sealed_rows=rows,
        sealed_receipt=b"receipt" if last else b"",
        outcome=answer_pb2.OUTCOME_ANSWERED if last else answer_pb2.OUTCOME_UNSPECIFIED,
    )


def closed_port() -> str:
    """An address where nobody listens."""
    return free_addresses(1)[0]


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
    participants: dict[str, Participant]
    registry: FakeRegistry
    witness: ScriptedWitness
    nodes: dict[str, FakeNode]
    _stack: AsyncExitStack
    settings: GatewaySettings = field(init=False)
    server: Server = field(init=False)

    def query(
        self, requester: str, token: str, asked_at: dt.datetime | None = None, **changed: Any
    ) -> query_pb2.Query:
        """The message of a question, right in everything that is not changed."""
        question = replace(QUESTION, **changed)
        now = asked_at or dt.datetime.now(dt.UTC)
        return to_query(question, requester, token, now, secrets.token_hex(16))

    def request(
        self,
        *,
        requester: str = ASKER,
        token: str | None = None,
        key: SigningKey | None = None,
        **changed: Any,
    ) -> gateway_pb.QueryRequest:
        """A signed question, right in everything that is not changed."""
        participant = self.participants[requester]
        token = participant.token() if token is None else token
        query = self.query(requester, token, **changed)
        return self.signed(query, token, key or participant.member.signing)

    def signed(
        self, query: query_pb2.Query, token: str, key: SigningKey | None = None
    ) -> gateway_pb.QueryRequest:
        """A query as its requester signs it, whatever it says."""
        key = key or self.participants[ASKER].member.signing
        statement = query.SerializeToString()
        return gateway_pb.QueryRequest(
            query=signed(Domain.QUERY, statement, query.requester, key), user_token=token
        )

    def nobody_was_asked(self) -> bool:
        return all(not node.requests for node in self.nodes.values())

    async def serve_node(self, organization_id: str, node: FakeNode, address: str) -> Serving:
        """Starts a node with the certificate of one organization."""
        identity = Identity(FEDERATION, organization_id, Role.NODE)
        serving = await serve(self.authority.credentials(identity), node.handlers(), address)
        self._stack.push_async_callback(serving.server.stop, None)
        return serving

    async def move_node(self, holder: str, address: str) -> int:
        """Has a holder's record say another address; returns the sequence that says it."""
        self.participants[holder].node_address = address
        return await self.registry.publish()

    async def stub(
        self, organization_id: str = ASKER, role: Role = Role.APP
    ) -> "GatewayServiceStub":
        channel = open_channel(
            f"127.0.0.1:{self.server.port}",
            Identity(FEDERATION, HUB, Role.GATEWAY),
            self.authority.credentials(Identity(FEDERATION, organization_id, role)),
        )
        self._stack.push_async_callback(channel.close)
        return GatewayServiceStub(channel)

    async def ask(
        self,
        request: gateway_pb.QueryRequest | None = None,
        *,
        by: str = ASKER,
        role: Role = Role.APP,
        seconds: float | None = 30.0,
    ) -> Answer:
        """Asks, and returns all that came; raises the error that the gateway meant."""
        answer = Answer()
        stub: Any = await self.stub(by, role)
        try:
            async for event in stub.Query(request or self.request(), timeout=seconds):
                answer.events.append(event)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure
        return answer

    async def resume(
        self,
        request: gateway_pb.QueryRequest,
        positions: Sequence[gateway_pb.SourcePosition],
        by: str = ASKER,
    ) -> Answer:
        """Has answers go on, and returns all that came; raises the error that the gateway meant."""
        answer = Answer()
        stub: Any = await self.stub(by, Role.APP)
        resumed = gateway_pb.ResumeQueryRequest(
            query=request.query, user_token=request.user_token, positions=positions
        )
        try:
            async for response in stub.ResumeQuery(resumed, timeout=30):
                answer.events.append(response.event)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure
        return answer


def make_tables(url: str) -> None:
    """Makes the tables of the gateway's database."""
    upgrade(url, GATEWAY, version_table=VERSION_TABLE)


@cache
def _database() -> bytes:
    """A database with all tables, to be copied: making tables costs most of a short test."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "gateway.db"
        make_tables(f"sqlite:///{made}")
        return made.read_bytes()


def new_database(folder: Path) -> str:
    """The gateway's database in a folder; with what it holds, if it is there."""
    path = folder / "gateway.db"
    if not path.exists():
        path.write_bytes(_database())
    return f"sqlite:///{path}"


@asynccontextmanager
async def gateway_federation(
    folder: Path,
    holders: Mapping[str, Script | str],
    registry_age: dt.timedelta = dt.timedelta(0),
    registry_key: SigningKey | None = None,
    witnessed: str = "",
    **settings: Any,
) -> AsyncIterator[GatewayFederation]:
    """Starts everything; each holder has a script to answer by, or an address of its own.

    Args:
        folder: keeps the gateway's files.
        holders: who is asked.
        registry_age: how old the registry's state is.
        registry_key: by which it signs.
        witnessed: a checkpoint of the gateway's log that the registry has.
        settings: of the gateway.
    """
    async with AsyncExitStack() as stack:
        authority = Authority.new()
        names = (HUB, ASKER, STRANGER, *holders)
        participants = {name: Participant.new(name) for name in names}
        registry = FakeRegistry(participants, registry_age)
        registry.key = registry_key or registry.key
        hub = Identity(FEDERATION, HUB, Role.REGISTRY)
        witness = ScriptedWitness(FEDERATION, registry.key)
        if witnessed:
            witness.take(witnessed)
        serving = await serve(
            authority.credentials(hub), registry.handlers(), beside=[witness.handlers()]
        )
        stack.push_async_callback(serving.server.stop, None)
        nodes = {name: FakeNode(s) for name, s in holders.items() if not isinstance(s, str)}
        federation = GatewayFederation(authority, participants, registry, witness, nodes, stack)
        for name, script in holders.items():
            if isinstance(script, str):
                participants[name].node_address = script
            else:
                started = await federation.serve_node(name, nodes[name], "127.0.0.1:0")
                participants[name].node_address = started.address
        federation.settings = _settings(
            authority, folder, serving.address, registry.key, **settings
        )
        federation.server = await build_server(federation.settings)
        stack.push_async_callback(federation.server.stop)
        await federation.server.start()
        yield federation


def _settings(
    authority: Authority, folder: Path, registry_address: str, key: SigningKey, **changed: Any
) -> GatewaySettings:
    checkpoint_key = folder / "gateway_checkpoint_key.pem"
    if not checkpoint_key.exists():
        checkpoint_key.write_bytes(SigningKey.generate().to_pem())
    return GatewaySettings.model_validate(
        {
            "federation": FEDERATION,
            "organization_id": HUB,
            "address": "127.0.0.1:0",
            **authority.write(Identity(FEDERATION, HUB, Role.GATEWAY), folder),
            "registry_address": registry_address,
            "registry_organization_id": HUB,
            "registry_key": key.public.hex(),
            "checkpoint_key": checkpoint_key,
            "checkpoint_seconds": 0.2,
            "database_url": new_database(folder),
            "policy_engine": "embedded",
            "federation_policy": Path("policy/federation"),
            # Time is the subject of few tests; the others must pass on a busy machine.
            "policy_seconds": 5.0,
            "state_wait_seconds": 10.0,
            **changed,
        }
    )


def entries(federation: GatewayFederation, kind: AuditKind) -> Sequence[AuditEntry]:
    """The entries of a kind, each as the catalogue has it."""
    with closing(GatewayLog(federation.settings.database_url)) as log:
        found = [entry for entry in log.entries() if entry.kind == kind]
        assert log.first_broken() is None
    event = EVENTS[kind]
    for entry in found:
        assert set(event.fields) <= set(entry.said) <= {*event.fields, *event.optional}
    return found


async def until_noted(federation: GatewayFederation, kind: AuditKind) -> AuditEntry:
    """The only entry of a kind, once it is there."""
    (one,) = await until(lambda: entries(federation, kind))
    return one


async def until(look: Callable[[], T]) -> T:
    """What a look finds, once it finds something."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            if found := look():
                return found
            await asyncio.sleep(0.05)
