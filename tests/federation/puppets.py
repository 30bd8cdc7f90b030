"""A registry and a consent service in wrong hands, with their real keys and certificates.

A node of its own follows them, with a copy of one district's databases and keys.
"""

import datetime as dt
import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from deploy.local.addresses import free_addresses
from deploy.local.layout import HUB, Layout, ProcessPlan
from deploy.local.processes import Processes
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.api.registry.v1 import witness_service_pb2 as witness_pb
from homeroom.errors import HomeroomError
from homeroom.evidence import signed
from homeroom.identity import Role
from homeroom.signing import Domain, SigningKey
from services.node.opening import open_stores
from tests.federation.records import CHILDREN, HARBOR, Child
from tests.federation.running import Federation, eventually
from tests.federation.wire import Keys, RogueGateway, Sealed, query_of, user_token

BESIEGED = "besieged"
PATIENCE_SECONDS = 2
"""How old the besieged node lets its state become: the bound, made short for a test."""

_BEAT_SECONDS = 0.05
_DAY = dt.timedelta(days=1)
_REGISTRY = "homeroom.api.registry.v1.RegistryService"
_WITNESS = "homeroom.api.registry.v1.WitnessService"
_CONSENT = "homeroom.api.consent.v1.ConsentService"


@dataclass
class PuppetRegistry:
    """Says what a test has it say, signed with the registry's real key; plays one RPC alone."""

    federation: str
    key: SigningKey
    genuine: registry_pb.Snapshot
    sequence: int = 0
    shown: evidence_pb2.SignedStatement | None = None
    beating: bool = True
    ended: threading.Event = field(default_factory=threading.Event)

    def tell(
        self,
        change: Callable[[registry_pb.Snapshot], None] = lambda _: None,
        lifetime: dt.timedelta = _DAY,
    ) -> evidence_pb2.SignedStatement:
        """Publishes the genuine state, changed, with a new sequence."""
        self.sequence = max(self.sequence, self.genuine.sequence) + 1
        snapshot = registry_pb.Snapshot.FromString(self.genuine.SerializeToString())
        change(snapshot)
        snapshot.sequence = self.sequence
        now = dt.datetime.now(dt.UTC)
        snapshot.issue_time.FromDatetime(now)
        snapshot.expire_time.FromDatetime(now + lifetime)
        statement = snapshot.SerializeToString(deterministic=True)
        self.shown = signed(Domain.SNAPSHOT, statement, HUB, self.key)
        return self.shown

    def WatchSnapshot(
        self, request: registry_pb.WatchSnapshotRequest, context: Any
    ) -> Iterator[registry_pb.WatchSnapshotResponse]:
        del request
        last = None
        while context.is_active() and not self.ended.is_set():
            if self.shown is not last:
                last = self.shown
                yield registry_pb.WatchSnapshotResponse(snapshot=last)
            if self.beating:
                yield registry_pb.WatchSnapshotResponse(heartbeat=self._beat())
            self.ended.wait(_BEAT_SECONDS)

    def _beat(self) -> evidence_pb2.SignedStatement:
        beat = registry_pb.Heartbeat(federation=self.federation, sequence=self.sequence)
        beat.beat_time.FromDatetime(dt.datetime.now(dt.UTC))
        statement = beat.SerializeToString(deterministic=True)
        return signed(Domain.REGISTRY_HEARTBEAT, statement, HUB, self.key)


