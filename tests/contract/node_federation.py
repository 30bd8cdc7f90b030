"""A real node between a real registry and a real consent service, all on sockets of this machine.

What a test varies is who asks, what they sign, and which of the services are there.
"""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
from joserfc.jwk import OKPKey

from homeroom.agreement import ALL_SCHOOLS, AgreementDocument
from homeroom.api.common.v1 import answer_pb2, query_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceStub
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.channel import open_channel
from homeroom.consent import make_consents
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.evidence import signed
from homeroom.identity import Identity, Role
from homeroom.lifecycle import Ending
from homeroom.opening import Asking, SourceOpening
from homeroom.query import to_query
from homeroom.question import Question
from homeroom.remote import error_of
from homeroom.rows import read_rows
from homeroom.signing import Domain, SigningKey, digest_of
from homeroom.users import DevelopmentIssuer, User
from homeroom.vocabulary import AgreementKind, Basis, ConsentForm, Element, SignerRelation
from services.node.server import build_server
from services.node.settings import NodeSettings
from services.node.store.records import RecordStore
from services.node.store.state import StateStore
from services.runtime.database import open_database
from services.runtime.server import Server
from tests.contract.node_stores import Urls, bring_up_to_date
from tests.contract.registry_premises import RunningRegistry
from tests.histories import head_of, says, signed_by_all
from tests.organizations import Member, new_request_id, schedule_of
from tests.serving import FEDERATION, RUNNER, Premises, premises, running_consent, running_registry

HOLDER, ASKER, STRANGER = "anytown", "helpers", "stranger"
AGREEMENT = "A-1"
CANARY = "Zebulonia"
"""A name that no message and no log may carry."""
CANARY_REF = "ref-of-zebulonia"
DAY = dt.timedelta(days=1)
GATEWAY = (RUNNER, Role.GATEWAY)

QUESTION = Question(
    agreement_version=1,
    agreement_id=AGREEMENT,
    purpose="direct_service",
    dataset="attendance",
    elements=(Element.DAILY_ATTENDANCE,),
    everyone=True,
)


def today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


@dataclass
class Asker:
    """An organization that asks: its keys, and who signs its people's tokens."""

    member: Member
    issuer: DevelopmentIssuer

    @classmethod
    def new(cls, organization_id: str) -> "Asker":
        name = f"https://{organization_id}.example"
        return cls(
            Member.new(organization_id), DevelopmentIssuer(name, OKPKey.generate_key("Ed25519"))
        )

    def token(self, **changed: Any) -> str:
        """A token of its case worker."""
        user = User("u1", self.member.organization_id, "case_worker", today() + DAY)
        return self.issuer.token(replace(user, **changed), FEDERATION, dt.datetime.now(dt.UTC))

    def request(
        self,
        *,
        token: str | None = None,
        key: SigningKey | None = None,
        asked_at: dt.datetime | None = None,
        **changed: Any,
    ) -> pb.AnswerRequest:
        """A signed question, right in everything that is not changed."""
        token = self.token() if token is None else token
        now = asked_at or dt.datetime.now(dt.UTC)
        query = to_query(
            replace(QUESTION, **changed),
            self.member.organization_id,
            token,
            now,
            secrets.token_hex(16),
        )
        return self.signed(query, token, key)

    def signed(
        self, query: query_pb2.Query, token: str, key: SigningKey | None = None
    ) -> pb.AnswerRequest:
        """A query as this organization signs it, whatever it says."""
        evidence = signed(
            Domain.QUERY,
            query.SerializeToString(),
            self.member.organization_id,
            key or self.member.signing,
        )
        return pb.AnswerRequest(query=evidence, user_token=token)


