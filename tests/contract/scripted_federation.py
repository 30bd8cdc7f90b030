"""A federation on the wire that says exactly what a test scripts: real TLS, real signatures."""

import datetime as dt
import io
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest

from homeroom import AsyncClient
from homeroom.agreement import AgreementDocument
from homeroom.api.common.v1 import answer_pb2, evidence_pb2, query_pb2
from homeroom.api.consent.v1.consent_service_pb2_grpc import (
    add_ConsentServiceServicer_to_server,
)
from homeroom.api.gateway.v1 import gateway_service_pb2 as gateway_pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import (
    add_GatewayServiceServicer_to_server,
)
from homeroom.api.node.v1.node_service_pb2_grpc import (
    add_NodeServiceServicer_to_server,
)
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import (
    add_RegistryServiceServicer_to_server,
)
from homeroom.catalog import dataset_named
from homeroom.clock import utc_now
from homeroom.development import (
    HUB_ROLES,
    ORGANIZATION_ROLES,
    DevelopmentAuthority,
    Hub,
    development_issuer,
    write_profile,
    write_secret,
)
from homeroom.evidence import signature_on, signed
from homeroom.identity import Role
from homeroom.packing import packed
from homeroom.sealing import AnswerContext, AnswerSealer, SealingKey
from homeroom.signing import Domain, SigningKey, digest_of
from homeroom.users import User
from tests.contract.scripted_wire import Events, Wire
from tests.histories import signed_by_all
from tools.signatory import Signatory

FEDERATION = "test.homeroom"
HOLDERS = ("bps", "cambridge")
REQUESTER = "dsni"
AGREEMENT = "after-school"
STUDENT = "3f9a"


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Holder:
    """A holder's keys, and what its answers are made of."""

    organization_id: str
    signing_key: SigningKey
    sealing_key: SealingKey

    def frames(
        self,
        digest: bytes,
        requester_key: bytes,
        batches: Sequence[pa.RecordBatch],
        /,
        **changes: Any,
    ) -> list[answer_pb2.AnswerFrame]:
        """An honest answer; `changes` replace fields of its receipt, or the key that signs it."""
        context = AnswerContext(digest, self.organization_id)
        sealer = AnswerSealer(requester_key, context)
        frames = [
            answer_pb2.AnswerFrame(sequence=i, sealed_rows=sealer.seal_rows(i, packed(piece)))
            for i, piece in enumerate(pieces_of(batches))
        ]
        frames = frames or [answer_pb2.AnswerFrame()]
        frames[0].sealed_key = sealer.sealed_key
        signer = changes.pop("signer", self.signing_key)
        receipt = self._receipt(digest, batches, sealer)
        for name, value in changes.items():
            if isinstance(value, list):
                receipt.ClearField(name)  # type: ignore[arg-type]  # names come from tests
                getattr(receipt, name).extend(value)
            else:
                setattr(receipt, name, value)
        statement = receipt.SerializeToString(deterministic=True)
        evidence = signed(Domain.RECEIPT, statement, self.organization_id, signer)
        last = answer_pb2.AnswerFrame(sequence=len(frames), outcome=receipt.outcome)
        last.sealed_receipt = sealer.seal_receipt(last.sequence, evidence.SerializeToString())
        return [*frames, last]

    def _receipt(
        self, digest: bytes, batches: Sequence[pa.RecordBatch], sealer: AnswerSealer
    ) -> answer_pb2.Receipt:
        columns = set(batches[0].schema.names) if batches else set()
        dataset = dataset_named("attendance")
        released = [e for e in dataset.elements if set(dataset.schema_of([e]).names) <= columns]
        receipt = answer_pb2.Receipt(
            query_digest=digest,
            holder=self.organization_id,
            requester=REQUESTER,
            outcome=answer_pb2.OUTCOME_ANSWERED,
            released_elements=released,
            reason_codes=["permitted_by_consent"],
            obligations=["inform_redisclosure_limits"],
            row_count=sum(batch.num_rows for batch in batches),
            agreement_version=1,
            registry_sequence=1,
            frames_digest=sealer.frames_digest(),
        )
        receipt.answer_time.FromDatetime(now())
        return receipt


def attendance(
    rows: int, elements: Iterable[str] = ("school_of_enrollment", "daily_attendance")
) -> list[pa.RecordBatch]:
    """Batches of attendance rows about one student, two rows each."""
    schema = dataset_named("attendance").schema_of(elements)
    values: dict[str, Any] = {
        "subject_ref": STUDENT,
        "school_id": "0101",
        "event_date": dt.date(2026, 3, 2),
        "category": "unexcused_absence",
        "duration_days": 1.0,
    }
    whole = [{name: values[name] for name in schema.names} for _ in range(rows)]
    return [
        pa.RecordBatch.from_pylist(whole[start : start + 2], schema=schema)
        for start in range(0, rows, 2)
    ]


