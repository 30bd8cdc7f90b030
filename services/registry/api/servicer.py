"""Serves the registry's RPCs: messages in, entries decided and kept, messages out."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from functools import partial

from google.protobuf.message import Message

from homeroom.agreement_statements import read_statement
from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer
from homeroom.clock import Clock
from homeroom.errors import NotPermittedError, RequestInvalidError
from homeroom.evidence import decode
from homeroom.federation import Organization, Standing
from homeroom.identity import require_organization_id
from homeroom.question import day_of
from homeroom.snapshot import STANDINGS, read_classes, read_organization
from services.registry.api import messages
from services.registry.api.publisher import Publisher
from services.registry.domain import decisions
from services.registry.domain.agreements import RegisteredAgreement, Submission, require_size
from services.registry.domain.ledger import ChangeRequest, Decision, E, Ledger, RegistryStore
from services.registry.domain.organizations import RegisteredOrganization, require_record_size
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.pages import key_of, page_of, page_size_of, token_after
from services.runtime.writes import content_digest


class RegistryServicer(RegistryServiceServicer):
    """The registry's RPCs. Database work runs in threads; writers of this process take turns."""

    def __init__(self, store: RegistryStore, publisher: Publisher, clock: Clock) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._writing = asyncio.Lock()

    async def RegisterOrganization(
        self, request: pb.RegisterOrganizationRequest, _context: ServicerContext
    ) -> pb.RegisterOrganizationResponse:
        caller = current_caller().organization_id
        described = _described(request.record, caller)
        record = messages.statement_of(request.record)
        decide = partial(decisions.register, described=described, record=record, now=self._clock())
        answer = _of_organization(pb.RegisterOrganizationResponse)
        return pb.RegisterOrganizationResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def SetStanding(
        self, request: pb.SetStandingRequest, _context: ServicerContext
    ) -> pb.SetStandingResponse:
        decide = partial(
            decisions.set_standing,
            organization_id=require_organization_id(request.organization_id),
            standing=STANDINGS.get(request.standing, Standing.UNKNOWN),
            now=self._clock(),
            debarred_until=(
                day_of(request.debarred_until, "debarred_until") if request.debarred_until else None
            ),
        )
        answer = _of_organization(pb.SetStandingResponse)
        return pb.SetStandingResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def SetClasses(
        self, request: pb.SetClassesRequest, _context: ServicerContext
    ) -> pb.SetClassesResponse:
        decide = partial(
            decisions.set_classes,
            organization_id=require_organization_id(request.organization_id),
            classes=read_classes(request.classes),
        )
        answer = _of_organization(pb.SetClassesResponse)
        return pb.SetClassesResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def MarkKeyCompromised(
        self, request: pb.MarkKeyCompromisedRequest, _context: ServicerContext
    ) -> pb.MarkKeyCompromisedResponse:
        decide = partial(
            decisions.mark_compromised,
            organization_id=require_organization_id(request.organization_id),
            key_id=request.key_id,
            since=_compromise_time(request),
        )
        answer = _of_organization(pb.MarkKeyCompromisedResponse)
        return pb.MarkKeyCompromisedResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def ListOrganizations(
        self, request: pb.ListOrganizationsRequest, _context: ServicerContext
    ) -> pb.ListOrganizationsResponse:
        limit = page_size_of(request.page_size)
        (after,) = key_of(request.page_token, 1)
        found = await asyncio.to_thread(self._store.organizations, after, limit + 1)
        page = page_of(found, limit, lambda one: len(one.record.content))
        more = len(found) > len(page)
        return pb.ListOrganizationsResponse(
            organizations=[messages.organization_message(one) for one in page],
            next_page_token=token_after(page[-1].organization_id) if more else "",
        )

    async def SubmitAgreementStatement(
        self, request: pb.SubmitAgreementStatementRequest, _context: ServicerContext
    ) -> pb.SubmitAgreementStatementResponse:
        submission = _submission(request, current_caller().organization_id)
        decide = partial(decisions.submit, submission=submission, read=read_statement)
        answer = _of_agreement(pb.SubmitAgreementStatementResponse)
        return pb.SubmitAgreementStatementResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def ListAgreements(
        self, request: pb.ListAgreementsRequest, _context: ServicerContext
    ) -> pb.ListAgreementsResponse:
        limit = page_size_of(request.page_size)
        (after,) = key_of(request.page_token, 1)
        caller = current_caller().organization_id
        found = await asyncio.to_thread(self._store.agreements_of, caller, after, limit + 1)
        page = page_of(found, limit, _size)
        more = len(found) > len(page)
        return pb.ListAgreementsResponse(
            agreements=[messages.agreement_message(one) for one in page],
            next_page_token=token_after(page[-1].agreement_id) if more else "",
        )

    async def GetSnapshot(
        self, _request: pb.GetSnapshotRequest, _context: ServicerContext
    ) -> pb.GetSnapshotResponse:
        return pb.GetSnapshotResponse(snapshot=await self._publisher.newest())

    async def WatchSnapshot(
        self, _request: pb.WatchSnapshotRequest, _context: ServicerContext
    ) -> AsyncIterator[pb.WatchSnapshotResponse]:
        async for event in self._publisher.watch():
            yield event

    async def _change(
        self,
        message: Message,
        request_id: str,
        decide: Callable[[Ledger], Decision[E]],
        answer: Callable[[E, int], bytes],
    ) -> bytes:
        request = _change_request(message, request_id)
        async with self._writing:
            answered = await asyncio.to_thread(self._store.change, request, decide, answer)
        self._publisher.changed()
        return answered


def _change_request(message: Message, request_id: str) -> ChangeRequest:
    return ChangeRequest(
        organization_id=current_caller().organization_id,
        request_id=request_id,
        digest=content_digest(message, request_id),
    )


def _submission(request: pb.SubmitAgreementStatementRequest, caller: str) -> Submission:
    """What the caller's own organization says."""
    evidence = messages.statement_of(request.statement)
    require_size(evidence, request.document)
    said = read_statement(evidence.content)
    if said.organization_id != caller:
        raise NotPermittedError("no such agreement to this caller")
    return Submission(said, evidence, request.document)


def _compromise_time(request: pb.MarkKeyCompromisedRequest) -> dt.datetime:
    try:
        if request.HasField("compromise_time"):
            return request.compromise_time.ToDatetime(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise RequestInvalidError("say from when on the key is not its own", field="compromise_time")


def _size(agreement: RegisteredAgreement) -> int:
    said = sum(len(statement.content) for statement in agreement.statements)
    return said + sum(map(len, agreement.documents))


def _described(evidence: evidence_pb2.SignedStatement, caller: str) -> Organization:
    """What a record says of the caller's own organization, once its signature checks."""
    require_record_size(evidence.statement)
    said = decode(pb.OrganizationRecord, evidence.statement).organization_id
    if said != caller:
        raise NotPermittedError("an organization registers only itself")
    return read_organization(pb.Organization(organization_id=caller, record=evidence))


def _of_organization(
    response: Callable[..., Message],
) -> Callable[[RegisteredOrganization, int], bytes]:
    def answer(organization: RegisteredOrganization, sequence: int) -> bytes:
        described = messages.organization_message(organization)
        return response(organization=described, sequence=sequence).SerializeToString()

    return answer


def _of_agreement(
    response: Callable[..., Message],
) -> Callable[[RegisteredAgreement, int], bytes]:
    def answer(agreement: RegisteredAgreement, sequence: int) -> bytes:
        described = messages.agreement_message(agreement)
        return response(agreement=described, sequence=sequence).SerializeToString()

    return answer
