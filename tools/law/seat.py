"""Seats each case in a real node at the case's own instant, and asks it."""

import asyncio
import datetime as dt
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.api.node.v1 import node_service_pb2 as pb
from homeroom.api.node.v1.node_service_pb2_grpc import NodeServiceStub
from homeroom.channel import ClientCredentials, open_channel
from homeroom.development import DevelopmentAuthority
from homeroom.errors import HomeroomError
from homeroom.identity import Identity, Role
from homeroom.question import Level
from homeroom.vocabulary import Element
from services.node.opening import open_stores
from services.node.server import build_server
from services.node.store.register import RegisterStore
from services.node.store.rights import RightsKind
from services.node.store.stores import Stores
from services.node.store.subject_refs import SubjectRefStore
from services.runtime.database import open_database
from tools.law.agreements import agreement_of
from tools.law.asking import Got, Requester, dataset_of, malformed, questions_of
from tools.law.case import Case, Facts, instant_of
from tools.law.consents import Collected, collected, signer_without_rights
from tools.law.holding import (
    Surroundings,
    federation_server,
    local_server,
    node_settings,
    write_local_policy,
)
from tools.law.hub import HUB, Hub, serve
from tools.law.judging import Outcome
from tools.law.matters import matters_of
from tools.law.members import FEDERATION, Members
from tools.law.records import seat_records
from tools.law.stewards import Steward
from tools.law.tables import computable, seat_table

_PATIENCE_SECONDS = 30.0
_DECIDED = frozenset({"granted", "denied"})


@dataclass
class Courtroom:
    """Where cases are heard, one after the other, each by a node of its own.

    Attributes:
        engine: how its policies decide: `embedded`, or `server` for two OPA beside it.
    """

    folder: Path
    engine: str = "embedded"
    hub: Hub = field(default_factory=Hub)

    async def hear(self, cases: Iterable[Case]) -> list[tuple[Case, Outcome]]:
        """What a node does with each case."""
        authority = DevelopmentAuthority.create(
            self.folder / "certificates", FEDERATION, dt.datetime.now(dt.UTC)
        )
        templates = Templates.made(self.folder / "templates")
        heard = []
        with federation_server(self.folder, self.engine) as (opa, address):
            async with self._hub(authority) as ports:
                around = Surroundings(authority, self.hub, ports, opa, address)
                for number, case in enumerate(cases):
                    folder = self.folder / str(number)
                    heard.append((case, await _heard(Bench(case, folder, around, templates))))
                    shutil.rmtree(folder)
        return heard

    @asynccontextmanager
    async def _hub(self, authority: DevelopmentAuthority) -> AsyncIterator[Mapping[Role, int]]:
        """Both services of the hub, each on a port of its own."""
        ports, servers = {}, []
        for role in (Role.REGISTRY, Role.CONSENT):
            certificate, key = authority.issue(
                Identity(FEDERATION, HUB, role), dt.datetime.now(dt.UTC)
            )
            credentials = grpc.ssl_server_credentials(
                [(key, certificate)], authority.authorities(), require_client_auth=True
            )
            server, ports[role] = serve(self.hub, credentials)
            await server.start()
            servers.append(server)
        try:
            yield ports
        finally:
            await asyncio.gather(*(server.stop(None) for server in servers))


async def _heard(bench: "Bench") -> Outcome:
    """What came of a case; one that cannot be put does not end the others."""
    try:
        return await bench.hear()
    except (HomeroomError, ValueError, LookupError, TypeError) as failed:
        return Outcome(failed=f"{type(failed).__name__}: {failed}")


@dataclass(frozen=True)
class Templates:
    """A node's two databases, empty and up to date, to be copied for each case."""

    records: Path
    state: Path

    @classmethod
    def made(cls, folder: Path) -> "Templates":
        folder.mkdir()
        made = cls(folder / "records.db", folder / "state.db")
        close(open_stores(f"sqlite:///{made.records}", f"sqlite:///{made.state}"))
        return made