def pieces_of(batches: Sequence[pa.RecordBatch]) -> list[bytes]:
    """One Arrow IPC stream in pieces that do not respect its messages."""
    if not batches:
        return []
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content = sink.getvalue()
    size = len(content) // 3 + 1
    return [content[i : i + size] for i in range(0, len(content), size)]


def plan(*holders: str) -> gateway_pb.QueryResponse:
    return gateway_pb.QueryResponse(plan=gateway_pb.Plan(holders=holders))


def framed(holder: str, frame: answer_pb2.AnswerFrame) -> gateway_pb.QueryResponse:
    return gateway_pb.QueryResponse(frame=gateway_pb.SourceFrame(holder=holder, frame=frame))


def ended(
    holder: str, outcome: answer_pb2.Outcome.ValueType, error_reason: str = ""
) -> gateway_pb.QueryResponse:
    return gateway_pb.QueryResponse(
        outcome=gateway_pb.SourceOutcome(holder=holder, outcome=outcome, error_reason=error_reason)
    )


@dataclass
class ScriptedFederation:
    """The wire, the folder of every organization's keys, and the holders that tests speak for."""

    wire: Wire
    folder: Path
    holders: dict[str, Holder]
    requester: Holder
    registry_key: SigningKey

    @property
    def profile(self) -> Path:
        return self.folder / REQUESTER / "profile.toml"

    def says(self, *sources: Callable[[bytes], list[gateway_pb.QueryResponse]]) -> None:
        """Scripts the gateway: it plans both holders, then sends what each source says."""

        async def script(query: query_pb2.Query, digest: bytes) -> Events:
            yield plan(*HOLDERS)
            for source in sources:
                for event in source(digest):
                    yield event

        self.wire.script = script

    def honest(self, holder: str, rows: int = 3, /, **changes: Any) -> Callable[[bytes], list[Any]]:
        """A source that answers; `changes` replace fields of its receipt."""

        def events(digest: bytes) -> list[gateway_pb.QueryResponse]:
            batches = changes.pop("batches", None) or attendance(rows)
            frames = self.frames(holder, digest, batches, **changes)
            outcome = frames[-1].outcome
            return [*(framed(holder, frame) for frame in frames), ended(holder, outcome)]

        return events

    def refusing(self, holder: str, code: str) -> Callable[[bytes], list[Any]]:
        """A source that refuses the question, with a receipt that says why."""
        refused = answer_pb2.OUTCOME_NO_PERMITTED_ANSWER

        def events(digest: bytes) -> list[gateway_pb.QueryResponse]:
            frames = self.frames(
                holder, digest, [], outcome=refused, reason_codes=[code], obligations=[]
            )
            return [*(framed(holder, frame) for frame in frames), ended(holder, refused)]

        return events

    def frames(
        self, holder: str, digest: bytes, batches: Sequence[pa.RecordBatch], /, **changes: Any
    ) -> list[answer_pb2.AnswerFrame]:
        key = self.requester.sealing_key.public
        return self.holders[holder].frames(digest, key, batches, **changes)

    def publish(self, sequence: int, expires_in: float = 600, **replaced_keys: SigningKey) -> None:
        """Publishes a snapshot; `replaced_keys` put another signing key in a holder's record."""
        members = [*self.holders.values(), self.requester]
        self.wire.snapshot = _snapshot(
            members, self.registry_key, sequence, expires_in, replaced_keys
        )

    def exchange(self, sequence: int, holder: str) -> SigningKey:
        """Publishes a snapshot in which a holder's new key took the former one's place."""
        snapshot = registry_pb.Snapshot.FromString(self.wire.snapshot.statement)
        found = next(one for one in snapshot.organizations if one.organization_id == holder)
        record = registry_pb.OrganizationRecord.FromString(found.record.statement)
        former, new = self.holders[holder].signing_key, SigningKey.generate()
        found.key_records.add(record=found.record).take_time.FromDatetime(utc_now())
        record.signing_key, record.record_version = new.public, record.record_version + 1
        for agreement in snapshot.agreements:
            record.agreement_heads.add(
                agreement_id=agreement.agreement_id,
                statement_digest=digest_of(agreement.statements[-1].statement),
            )
        statement = record.SerializeToString(deterministic=True)
        found.record.CopyFrom(signed(Domain.ORGANIZATION, statement, holder, new))
        found.record.signatures.append(signature_on(Domain.ORGANIZATION, statement, holder, former))
        found.key_records.add(record=found.record).take_time.FromDatetime(utc_now())
        snapshot.sequence = sequence
        content = snapshot.SerializeToString(deterministic=True)
        self.wire.snapshot = signed(Domain.SNAPSHOT, content, "hub", self.registry_key)
        return new


