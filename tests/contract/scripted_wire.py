"""Every service of a federation in one: it says exactly what a test scripts, over the wire."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from homeroom.api.common.v1 import evidence_pb2, query_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as consent_pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import (
    ConsentServiceServicer,
)
from homeroom.api.gateway.v1 import gateway_service_pb2 as gateway_pb
from homeroom.api.gateway.v1.gateway_service_pb2_grpc import (
    GatewayServiceServicer,
)
from homeroom.api.node.v1 import node_service_pb2 as node_pb
from homeroom.api.node.v1.node_service_pb2_grpc import (
    NodeServiceServicer,
)
from homeroom.api.registry.v1 import registry_service_pb2 as registry_pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import (
    RegistryServiceServicer,
)
from homeroom.errors import (
    ChangedMeanwhileError,
    HomeroomError,
    NotPermittedError,
    ServiceUnreachableError,
)
from homeroom.evidence import signed
from homeroom.signing import Domain, SigningKey, digest_of

Events = AsyncIterator[gateway_pb.QueryResponse]
Script = Callable[[query_pb2.Query, bytes], Events]


@dataclass
class Wire(
    GatewayServiceServicer, RegistryServiceServicer, ConsentServiceServicer, NodeServiceServicer
):
    """Every service at one address; each method says what the test scripted."""

    registry_key: SigningKey
    snapshot: evidence_pb2.SignedStatement = field(default_factory=evidence_pb2.SignedStatement)
    script: Script | None = None
    refusal: HomeroomError | None = None
    queries: list[query_pb2.Query] = field(default_factory=list)
    resumed: Callable[[gateway_pb.ResumeQueryRequest], Events] | None = None
    resumes: list[gateway_pb.ResumeQueryRequest] = field(default_factory=list)
    consents: dict[str, consent_pb.Consent] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    acts: list[Any] = field(default_factory=list)
    unready: int = 0
    forgetful: bool = False
    amended: bool = False

    async def Query(self, request: Any, context: Any) -> Any:
        query = query_pb2.Query.FromString(request.query.statement)
        self.queries.append(query)
        if self.unready:
            self.unready -= 1
            await abort(context, ServiceUnreachableError("not ready"))
        if self.amended:
            self.amended = False
            await abort(context, ChangedMeanwhileError("another version is in force"))
        if self.refusal is not None:
            await abort(context, self.refusal)
        assert self.script is not None
        try:
            async for event in self.script(query, digest_of(request.query.statement)):
                yield event
        except HomeroomError as broke:
            await abort(context, broke)

    async def ResumeQuery(self, request: Any, context: Any) -> Any:
        self.resumes.append(request)
        if self.resumed is None:
            await abort(context, ServiceUnreachableError("not ready"))
        assert self.resumed is not None
        try:
            async for event in self.resumed(request):
                yield gateway_pb.ResumeQueryResponse(event=event)
        except HomeroomError as refused:
            await abort(context, refused)

    async def ResumeAnswer(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))
        yield node_pb.ResumeAnswerResponse()

    async def GetSnapshot(self, request: Any, context: Any) -> Any:
        return registry_pb.GetSnapshotResponse(snapshot=self.snapshot)

    async def ListOrganizations(self, request: Any, context: Any) -> Any:
        snapshot = registry_pb.Snapshot.FromString(self.snapshot.statement)
        return registry_pb.ListOrganizationsResponse(organizations=snapshot.organizations)

    async def SetStanding(self, request: Any, context: Any) -> Any:
        if b"/operator" not in _peer(context):
            await abort(context, NotPermittedError("this caller may not call this method"))
        self.acts.append(request)
        snapshot = registry_pb.Snapshot.FromString(self.snapshot.statement)
        found = next(
            o for o in snapshot.organizations if o.organization_id == request.organization_id
        )
        found.standing = request.standing
        return registry_pb.SetStandingResponse(organization=found, sequence=2)

    async def SetClasses(self, request: Any, context: Any) -> Any:
        self.acts.append(request)
        snapshot = registry_pb.Snapshot.FromString(self.snapshot.statement)
        found = next(
            o for o in snapshot.organizations if o.organization_id == request.organization_id
        )
        found.classes.extend(request.classes)
        return registry_pb.SetClassesResponse(organization=found, sequence=2)

    async def MarkKeyCompromised(self, request: Any, context: Any) -> Any:
        self.acts.append(request)
        snapshot = registry_pb.Snapshot.FromString(self.snapshot.statement)
        found = next(
            o for o in snapshot.organizations if o.organization_id == request.organization_id
        )
        found.key_records.add(record=found.record, compromise_time=request.compromise_time)
        return registry_pb.MarkKeyCompromisedResponse(organization=found, sequence=2)

    async def RegisterOrganization(self, request: Any, context: Any) -> Any:
        self.acts.append(request)
        record = registry_pb.OrganizationRecord.FromString(request.record.statement)
        organization = registry_pb.Organization(
            organization_id=record.organization_id,
            record=request.record,
            standing=registry_pb.STANDING_PENDING,
        )
        return registry_pb.RegisterOrganizationResponse(organization=organization, sequence=2)

    async def SubmitAgreementStatement(self, request: Any, context: Any) -> Any:
        """Takes whatever is said, and publishes it."""
        self.acts.append(request)
        said = registry_pb.AgreementStatement.FromString(request.statement.statement)
        snapshot = registry_pb.Snapshot.FromString(self.snapshot.statement)
        found = [a for a in snapshot.agreements if a.agreement_id == said.agreement_id]
        agreement = found[0] if found else snapshot.agreements.add(agreement_id=said.agreement_id)
        if not self.forgetful:
            agreement.statements.append(request.statement)
        if request.document:
            agreement.documents.append(request.document)
        snapshot.sequence += 1
        statement = snapshot.SerializeToString(deterministic=True)
        self.snapshot = signed(Domain.SNAPSHOT, statement, "hub", self.registry_key)
        return registry_pb.SubmitAgreementStatementResponse(
            agreement=agreement, sequence=snapshot.sequence
        )

    async def ListAgreements(self, request: Any, context: Any) -> Any:
        snapshot = registry_pb.Snapshot.FromString(self.snapshot.statement)
        return registry_pb.ListAgreementsResponse(agreements=snapshot.agreements)

    async def RecordConsents(self, request: Any, context: Any) -> Any:
        self.batches.append(len(request.consents))
        self.consents.update({consent.consent_id: consent for consent in request.consents})
        places = {consent_id: place for place, consent_id in enumerate(self.consents, 1)}
        return consent_pb.RecordConsentsResponse(
            sequence=len(self.consents),
            recorded_count=len(request.consents),
            sequences=[places[consent.consent_id] for consent in request.consents],
        )

    async def RevokeConsent(self, request: Any, context: Any) -> Any:
        revocation = consent_pb.Revocation.FromString(request.revocation.statement)
        if revocation.consent_id not in self.consents:
            await abort(context, NotPermittedError("not permitted"))
        consent = self.consents[revocation.consent_id]
        consent.state = consent_pb.CONSENT_STATE_REVOKED
        consent.revoke_time.CopyFrom(revocation.revoke_time)
        return consent_pb.RevokeConsentResponse(sequence=len(self.consents) + 1)

    async def NarrowConsent(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))

    async def ReportVerdicts(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))

    async def RotateSubjectRefs(self, request: Any, context: Any) -> Any:
        self.acts.append(request)
        return consent_pb.RotateSubjectRefsResponse(sequence=len(self.consents) + 2)

    async def ListReports(self, request: Any, context: Any) -> Any:
        return consent_pb.ListReportsResponse()

    async def GetConsentProof(self, request: Any, context: Any) -> Any:
        """Shows the consent; this service has no log."""
        if request.consent_id not in self.consents:
            await abort(context, NotPermittedError("not permitted"))
        return consent_pb.GetConsentProofResponse(consent=self.consents[request.consent_id])

    async def GetConsentLog(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))

    async def ListConsents(self, request: Any, context: Any) -> Any:
        """Two a page."""
        start = int(request.page_token or "0")
        consents = list(self.consents.values())
        more = start + 2 < len(consents)
        return consent_pb.ListConsentsResponse(
            consents=consents[start : start + 2], next_page_token=str(start + 2) if more else ""
        )

    async def GetNodeStatus(self, request: Any, context: Any) -> Any:
        return node_pb.GetNodeStatusResponse(
            organization_id="dsni",
            datasets=[
                node_pb.DatasetCount(dataset="services", record_count=7),
                node_pb.DatasetCount(dataset="programs", from_view=True),
            ],
            registry_sequence=1,
            change_sequence=4,
            intakes=[
                node_pb.IntakeRun(
                    run=4,
                    source="sis",
                    format="record_csv",
                    tables=[node_pb.TableTally(table="service_event", read_count=9, added_count=7)],
                    rejected_count=2,
                )
            ],
            schools=[
                node_pb.SchoolAttendance(
                    school_id="elm",
                    attendance_kind="exceptions",
                    last_reported_date="2026-09-09",
                )
            ],
            policy_engine="opa 1.0",
            log_size=3,
        )

    async def Answer(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))
        yield node_pb.AnswerResponse()

    async def WatchConsents(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))
        yield consent_pb.WatchConsentsResponse()

    async def WatchSnapshot(self, request: Any, context: Any) -> Any:
        await abort(context, NotPermittedError("not permitted"))
        yield registry_pb.WatchSnapshotResponse()


async def abort(context: Any, error: HomeroomError) -> None:
    """Ends a call as a service of Homeroom does."""
    detail = AnyMessage()
    detail.Pack(ErrorInfo(reason=error.reason, domain="homeroom", metadata=error.metadata))
    code = grpc.StatusCode.UNAVAILABLE
    if isinstance(error, NotPermittedError):
        code = grpc.StatusCode.PERMISSION_DENIED
    status = rpc_status.to_status(
        Status(code=code.value[0], message=error.message, details=[detail])
    )
    await context.abort(code, error.message, status.trailing_metadata)


def _peer(context: Any) -> bytes:
    return b" ".join(context.auth_context()["x509_subject_alternative_name"])
