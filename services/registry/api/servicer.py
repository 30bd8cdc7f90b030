"""Serves the registry's RPCs: messages in, entries decided and kept, messages out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from google.protobuf.message import Message

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.registry.v1 import registry_service_pb2 as pb
from homeroom.api.registry.v1.registry_service_pb2_grpc import RegistryServiceServicer
from homeroom.clock import Clock
from homeroom.errors import NotPermittedError
from homeroom.evidence import decode
from homeroom.federation import Organization, Standing
from homeroom.identity import require_organization_id
from homeroom.snapshot import STANDINGS, read_classes, read_organization
from services.registry.api import messages
from services.registry.api.publisher import Publisher
from services.registry.domain import decisions
from services.registry.domain.agreements import Ending, RegisteredAgreement, read_proposal
from services.registry.domain.ledger import ChangeRequest, Decision, E, Ledger, RegistryStore
from services.registry.domain.organizations import RegisteredOrganization, require_record_size
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.pages import key_of, number_of, page_of, page_size_of, token_after
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

    async def ProposeAgreement(
        self, request: pb.ProposeAgreementRequest, _context: ServicerContext
    ) -> pb.ProposeAgreementResponse:
        caller = current_caller().organization_id
        document = read_proposal(request.document.statement, caller)
        proposal = messages.statement_of(request.document)
        decide = partial(decisions.propose, document=document, proposal=proposal, caller=caller)
        answer = _of_agreement(pb.ProposeAgreementResponse)
        return pb.ProposeAgreementResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def SignAgreement(
        self, request: pb.SignAgreementRequest, _context: ServicerContext
    ) -> pb.SignAgreementResponse:
        decide = partial(
            decisions.sign,
            agreement_id=request.agreement_id,
            version=request.version,
            signature=messages.signature_of(request.signature),
            caller=current_caller().organization_id,
        )
        answer = _of_agreement(pb.SignAgreementResponse)
        return pb.SignAgreementResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def EndAgreement(
        self, request: pb.EndAgreementRequest, _context: ServicerContext
    ) -> pb.EndAgreementResponse:
        said = decode(pb.AgreementEnding, request.ending.statement)
        ending = Ending(
            said.agreement_id,
            said.version,
            said.organization_id,
            messages.statement_of(request.ending),
        )
        decide = partial(decisions.end, ending=ending, caller=current_caller().organization_id)
        answer = _of_agreement(pb.EndAgreementResponse)
        return pb.EndAgreementResponse.FromString(
            await self._change(request, request.request_id, decide, answer)
        )

    async def ListAgreements(
        self, request: pb.ListAgreementsRequest, _context: ServicerContext
    ) -> pb.ListAgreementsResponse:
        limit = page_size_of(request.page_size)
        identifier, version = key_of(request.page_token, 2)
        found = await asyncio.to_thread(
            self._store.agreements_of,
            current_caller().organization_id,
            (identifier, number_of(version)),
            limit + 1,
        )
        page = page_of(found, limit, lambda one: len(one.document.content))
        more = len(found) > len(page)
        next_token = token_after(page[-1].agreement_id, str(page[-1].version)) if more else ""
        return pb.ListAgreementsResponse(
            agreements=[messages.agreement_message(one) for one in page],
            next_page_token=next_token,
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