@dataclass
class PuppetConsent:
    """Passes on the changes a test gives it, and beats as the test has it beat.

    Attributes:
        changes: all there are; the puppet sends those after the caller's sequence.
        hidden: the sequence of a change that it keeps back; 0 for none.
        beats: makes the next heartbeat; None sends none.
    """

    federation: str
    key: SigningKey
    changes: list[consent_pb.ConsentChange] = field(default_factory=list)
    hidden: int = 0
    beats: Callable[[], evidence_pb2.SignedStatement] | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.beats = self.beat

    @property
    def sequence(self) -> int:
        return self.changes[-1].sequence if self.changes else 0

    def record(self, consent: consent_pb.Consent) -> int:
        """Adds a consent to the chain."""
        return self.add(recorded=consent)

    def add(self, **change: Any) -> int:
        """Adds a change to the chain; returns its sequence."""
        sequence = self.sequence + 1
        self.changes.append(
            consent_pb.ConsentChange(sequence=sequence, previous_sequence=self.sequence, **change)
        )
        return sequence

    @contextmanager
    def hiding_the_next_change(self) -> Iterator[None]:
        """Sends everything but the next change, until the block ends."""
        self.hidden = self.sequence + 1
        try:
            yield
        finally:
            self.hidden = 0

    def beat(
        self,
        *,
        sequence: int | None = None,
        organization_id: str = HARBOR,
        key: SigningKey | None = None,
        at: dt.datetime | None = None,
        log: str = "honest",
    ) -> evidence_pb2.SignedStatement:
        """A heartbeat; by default an honest one."""
        told = self.sequence if sequence is None else sequence
        beat = consent_pb.ConsentHeartbeat(
            federation=self.federation,
            organization_id=organization_id,
            sequence=told,
            organization_sequence=told,
            log_root=hashlib.sha256(f"{log} {told}".encode()).digest() if log else b"",
        )
        beat.beat_time.FromDatetime(at or dt.datetime.now(dt.UTC))
        statement = beat.SerializeToString(deterministic=True)
        return signed(Domain.CONSENT_HEARTBEAT, statement, HUB, key or self.key)

    def WatchConsents(
        self, request: consent_pb.WatchConsentsRequest, context: Any
    ) -> Iterator[consent_pb.WatchConsentsResponse]:
        after = request.after_sequence
        while context.is_active() and not self.ended.is_set():
            for change in [c for c in tuple(self.changes) if c.sequence > after]:
                if change.sequence == self.hidden:
                    continue
                after = change.sequence
                changes = consent_pb.ConsentChanges(changes=[change])
                yield consent_pb.WatchConsentsResponse(changes=changes)
            if self.beats is not None:
                yield consent_pb.WatchConsentsResponse(heartbeat=self.beats())
            self.ended.wait(_BEAT_SECONDS)


@dataclass
class Siege:
    """A district's node among puppets, and someone who asks it as the gateway would."""

    layout: Layout
    registry: PuppetRegistry
    consent: PuppetConsent
    codes: dict[Child, str]
    gateway: RogueGateway

    @property
    def asker_token(self) -> str:
        return user_token(self.layout)

    def ask(self, keys: Keys, **changed: Any) -> tuple[evidence_pb2.SignedStatement, Sealed]:
        """Asks the node, as the organization whose keys these are."""
        token = user_token(self.layout, keys.organization_id)
        query = keys.sign(query_of(token, keys.organization_id, **changed))
        return query, self.gateway.send(HARBOR, query, token)

    def refs(self, keys: Keys, **changed: Any) -> set[str]:
        """Who is in the node's answer; empty if it permits none."""
        query, sealed = self.ask(keys, **changed)
        if sealed.outcome != "ANSWERED":
            return set()
        return set(keys.open(HARBOR, query, sealed)["subject_ref"].to_pylist())

    def error(self, keys: Keys, **changed: Any) -> str:
        """The reason for which the node gave no answer; empty if it gave one."""
        try:
            self.ask(keys, **changed)
        except HomeroomError as error:
            return str(error.reason)
        return ""

    def outcomes_until(self, keys: Keys, error: str) -> list[str]:
        """Asks again and again until the node refuses for a reason; all that it said before."""
        told = []

        def asked() -> str:
            try:
                told.append(self.ask(keys)[1].outcome)
            except HomeroomError as refused:
                told.append(str(refused.reason))
            return told[-1]

        eventually(asked, lambda last: last == error)
        return told

    def mended(self, keys: Keys) -> None:
        """Has the puppets behave, and waits until the node answers again."""
        self.registry.beating = True
        self.registry.tell()
        self.consent.beats = self.consent.beat
        eventually(
            lambda: self.error(keys, min_registry_sequence=self.registry.sequence),
            lambda error: not error,
        )


