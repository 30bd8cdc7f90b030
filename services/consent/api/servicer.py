"""Serves the consent service's RPCs: messages in, consents kept in order, messages out."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeAlias

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer
from homeroom.clock import Clock
from homeroom.consent_log import ChangeKind
from homeroom.errors import NotPermittedError
from services.consent.api import messages
from services.consent.api.pulse import Pulse
from services.consent.api.watch import HeartbeatSigner, Watch
from services.consent.domain.consents import Consent, require_recordable, well_formed
from services.consent.domain.ledger import ChangeRequest, ConsentStore, LogHead, Recorded
from services.consent.domain.notices import Notice, require_own_notice
from services.consent.domain.revocations import require_own_word
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.pages import key_of, number_of, page_size_of, token_after
from services.runtime.registry_feed import RegistryFeed
from services.runtime.writes import content_digest

_MAX_REPORTS = 30
"""Of 256 KB at most each: a page of them fits one message."""


_Write: TypeAlias = (
    pb.RecordConsentsRequest
    | pb.RevokeConsentRequest
    | pb.NarrowConsentRequest
    | pb.ReportVerdictsRequest
    | pb.RotateSubjectRefsRequest
)


class ConsentServicer(ConsentServiceServicer):
    """The consent RPCs. Database work runs in threads; writers of this process take turns."""

    def __init__(
        self,
        store: ConsentStore,
        pulse: Pulse,
        signer: HeartbeatSigner,
        registry: RegistryFeed,
        clock: Clock,
    ) -> None:
        self._store = store
        self._pulse = pulse
        self._signer = signer
        self._watch = Watch(store, pulse, signer)
        self._registry = registry
        self._clock = clock
        self._writing = asyncio.Lock()

    async def RecordConsents(
        self, request: pb.RecordConsentsRequest, _context: ServicerContext
    ) -> pb.RecordConsentsResponse:
        consents = [messages.consent_of(one) for one in request.consents]
        require_recordable(consents, self._registry.state(), current_caller().organization_id)
        change = self._change_request(request)
        async with self._writing:
            recorded = await asyncio.to_thread(
                self._store.record, change, consents, skip_recorded=request.skip_recorded
            )
        self._pulse.changed()
        return await asyncio.to_thread(self._recorded, consents, recorded)

    async def RevokeConsent(
        self, request: pb.RevokeConsentRequest, _context: ServicerContext
    ) -> pb.RevokeConsentResponse:
        revocation = messages.revocation_of(request.revocation)
        caller, now = current_caller().organization_id, self._clock()
        require_own_word(revocation, self._registry.state(), caller, now)
        change = self._change_request(request)
        if not well_formed(revocation.consent_id):
            raise NotPermittedError("no such consent to this caller")
        async with self._writing:
            sequence = await asyncio.to_thread(self._store.revoke, change, revocation)
        self._pulse.changed()
        proof = await asyncio.to_thread(self._proof, revocation.consent_id)
        return pb.RevokeConsentResponse(sequence=sequence, proof=proof)

    async def NarrowConsent(
        self, request: pb.NarrowConsentRequest, _context: ServicerContext
    ) -> pb.NarrowConsentResponse:
        notice = messages.narrowing_of(request.narrowing)
        sequence = await self._notify(notice, self._change_request(request))
        proof = await asyncio.to_thread(self._proof, notice.consent_id)
        return pb.NarrowConsentResponse(sequence=sequence, proof=proof)

    async def ReportVerdicts(
        self, request: pb.ReportVerdictsRequest, _context: ServicerContext
    ) -> pb.ReportVerdictsResponse:
        notice = messages.report_of(request.report)
        sequence = await self._notify(notice, self._change_request(request))
        return pb.ReportVerdictsResponse(sequence=sequence)

    async def RotateSubjectRefs(
        self, request: pb.RotateSubjectRefsRequest, _context: ServicerContext
    ) -> pb.RotateSubjectRefsResponse:
        notice = messages.rotation_of(request.rotation)
        sequence = await self._notify(notice, self._change_request(request))
        return pb.RotateSubjectRefsResponse(sequence=sequence)

    async def ListReports(
        self, request: pb.ListReportsRequest, _context: ServicerContext
    ) -> pb.ListReportsResponse:
        limit = min(page_size_of(request.page_size), _MAX_REPORTS)
        (after,) = key_of(request.page_token, 1)
        found = await asyncio.to_thread(
            self._store.reports_to, current_caller().organization_id, number_of(after), limit + 1
        )
        page, more = found[:limit], len(found) > limit
        return pb.ListReportsResponse(
            reports=[messages.report_message(notice) for _, notice in page],
            next_page_token=token_after(str(page[-1][0])) if more else "",
        )

    async def GetConsentProof(
        self, request: pb.GetConsentProofRequest, _context: ServicerContext
    ) -> pb.GetConsentProofResponse:
        if not well_formed(request.consent_id):
            raise NotPermittedError("no such consent to this caller")
        caller = current_caller().organization_id
        proof = await asyncio.to_thread(self._proof, request.consent_id)
        found = await asyncio.to_thread(self._store.consents_named, [request.consent_id], caller)
        return pb.GetConsentProofResponse(proof=proof, consent=messages.listed_message(found[0]))

    async def GetConsentLog(
        self, request: pb.GetConsentLogRequest, _context: ServicerContext
    ) -> pb.GetConsentLogResponse:
        head, path = await asyncio.to_thread(self._store.growth, request.known_size, request.size)
        return pb.GetConsentLogResponse(head=self._head(head), consistency_path=path)

    async def ListConsents(
        self, request: pb.ListConsentsRequest, _context: ServicerContext
    ) -> pb.ListConsentsResponse:
        limit = page_size_of(request.page_size)
        (after,) = key_of(request.page_token, 1)
        found = await asyncio.to_thread(
            self._store.consents_of,
            current_caller().organization_id,
            number_of(after),
            limit + 1,
        )
        page, more = found[:limit], len(found) > limit
        return pb.ListConsentsResponse(
            consents=[messages.listed_message(one) for one in page],
            next_page_token=token_after(str(page[-1].sequence)) if more else "",
        )

    async def WatchConsents(
        self, request: pb.WatchConsentsRequest, _context: ServicerContext
    ) -> AsyncIterator[pb.WatchConsentsResponse]:
        organization_id = current_caller().organization_id
        async for event in self._watch.follow(organization_id, request.after_sequence):
            yield event

    async def _notify(self, notice: Notice, change: ChangeRequest) -> int:
        require_own_notice(notice, self._registry.state(), current_caller().organization_id)
        if notice.kind is ChangeKind.NARROWED and not well_formed(notice.consent_id):
            raise NotPermittedError("no such consent to this caller")
        async with self._writing:
            sequence = await asyncio.to_thread(self._store.notify, change, notice)
        self._pulse.changed()
        return sequence

    def _recorded(
        self, consents: Sequence[Consent], recorded: Recorded
    ) -> pb.RecordConsentsResponse:
        sequences = self._sequences(consents, recorded)
        size_before = recorded.sequence - recorded.count
        grown = self._store.appended(size_before, recorded.sequence)
        old = [one for one, sequence in sequences.items() if sequence <= size_before]
        caller = current_caller().organization_id
        return pb.RecordConsentsResponse(
            recorded_before=[
                messages.listed_message(one) for one in self._store.consents_named(old, caller)
            ],
            sequence=recorded.sequence,
            recorded_count=recorded.count,
            sequences=[sequences[consent.consent_id] for consent in consents],
            log=log_pb.LogExtension(
                head=self._head(grown.head),
                size_before=grown.size_before,
                roots_before=grown.roots_before,
            ),
        )

    def _sequences(self, consents: Sequence[Consent], recorded: Recorded) -> Mapping[str, int]:
        """Where consents stand: those that were all new stand together, in their order."""
        ids = [consent.consent_id for consent in consents]
        if recorded.count < len(ids):
            return self._store.sequences_of(ids)
        first = recorded.sequence - recorded.count + 1
        return {consent_id: place for place, consent_id in enumerate(ids, start=first)}

    def _proof(self, consent_id: str) -> log_pb.ConsentProof:
        proof = self._store.proof_of(consent_id, current_caller().organization_id)
        return messages.proof_message(proof, self._head(proof.head))

    def _head(self, head: LogHead) -> evidence_pb2.SignedStatement:
        return self._signer.log_head(head, self._clock())

    def _change_request(self, message: _Write) -> ChangeRequest:
        return ChangeRequest(
            organization_id=current_caller().organization_id,
            request_id=message.request_id,
            digest=content_digest(message, message.request_id),
            at=self._clock(),
        )
