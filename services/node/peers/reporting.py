"""Tells recorders what the holder's rules say of their consents; never whether a student was found.

A verdict is noted where its consent is, and stays noted until the consent service has the report:
whatever stops in between, it is told later, and telling it twice changes nothing.
"""

import asyncio
import secrets
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Protocol

import grpc

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceStub
from homeroom.clock import Clock
from homeroom.consent import seal_report
from homeroom.consent_notices import MAX_TOGETHER, Verdict, VerdictReport
from homeroom.errors import LogUnavailableError, StateStaleError
from homeroom.signing import SigningKey
from services.node.domain.consent_book import Told
from services.runtime.logs import log
from services.runtime.registry_feed import RegistryFeed

if TYPE_CHECKING:
    from homeroom.api.consent.v1.consent_service_pb2_grpc import ConsentServiceAsyncStub

_LOOK_SECONDS = 2.0
_SEND_SECONDS = 20.0


class Verdicts(Protocol):
    """What recorders are to be told."""

    def verdicts(self, recorders: Collection[str], most: int) -> Sequence[Told]:
        """Verdicts that these recorders were not told yet, those of one recorder together."""
        ...

    def note_told(self, told: Iterable[Told]) -> None:
        """These were told; a verdict that is another by now is still to be told."""
        ...


class Reporting:
    """Sends a holder's verdicts through the consent service, sealed to each recorder."""

    def __init__(
        self,
        holder: str,
        signing_key: SigningKey,
        verdicts: Verdicts,
        registry: RegistryFeed,
        clock: Clock,
    ) -> None:
        self._holder = holder
        self._signing_key = signing_key
        self._verdicts = verdicts
        self._registry = registry
        self._clock = clock

    async def run(self, channel: grpc.aio.Channel) -> None:
        """Reports for as long as the node runs."""
        stub: ConsentServiceAsyncStub = ConsentServiceStub(channel)
        while True:
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
        waiting = {name: one for name, one in organizations.items() if name != self._holder}
        while told := await asyncio.to_thread(self._verdicts.verdicts, list(waiting), MAX_TOGETHER):
            for recorder, some in groupby(told, lambda one: one.recorder):
                these = list(some)
                try:
                    await self._send(stub, these, waiting[recorder].sealing_key)
                except grpc.aio.AioRpcError as failed:
                    log.warning("verdicts could not be reported", code=failed.code().name)
                    del waiting[recorder]
                else:
                    await asyncio.to_thread(self._verdicts.note_told, these)

    async def _send(
        self, stub: "ConsentServiceAsyncStub", told: Sequence[Told], sealing_key: bytes
    ) -> None:
        report = VerdictReport(
            holder=self._holder,
            recorder=told[0].recorder,
            verdicts=[_verdict(one) for one in told],
            time=self._clock(),
        )
        request = pb.ReportVerdictsRequest(
            report=seal_report(report, self._signing_key, sealing_key),
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