@contextmanager
def siege_of(federation: Federation) -> Iterator[Siege]:
    """Starts a node that follows two puppets; it has the district's records and keys."""
    hub = federation.layout.organization(HUB)
    layout, name = federation.layout, federation.layout.federation
    registry = PuppetRegistry(
        name, SigningKey.load(hub / "signing_key.pem"), _genuine_snapshot(federation)
    )
    registry.tell()
    consent = PuppetConsent(name, SigningKey.load(hub / "consent_signing_key.pem"))
    with (
        _served(layout, Role.REGISTRY, registry) as registry_address,
        _served(layout, Role.CONSENT, consent) as consent_address,
    ):
        plan, codes = _besieged(federation, registry_address, consent_address)
        with Processes(replace(layout, processes={BESIEGED: plan})) as processes:
            processes.start(BESIEGED)
            address = plan.environment["HOMEROOM_NODE_ADDRESS"]
            gateway = RogueGateway(layout, addresses={HARBOR: address})
            yield Siege(layout, registry, consent, codes, gateway)


def _genuine_snapshot(federation: Federation) -> registry_pb.Snapshot:
    folder = federation.state_of(HARBOR)
    saved = open_stores(federation.layout.records_url(HARBOR), f"sqlite:///{folder}").state.load()
    assert saved is not None
    evidence = evidence_pb2.SignedStatement.FromString(saved)
    return registry_pb.Snapshot.FromString(evidence.statement)


def _besieged(
    federation: Federation, registry_address: str, consent_address: str
) -> tuple[ProcessPlan, dict[Child, str]]:
    folder = Path(tempfile.mkdtemp(prefix=BESIEGED, dir=federation.layout.folder))
    own = federation.layout.organization(HARBOR)
    shutil.copy(own / "records.db", folder / "records.db")
    records_url, state_url = f"sqlite:///{folder}/records.db", f"sqlite:///{folder}/state.db"
    printed = list(open_stores(records_url, state_url).state.issue_link_codes(None))
    by_id = {form.student_id: form.link_code for form in printed}
    plan = federation.layout.processes[HARBOR]
    address, health_address, metrics_address = free_addresses(3)
    changed = {
        "ADDRESS": address,
        "HEALTH_ADDRESS": health_address,
        "METRICS_ADDRESS": metrics_address,
        "REGISTRY_ADDRESS": registry_address,
        "CONSENT_ADDRESS": consent_address,
        "RECORDS_URL": records_url,
        "STATE_URL": state_url,
        "MAX_STATE_AGE_SECONDS": str(PATIENCE_SECONDS),
    }
    environment = {f"HOMEROOM_NODE_{key}": value for key, value in changed.items()}
    return (
        replace(
            plan,
            environment={**plan.environment, **environment},
            health_address=health_address,
        ),
        {child: by_id[child.student_id] for child in CHILDREN if child.holder == HARBOR},
    )


@contextmanager
def _served(layout: Layout, role: Role, puppet: PuppetRegistry | PuppetConsent) -> Iterator[str]:
    hub = layout.organization(HUB)
    server = grpc.server(ThreadPoolExecutor(8))
    watch: Any
    if isinstance(puppet, PuppetRegistry):
        service, name, watch = _REGISTRY, "WatchSnapshot", puppet.WatchSnapshot
        request: Any = registry_pb.WatchSnapshotRequest
    else:
        service, name, watch = _CONSENT, "WatchConsents", puppet.WatchConsents
        request = consent_pb.WatchConsentsRequest
    handler: Any = grpc.unary_stream_rpc_method_handler(
        watch, request.FromString, lambda response: response.SerializeToString()
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {name: handler}),)
    )
    if isinstance(puppet, PuppetRegistry):
        server.add_generic_rpc_handlers((_forgetful_witness(),))
    pair = ((hub / f"{role}_key.pem").read_bytes(), (hub / f"{role}.pem").read_bytes())
    authorities = (hub / "authorities.pem").read_bytes()
    port = server.add_secure_port(
        "127.0.0.1:0",
        grpc.ssl_server_credentials([pair], authorities, require_client_auth=True),
    )
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        puppet.ended.set()
        server.stop(0).wait()


def _forgetful_witness() -> grpc.GenericRpcHandler:
    """A witness that has seen no log and takes no checkpoint."""
    listing: Any = grpc.unary_unary_rpc_method_handler(
        lambda _request, _context: witness_pb.ListCheckpointsResponse(),
        witness_pb.ListCheckpointsRequest.FromString,
        lambda response: response.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(_WITNESS, {"ListCheckpoints": listing})


def parties_of(snapshot: registry_pb.Snapshot, *names: str) -> Sequence[registry_pb.Organization]:
    """The organizations of a snapshot by these names."""
    return [o for o in snapshot.organizations if o.organization_id in names]
