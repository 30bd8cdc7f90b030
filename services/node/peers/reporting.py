"""Tells recorders what the holder's rules say of their consents, and requesters what to give up.

Never whether a student was found. A verdict is noted where its consent is, a retraction where the
link was undone; each stays noted until the consent service has the report: whatever stops in
between, it is told later, and telling it twice changes nothing.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import grpc

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.clock import Clock
from homeroom.consent import seal_report
from homeroom.consent_notices import MAX_TOGETHER, Retraction, Verdict, VerdictReport
from homeroom.errors import LogUnavailableError, StateStaleError
from homeroom.held_keys import HeldKeys
from services.node.domain.consent_book import Told
from services.node.domain.reviewing import ToRetract
from services.runtime.logs import log
from services.runtime.registry_feed import RegistryFeed

if TYPE_CHECKING:
    from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

T = TypeVar("T")

_LOOK_SECONDS = 2.0
_LULL_SECONDS = 300.0
_SEND_SECONDS = 20.0


class Verdicts(Protocol):
    """What recorders are to be told."""

    def verdicts(self, recorders: Collection[str], most: int) -> Sequence[Told]:
        """Verdicts that these recorders were not told yet, those of one recorder together."""
        ...

    def note_told(self, told: Iterable[Told]) -> None:
        """These were told; a verdict that is another by now is still to be told."""
        ...


class Retractions(Protocol):
    """What requesters have to give up."""

    def retractions(self, recipients: Collection[str], most: int) -> Sequence[ToRetract]:
        """What these requesters were not told yet, that of one requester together."""
        ...

    def note_sent(self, sent: Iterable[ToRetract]) -> None:
        """These were sent."""
        ...


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    """One kind of word: what waits to be told, to whom, in which words, and that it was told."""

    waiting: Callable[[Collection[str], int], Sequence[T]]
    reader: Callable[[T], str]
    report: Callable[[str, Sequence[T]], VerdictReport]
    note: Callable[[Sequence[T]], None]


class Reporting:
    """Sends a holder's verdicts and retractions through the consent service, sealed to each."""

    def __init__(
        self,
        holder: str,
        keys: HeldKeys,
        verdicts: Verdicts,
        retractions: Retractions,
        registry: RegistryFeed,
        clock: Clock,
    ) -> None:
        self._holder = holder
        self._keys = keys
        self._verdicts = verdicts
        self._retractions = retractions
        self._registry = registry
        self._clock = clock

    async def run(
        self, channel: grpc.aio.Channel, lull: Callable[[float], Awaitable[None]]
    ) -> None:
        """Reports for as long as the node runs.

        Args:
            channel: to the consent service.
            lull: waits until few consents arrive, or so many seconds. What they allow comes
                before what is told of them.
        """
        stub: ConsentServiceAsyncStub = ConsentServiceStub(channel)
        while True:
            await lull(_LULL_SECONDS)
            # Whatever is away now comes back, and the verdicts are still there.
            with suppress(StateStaleError, LogUnavailableError):
                await self.report(stub)
            await asyncio.sleep(_LOOK_SECONDS)

    async def report(self, stub: "ConsentServiceAsyncStub") -> None:
        """Reports all that was not told yet, and can be told now.

        Raises:
            StateStaleError: if no state of the registry is known.
        """
        organizations = self._registry.state().organizations
        # What an organization recorded about its own students, its own status tells.
        keys = {n: one.sealing_key for n, one in organizations.items() if n != self._holder}
        verdicts = _Kind(
            waiting=self._verdicts.verdicts,
            reader=lambda told: told.recorder,
            report=self._of_verdicts,
            note=self._verdicts.note_told,
        )
        retractions = _Kind(
            waiting=self._retractions.retractions,
            reader=lambda told: told.recipient,
            report=self._of_retractions,
            note=self._retractions.note_sent,
        )
        await self._tell(stub, dict(keys), verdicts)
        await self._tell(stub, dict(keys), retractions)

    async def _tell(
        self, stub: "ConsentServiceAsyncStub", keys: dict[str, bytes], kind: _Kind[T]
    ) -> None:
        """Tells each organization all that waits for it, until it cannot be told."""
        while told := await asyncio.to_thread(kind.waiting, list(keys), MAX_TOGETHER):
            for reader, some in groupby(told, kind.reader):
                these = list(some)
                try:
                    await self._send(stub, kind.report(reader, these), keys[reader])
                except grpc.aio.AioRpcError as failed:
                    log.warning("a report could not be sent", code=failed.code().name)
                    del keys[reader]
                else:
                    await asyncio.to_thread(kind.note, these)

    def _of_verdicts(self, reader: str, told: Sequence[Told]) -> VerdictReport:
        return VerdictReport(
            holder=self._holder,
            recorder=reader,
            verdicts=[_verdict(one) for one in told],
            time=self._clock(),
        )

    def _of_retractions(self, reader: str, told: Sequence[ToRetract]) -> VerdictReport:
        return VerdictReport(
            holder=self._holder,
            recorder=reader,
            retractions=[
                Retraction(
                    query_digest=bytes.fromhex(one.query_digest), subject_ref=one.subject_ref
                )
                for one in told
            ],
            time=self._clock(),
        )

    async def _send(
        self, stub: "ConsentServiceAsyncStub", report: VerdictReport, sealing_key: bytes
    ) -> None:
        request = pb.ReportVerdictsRequest(
            report=seal_report(report, self._keys.signer, sealing_key),
            request_id=secrets.token_hex(16),
        )
        await stub.ReportVerdicts(request, timeout=_SEND_SECONDS)


def _verdict(told: Told) -> Verdict:
    return Verdict(
        consent_id=told.consent_id,
        accepted=not told.verdict.codes,
        codes=told.verdict.codes,
        last_date=told.verdict.last_date,
    )