@dataclass
class NodeFederation:
    """A running node, and the federation around it."""

    at: Premises
    holder: Member
    asker: Asker
    stranger: Asker
    registry_port: int
    consent_port: int
    settings: NodeSettings
    services: dict[str, AsyncExitStack]
    consents: list[str] = field(default_factory=list)
    _server: Server | None = None
    _channels: dict[tuple[str, Role], grpc.aio.Channel] = field(default_factory=dict)

    async def start_node(self) -> None:
        self._server = await build_server(self.settings)
        await self._server.start()

    async def stop_node(self) -> None:
        if self._server is not None:
            for channel in self._channels.values():
                await channel.close()
            self._channels.clear()
            await self._server.stop()
        self._server = None

    async def restart_node(self, **changed: Any) -> None:
        """Stops the node and starts it again on what it kept."""
        await self.stop_node()
        self.settings = self.settings.model_copy(update=changed)
        await self.start_node()

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.port

    def stub(self, organization_id: str, role: Role) -> Any:
        """The node as a bearer of that role calls it."""
        return NodeServiceStub(self.channel(organization_id, role))

    def channel(self, organization_id: str, role: Role) -> grpc.aio.Channel:
        """The way of a bearer of that role to the node."""
        assert self._server is not None
        caller = (organization_id, role)
        if caller not in self._channels:
            self._channels[caller] = open_channel(
                f"127.0.0.1:{self._server.port}",
                self.at.identity(Role.NODE, HOLDER),
                self.at.authority.credentials(Identity(FEDERATION, *caller)),
            )
        return self._channels[caller]

    async def ask(
        self, request: pb.AnswerRequest, by: tuple[str, Role] = GATEWAY
    ) -> list[answer_pb2.AnswerFrame]:
        """Asks as a gateway does; raises the error that the node meant."""
        try:
            return [answer.frame async for answer in self.stub(*by).Answer(request, timeout=60)]
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure

    async def status(self, by: tuple[str, Role] = (HOLDER, Role.STEWARD)) -> Any:
        try:
            return await self.stub(*by).GetNodeStatus(pb.GetNodeStatusRequest(), timeout=60)
        except grpc.aio.AioRpcError as failure:
            raise error_of(failure) from failure

    async def answered(
        self, request: pb.AnswerRequest
    ) -> tuple[answer_pb2.Receipt, list[dict[str, Any]]]:
        """The receipt and the rows, checked and opened as the client does."""
        frames = await self.ask(request)
        asking = Asking(
            question=QUESTION,
            requester=ASKER,
            query_digest=digest_of(request.query.statement),
            sealing_key=self.asker.member.sealing,
        )
        opening = SourceOpening(asking, HOLDER)
        pieces = [opening.take(frame) for frame in frames]
        receipt = opening.check(frames[-1].outcome, self.holder.signing.public)
        rows = read_rows([p for p in pieces if p], receipt, QUESTION)
        return receipt, [row for batch in rows for row in batch.to_pylist()]

    async def record(self, link_code: str, subject_ref: str) -> int:
        """A family's consent, collected by the asker; returns its sequence."""
        now = today()
        consent = OpenedConsent(
            consent_id=secrets.token_hex(16),
            recorder=ASKER,
            terms=ConsentTerms(
                holder=HOLDER,
                agreement_id=AGREEMENT,
                elements=(Element.DAILY_ATTENDANCE,),
                purposes=("direct_service",),
                signer_relation=SignerRelation.PARENT,
                form=ConsentForm.WRITTEN,
                sign_date=now - DAY,
                start_date=now - DAY,
                end_date=now + DAY,
            ),
            link_code=link_code.encode(),
            subject_refs={ASKER: subject_ref},
        )
        keys = {HOLDER: self.holder.sealing.public, ASKER: self.asker.member.sealing.public}
        (message,) = make_consents([consent], self.asker.member.signing, keys)
        request = consent_pb.RecordConsentsRequest(consents=[message], request_id=new_request_id())
        response = await self.at.consent(self.consent_port, ASKER).RecordConsents(request)
        self.consents.append(consent.consent_id)
        return int(response.sequence)

    async def revoke(self, consent_id: str) -> int:
        request = consent_pb.RevokeConsentRequest(
            revocation=self.asker.member.revokes(consent_id), request_id=new_request_id()
        )
        response = await self.at.consent(self.consent_port, ASKER).RevokeConsent(request)
        return int(response.sequence)

    async def until_known(self, consent_sequence: int) -> None:
        """Waits until the node has followed both services that far."""
        async with asyncio.timeout(60):
            while True:
                try:
                    if (await self.status()).consent_sequence >= consent_sequence:
                        return
                except Exception:  # noqa: S110 - it may not be ready yet; time is limited
                    pass
                await asyncio.sleep(0.05)

    async def end_agreement(self) -> int:
        registry = self.at.registry(self.registry_port, HOLDER)
        listed = await registry.ListAgreements(registry_pb.ListAgreementsRequest())
        (history,) = (one for one in listed.agreements if one.agreement_id == AGREEMENT)
        ending = says(self.holder.signer, Ending(), head_of(history), AGREEMENT)
        request = registry_pb.SubmitAgreementStatementRequest(
            statement=ending, request_id=new_request_id()
        )
        return int((await registry.SubmitAgreementStatement(request)).sequence)