def document_of(members: Iterable[Holder]) -> AgreementDocument:
    """The agreement of the holders and the requester."""
    return AgreementDocument.model_validate(
        {
            "agreement_id": AGREEMENT,
            "version": 1,
            "title": "After school",
            "kind": "consented_sharing",
            "parties": [
                {
                    "organization_id": member.organization_id,
                    "role": "recipient" if member.organization_id == REQUESTER else "discloser",
                    "signing_key_id": member.signing_key.key_id,
                    "sealing_key_id": member.sealing_key.key_id,
                }
                for member in members
            ],
            "legal_basis": ["consent"],
            "schedules": [
                {
                    "purpose": "direct_service",
                    "text": "After school",
                    "elements": ["daily_attendance", "school_of_enrollment"],
                }
            ],
            "schools": dict.fromkeys(HOLDERS, "all"),
            "effective_from": dt.date(2026, 1, 1),
            "effective_to": dt.date(2036, 1, 1),
        }
    )


def _snapshot(
    members: Sequence[Holder],
    registry_key: SigningKey,
    sequence: int,
    expires_in: float,
    replaced_keys: dict[str, SigningKey],
) -> evidence_pb2.SignedStatement:
    agreement = signed_by_all(
        document_of(members), [(m.organization_id, m.signing_key) for m in members]
    )
    snapshot = registry_pb.Snapshot(
        federation=FEDERATION,
        sequence=sequence,
        organizations=[
            _organization(m, replaced_keys.get(m.organization_id, m.signing_key)) for m in members
        ],
        agreements=[agreement],
    )
    snapshot.issue_time.FromDatetime(now())
    snapshot.expire_time.FromDatetime(now() + dt.timedelta(seconds=expires_in))
    statement = snapshot.SerializeToString(deterministic=True)
    return signed(Domain.SNAPSHOT, statement, "hub", registry_key)


def _organization(member: Holder, key: SigningKey) -> registry_pb.Organization:
    holds = member.organization_id in HOLDERS
    signatory = Signatory(member.organization_id, key, member.sealing_key)
    return registry_pb.Organization(
        organization_id=member.organization_id,
        record=signatory.signs_record(
            display_name=member.organization_id.upper(),
            kind="district" if holds else "community_org",
            node_address="127.0.0.1:1" if holds else "",
            datasets=["attendance"] if holds else [],
            user_issuer="https://issuer",
            user_keys="{}",
        ),
        standing=registry_pb.STANDING_ACTIVE,
    )


def _credentials(folder: Path, role: Role) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [((folder / f"{role}_key.pem").read_bytes(), (folder / f"{role}.pem").read_bytes())],
        root_certificates=(folder / "authorities.pem").read_bytes(),
        require_client_auth=True,
    )


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[ScriptedFederation]:
    federation, server = await _start(tmp_path)
    yield federation
    await server.stop(None)


@pytest.fixture
async def client(federation: ScriptedFederation) -> AsyncIterator[AsyncClient]:
    """The requester's."""
    async with AsyncClient(federation.profile) as client:
        yield client


async def _start(folder: Path) -> tuple[ScriptedFederation, grpc.aio.Server]:
    """Writes every key and profile and starts the services, each on a port of its own."""
    authority = DevelopmentAuthority.create(folder, FEDERATION, now())
    hub = authority.make_organization("hub", HUB_ROLES, now())
    members = {name: _member(authority, name) for name in (*HOLDERS, REQUESTER)}
    registry_key = SigningKey.load(hub / "signing_key.pem")
    wire = Wire(registry_key)
    server = grpc.aio.server()
    for add in (
        add_GatewayServiceServicer_to_server,
        add_RegistryServiceServicer_to_server,
        add_ConsentServiceServicer_to_server,
        add_NodeServiceServicer_to_server,
    ):
        add(wire, server)
    ports = {
        role: server.add_secure_port("127.0.0.1:0", _credentials(hub, role))
        for role in (Role.GATEWAY, Role.REGISTRY, Role.CONSENT)
    }
    node = server.add_secure_port("127.0.0.1:0", _credentials(folder / REQUESTER, Role.NODE))
    at = {role: f"127.0.0.1:{port}" for role, port in ports.items()}
    described = Hub(
        "hub", at[Role.REGISTRY], at[Role.CONSENT], at[Role.GATEWAY], registry_key.public
    )
    for name in ("hub", *members):
        address = f"127.0.0.1:{node}" if name == REQUESTER else ""
        write_profile(folder / name, FEDERATION, described, node_address=address)
    requester = members.pop(REQUESTER)
    federation = ScriptedFederation(wire, folder, members, requester, registry_key)
    federation.publish(1)
    await server.start()
    return federation, server


def _member(authority: DevelopmentAuthority, name: str) -> Holder:
    folder = authority.make_organization(name, ORGANIZATION_ROLES, now())
    user = User("u1", name, "case_worker", dt.date(2036, 1, 1))
    token = development_issuer(folder, FEDERATION).token(user, FEDERATION, now())
    write_secret(folder / "user.token", token.encode())
    return Holder(
        name,
        SigningKey.load(folder / "signing_key.pem"),
        SealingKey.load(folder / "sealing_key.pem"),
    )