def close(stores: Stores) -> None:
    """Closes what was opened of them."""
    stores.records.close()


@dataclass
class Bench:
    """One case, and the node that hears it."""

    case: Case
    folder: Path
    around: Surroundings
    templates: Templates

    def __post_init__(self) -> None:
        self.hub = self.around.hub
        self.members = Members(self.case)
        self.records_url = f"sqlite:///{self.folder}/records.db"
        self.state_url = f"sqlite:///{self.folder}/state.db"

    async def hear(self) -> Outcome:
        """Seats the case, asks, and reads what was released and recorded."""
        self.folder.mkdir()
        shutil.copy(self.templates.records, self.folder / "records.db")
        shutil.copy(self.templates.state, self.folder / "state.db")
        stores = open_stores(self.records_url, self.state_url)
        keys = seat_records(self.case, stores.records)
        names = self._names(keys)
        self._seat_rights(stores, keys)
        codes = {form.student_id: form.link_code for form in stores.state.issue_link_codes(None)}
        self._seat_matters(stores, keys)
        if self.case.level == Level.AGGREGATE:
            dataset = dataset_of(Element(self.case.request["elements"][0]))
            requester = self.members.requester.organization_id
            seat_table(self.case, stores.aggregates, requester, dataset)
        self._seat_hub(collected(self.case, self.members, codes, names))
        got = Got()
        async with self._node() as node:
            await self._until_known(node)
            await self._ask(node, names, got)
        outcome = self._outcome(got, names, keys)
        close(stores)
        return outcome

    def _names(self, keys: Mapping[str, int]) -> Mapping[str, str]:
        """For each student the name by which the requester knows them."""
        students = [facts["id"] for facts in self.case.facts["students"]]
        recipient = self.members.requester.organization_id
        engine = open_database(self.state_url)
        store = SubjectRefStore(engine)
        store.name(recipient, [keys[student] for student in students])
        named = store.named(recipient, [keys[student] for student in students])
        engine.dispose()
        return {student: named[keys[student]] for student in students}

    def _seat_rights(self, stores: Stores, keys: Mapping[str, int]) -> None:
        for student, signer in signer_without_rights(self.case):
            stores.students.note(keys[student], RightsKind.COURT_LIMIT, signer, None)
        for facts in self.case.facts["students"]:
            if facts["postsecondary"]:
                first = self.case.now.date() - dt.timedelta(days=200)
                stores.students.note(keys[facts["id"]], RightsKind.POSTSECONDARY, "", first)

    def _seat_matters(self, stores: Stores, keys: Mapping[str, int]) -> None:
        asked = [keys[student] for student in self.case.request["students"]]
        for matter in matters_of(self.case, self.members):
            stores.matters.enter(matter, asked)

    def _seat_hub(self, consents: Collected) -> None:
        agreement = agreement_of(self.case, self.members)
        self.hub.agreements = [] if agreement is None else [agreement]
        self.hub.organizations = self.members.registered()
        self.hub.holder = self.members.holder.organization_id
        self.hub.registry_at = self._confirmed(self.case.facts["agreement"])
        self.hub.consents_at = min(
            map(self._confirmed, self.case.facts["consents"]), default=self.case.now
        )
        changes = [consent_pb.ConsentChange(recorded=one) for one in consents.consents]
        changes += [consent_pb.ConsentChange(revoked=one) for one in consents.revocations]
        for number, change in enumerate(changes):
            change.previous_sequence, change.sequence = number, number + 1
        self.hub.changes = changes

    def _confirmed(self, facts: Facts | None) -> dt.datetime:
        if facts is None or facts["state_confirmed_at"] is None:
            return self.case.now
        return instant_of(facts["state_confirmed_at"])

    @asynccontextmanager
    async def _node(self) -> AsyncIterator["Node"]:
        write_local_policy(self.case, self.folder)
        async with AsyncExitStack() as stack:
            address = stack.enter_context(local_server(self.folder, self.around.opa))
            settings = node_settings(self.case, self.members, self.folder, self.around, address)
            server = await build_server(settings, clock=lambda: self.case.now)
            stack.push_async_callback(server.stop)
            port = await server.start()
            yield Node(self, port, stack)

    async def _until_known(self, node: "Node") -> None:
        """Waits until the node has heard both services."""
        status = node.stub(self.members.holder.organization_id, Role.STEWARD).GetNodeStatus
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                try:
                    known = await status(pb.GetNodeStatusRequest(), timeout=_PATIENCE_SECONDS)
                except grpc.aio.AioRpcError:
                    known = pb.GetNodeStatusResponse()
                heard = known.HasField("consent_confirm_time") and known.registry_sequence
                if heard and known.consent_sequence == len(self.hub.changes):
                    return
                await asyncio.sleep(0.02)

    async def _ask(self, node: "Node", names: Mapping[str, str], got: Got) -> None:
        holder = self.members.holder.organization_id
        steward = Steward(self.case, self.members, node.channel(holder, Role.STEWARD))
        await self._put(node, steward, names, got)
        decided = self._rules["approval_state"]
        if decided in _DECIDED and self._rules["approval_required_for"]:
            # What waited for the steward is asked for again when the steward has decided.
            await steward.decide(granted=decided == "granted")
            await self._put(node, steward, names, got)

    async def _put(
        self, node: "Node", steward: Steward, names: Mapping[str, str], got: Got
    ) -> None:
        """Puts the request: by the requester itself, or by a steward for whom nobody can prove."""
        questions = questions_of(self.case, names)
        proved = self.members.in_the_registry and self.case.requester["user"]["authenticated"]
        requester = Requester(self.case, self.members, names)
        answer = node.stub(HUB, Role.GATEWAY).Answer
        for question in questions:
            if proved:
                await requester.ask(answer, question, got)
            else:
                await steward.enter(question, names, got)
        if not questions:
            token = requester.token()
            await requester.send(answer, malformed(self.case, token), token, got)

    def _outcome(self, got: Got, names: Mapping[str, str], keys: Mapping[str, int]) -> Outcome:
        students = {name: student for student, name in names.items()}
        engine = open_database(self.state_url)
        register = RegisterStore(engine)
        regimes = {regime for entry in register.entries() for regime in entry.regimes}
        for student in self.case.request["students"]:
            for entry in register.of_student(keys[student]):
                got.reasons |= set(entry.reasons)
        engine.dispose()
        asked = set(self.case.request["elements"])
        nameless = self.case.level != Level.STUDENT
        left = {
            ("" if nameless else students.get(ref, ref), element)
            for ref, elements in got.values.items()
            for element in elements & asked
        }
        return Outcome(
            released=frozenset(left | {("", cell) for cell in got.cells}),
            computable=computable(self.case, got.cells),
            reasons=frozenset(got.reasons),
            obligations=frozenset(got.obligations),
            regimes=frozenset(regimes),
        )

    @property
    def _rules(self) -> Facts:
        rules: Facts = self.case.holder["local_rules"]
        return rules


@dataclass
class Node:
    """A node that runs, as bearers of several roles call it."""

    bench: Bench
    port: int
    stack: AsyncExitStack

    def stub(self, organization_id: str, role: Role) -> Any:
        """Its service, as a bearer of that role calls it."""
        return NodeServiceStub(self.channel(organization_id, role))

    def channel(self, organization_id: str, role: Role) -> grpc.aio.Channel:
        """A connection that closes with the node."""
        authority, now = self.bench.around.authority, dt.datetime.now(dt.UTC)
        certificate, key = authority.issue(Identity(FEDERATION, organization_id, role), now)
        holder = self.bench.members.holder.organization_id
        channel = open_channel(
            f"127.0.0.1:{self.port}",
            Identity(FEDERATION, holder, Role.NODE),
            ClientCredentials(certificate, key, authority.authorities()),
        )
        self.stack.push_async_callback(channel.close)
        return channel