@asynccontextmanager
async def node_federation(folder: Path, **changed: Any) -> AsyncIterator[NodeFederation]:
    """Everything runs; one student's family has allowed her attendance, another's has not."""
    holder, asker, stranger = Member.new(HOLDER), Asker.new(ASKER), Asker.new(STRANGER)
    async with AsyncExitStack() as stack:
        at = await stack.enter_async_context(premises(folder))
        services = {
            name: await stack.enter_async_context(AsyncExitStack())
            for name in ("registry", "consent")
        }
        registry_port = await services["registry"].enter_async_context(
            running_registry(at.registry_settings())
        )
        await _found(at, registry_port, holder, asker, stranger)
        consent_port = await services["consent"].enter_async_context(
            running_consent(at.consent_settings(registry_port))
        )
        urls = Urls(f"sqlite:///{folder}/records.db", f"sqlite:///{folder}/state.db")
        bring_up_to_date(urls.records, urls.state)
        settings = _settings(at, holder, urls, (registry_port, consent_port), **changed)
        federation = NodeFederation(
            at, holder, asker, stranger, registry_port, consent_port, settings, services
        )
        code = _keep_records(urls)
        sequence = await _recorded(federation, code)
        stack.push_async_callback(federation.stop_node)
        await federation.start_node()
        await federation.until_known(sequence)
        yield federation


async def _recorded(federation: NodeFederation, code: str) -> int:
    """The consent service answers once it has followed the registry."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await federation.record(code, CANARY_REF)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.1)


async def _found(at: Premises, port: int, holder: Member, asker: Asker, stranger: Asker) -> None:
    """Registers and admits everyone; the holder and the asker sign their agreement."""
    registry = RunningRegistry(at, port)
    records: dict[Member, dict[str, Any]] = {holder: {"datasets": ["attendance"]}}
    for one in (asker, stranger):
        public = one.issuer.public()
        records[one.member] = {"user_issuer": public.name, "user_keys": public.keys}
    for member, record in records.items():
        await registry.admit(member, **record)
    document = _agreement(holder, asker.member)
    history = signed_by_all(document, [holder.signer, asker.member.signer])
    for statement, content in zip(history.statements, (document.encode(), b""), strict=True):
        (signature,) = statement.signatures
        await at.registry(port, signature.organization_id).SubmitAgreementStatement(
            registry_pb.SubmitAgreementStatementRequest(
                statement=statement, document=content, request_id=new_request_id()
            )
        )


def _agreement(holder: Member, asker: Member) -> AgreementDocument:
    roles = ((holder, "discloser"), (asker, "recipient"))
    return AgreementDocument(
        agreement_id=AGREEMENT,
        version=1,
        title="After-school support",
        kind=AgreementKind.CONSENTED_SHARING,
        parties=tuple(m.party().model_copy(update={"role": role}) for m, role in roles),
        legal_basis=(Basis.CONSENT,),
        schedules=(schedule_of("direct_service", Element.DAILY_ATTENDANCE),),
        schools={HOLDER: ALL_SCHOOLS},
        effective_from=today() - DAY,
        effective_to=today() + DAY,
    )


def _settings(
    at: Premises, holder: Member, urls: Urls, ports: tuple[int, int], **changed: Any
) -> NodeSettings:
    keys = {
        "signing_key": holder.signing.to_pem(),
        "sealing_key": holder.sealing.to_pem(),
        "checkpoint_key": holder.checkpoint.to_pem(),
    }
    for name, key in keys.items():
        (at.folder / f"node-{name}.pem").write_bytes(key)
    return NodeSettings.model_validate(
        {
            "federation": FEDERATION,
            "organization_id": HOLDER,
            "address": "127.0.0.1:0",
            **at.authority.write(at.identity(Role.NODE, HOLDER), at.folder),
            **{name: at.folder / f"node-{name}.pem" for name in keys},
            "records_url": urls.records,
            "state_url": urls.state,
            "registry_address": f"127.0.0.1:{ports[0]}",
            "registry_organization_id": RUNNER,
            "registry_key": at.registry_key.public.hex(),
            "consent_address": f"127.0.0.1:{ports[1]}",
            "consent_organization_id": RUNNER,
            "consent_key": at.consent_key.public.hex(),
            "policy_engine": "embedded",
            "federation_policy": Path("policy/federation"),
            "local_policy": Path("policy/local"),
            # Time is no subject of these tests, which must pass on a busy machine.
            "policy_seconds": 5.0,
            **changed,
        }
    )


def _keep_records(urls: Urls) -> str:
    """Two students with a day of attendance each; returns the link code of the first."""
    records = RecordStore(urls.records)
    with records.intake() as run:
        columns = ("student_id", "given_name", "birth_date", "school_id")
        born = dt.date(2014, 2, 28)
        run.load("student", columns, [("s1", CANARY, born, "elm"), ("s2", "Ben", born, "elm")])
        rows = [(run.student_keys[s], "elm", today(), "tardy") for s in ("s1", "s2")]
        run.load("attendance", ("student_key", "school_id", "event_date", "category"), rows)
    records.close()
    state, opened = open_database(urls.state), open_database(urls.records)
    code = next(iter(StateStore(state, opened).issue_link_codes(None))).link_code
    state.dispose()
    opened.dispose()
    return code
