"""Sends one organization its changes in order, and confirms by heartbeats that none is missing."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.channel import MAX_MESSAGE_BYTES
from homeroom.errors import StateBehindError
from homeroom.evidence import signed
from homeroom.signing import Domain, SigningKey
from services.consent.api.messages import change_message
from services.consent.api.pulse import Pulse
from services.consent.domain.ledger import Change, ConsentStore, LogHead

_PAGE = 500
_MAX_EVENT_BYTES = MAX_MESSAGE_BYTES // 8


@dataclass(frozen=True, slots=True)
class HeartbeatSigner:
    """Signs for the consent service: that nothing is missing, and what its log is."""

    federation: str
    organization_id: str
    key: SigningKey

    def heartbeat(
        self, organization_id: str, head: LogHead, chain: int, beat_time: dt.datetime
    ) -> evidence_pb2.SignedStatement:
        """The word to one organization that nothing newer concerned it at a time."""
        beat = pb.ConsentHeartbeat(
            federation=self.federation,
            organization_id=organization_id,
            sequence=head.size,
            organization_sequence=chain,
            log_root=head.root,
        )
        beat.beat_time.FromDatetime(beat_time)
        statement = beat.SerializeToString(deterministic=True)
        return signed(Domain.CONSENT_HEARTBEAT, statement, self.organization_id, self.key)

    def log_head(self, head: LogHead, sign_time: dt.datetime) -> evidence_pb2.SignedStatement:
        """The log's state, for whoever keeps a receipt."""
        message = log_pb.ConsentLogHead(
            federation=self.federation, size=head.size, merkle_root=head.root
        )
        message.sign_time.FromDatetime(sign_time)
        statement = message.SerializeToString(deterministic=True)
        return signed(Domain.CONSENT_LOG_HEAD, statement, self.organization_id, self.key)


class Watch:
    """Follows the order for organizations that watch their own part of it."""

    def __init__(self, store: ConsentStore, pulse: Pulse, signer: HeartbeatSigner) -> None:
        self._store = store
        self._pulse = pulse
        self._signer = signer

    async def follow(
        self, organization_id: str, after: int
    ) -> AsyncIterator[pb.WatchConsentsResponse]:
        """Every change that concerns an organization after a sequence, then each new one.

        A heartbeat follows as soon as all earlier changes have been sent, then with each beat, and
        at once when the order moved by changes that concern others: a query may name their
        sequence. It names only sequences whose changes stand before it in this stream.

        Raises:
            StateBehindError: if the order has not come as far as the caller says it has seen.
        """
        reading = await self._pulse.take()
        if after > reading.sequence:
            raise StateBehindError("this service has not seen that sequence", state="consent")
        position, beat, told = after, reading.beat - 1, after
        chain = await asyncio.to_thread(self._store.chain_at, organization_id, after)
        while True:
            if self._pulse.chain_of(organization_id) > position:
                async for event in self._changes(organization_id, position, reading.sequence):
                    chain = told = event.changes.changes[-1].sequence
                    yield event
            position = reading.sequence
            if reading.beat > beat or position > told:
                beat, told = reading.beat, position
                yield pb.WatchConsentsResponse(
                    heartbeat=self._signer.heartbeat(
                        organization_id, reading.head, chain, reading.time
                    )
                )
            reading = await self._pulse.after(reading.number)

    async def _changes(
        self, organization_id: str, after: int, up_to: int
    ) -> AsyncIterator[pb.WatchConsentsResponse]:
        # A page at a time: an organization that starts anew has a long way to catch up.
        while after < up_to:
            page = await asyncio.to_thread(
                self._store.changes, organization_id, after, up_to, _PAGE
            )
            for few in _by_size(page):
                changes = pb.ConsentChanges(changes=few)
                yield pb.WatchConsentsResponse(changes=changes)
            if len(page) < _PAGE:
                return
            after = page[-1].sequence


def _by_size(page: Sequence[Change]) -> Iterator[list[pb.ConsentChange]]:
    """The messages of a page, in lists that each fit one event."""
    few: list[pb.ConsentChange] = []
    size = 0
    for change in page:
        message = change_message(change)
        size += message.ByteSize()
        if few and size > _MAX_EVENT_BYTES:
            yield few
            few, size = [], message.ByteSize()
        few.append(message)
    if few:
        yield few
