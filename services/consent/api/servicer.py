"""Serves the consent service's RPCs: messages in, consents kept in order, messages out."""

import asyncio
from collections.abc import AsyncIterator

from google.protobuf.message import Message

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceServicer
from homeroom.errors import NotPermittedError
from services.consent.api import messages
from services.consent.api.pulse import Pulse
from services.consent.api.watch import Watch
from services.consent.domain.consents import require_recordable, well_formed
from services.consent.domain.ledger import ChangeRequest, ConsentStore
from services.consent.domain.revocations import require_own_word
from services.runtime.identity import ServicerContext, current_caller
from services.runtime.pages import key_of, number_of, page_size_of, token_after
from services.runtime.registry_feed import RegistryFeed
from services.runtime.writes import content_digest


class ConsentServicer(ConsentServiceServicer):
    """The consent RPCs. Database work runs in threads; writers of this process take turns."""

    def __init__(
        self, store: ConsentStore, pulse: Pulse, watch: Watch, registry: RegistryFeed
    ) -> None:
        self._store = store
        self._pulse = pulse
        self._watch = watch
        self._registry = registry
        self._writing = asyncio.Lock()

    async def RecordConsents(
        self, request: pb.RecordConsentsRequest, _context: ServicerContext
    ) -> pb.RecordConsentsResponse:
        consents = [messages.consent_of(one) for one in request.consents]
        require_recordable(consents, self._registry.state(), current_caller().organization_id)
        change = _change_request(request, request.request_id)
        async with self._writing:
            recorded = await asyncio.to_thread(self._store.record, change, consents)
        self._pulse.changed()
        return pb.RecordConsentsResponse(sequence=recorded.sequence, recorded_count=recorded.count)

    async def RevokeConsent(
        self, request: pb.RevokeConsentRequest, _context: ServicerContext
    ) -> pb.RevokeConsentResponse:
        revocation = messages.revocation_of(request.revocation)
        require_own_word(revocation, self._registry.state(), current_caller().organization_id)
        change = _change_request(request, request.request_id)
        if not well_formed(revocation.consent_id):
            raise NotPermittedError("no such consent to this caller")
        async with self._writing:
            sequence = await asyncio.to_thread(self._store.revoke, change, revocation)
        self._pulse.changed()
        return pb.RevokeConsentResponse(sequence=sequence)

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


def _change_request(message: Message, request_id: str) -> ChangeRequest:
    return ChangeRequest(
        organization_id=current_caller().organization_id,
        request_id=request_id,
        digest=content_digest(message, request_id),
    )
