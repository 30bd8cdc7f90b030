"""The client without `await`, for scripts and notebooks."""

import asyncio
import datetime as dt
import threading
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import CancelledError
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import pyarrow as pa

from homeroom.answer import Answer, Outcomes
from homeroom.api.node.v1 import node_service_pb2
from homeroom.client import ANSWER_SECONDS, AnswerStream, AsyncClient, Scope
from homeroom.consents import (
    Consents,
    ListedConsent,
    ProvedConsent,
    RecordedConsent,
    RetractedAnswer,
    SignedForm,
)
from homeroom.destruction.owed import Owed, OwedList
from homeroom.destruction.recipient import Destroyed, SentCertification
from homeroom.federation import FederationState
from homeroom.profile import Profile
from homeroom.reconciliation import Reconciliation

R = TypeVar("R")


class LoopThread:
    """One event loop on one background thread: a notebook has a loop of its own already."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="homeroom-client", daemon=True
        )
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except (KeyboardInterrupt, CancelledError):
            future.cancel()
            raise

    @property
    def closed(self) -> bool:
        return self._loop.is_closed()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Entered(ABC):
    """What `with` closes at its end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Ends what is open."""


class Client(Entered):
    """One organization's way into its federation; see `AsyncClient`, whose methods it has."""

    def __init__(self, profile: Profile | str | Path | None = None) -> None:
        """Reads a profile, by its name or path; by default the one that HOMEROOM_PROFILE names."""
        self._client = AsyncClient(profile)
        self._thread = LoopThread()
        self.consents = BlockingConsents(self._client.consents, self._thread)

    def close(self) -> None:
        """Ends every connection."""
        if not self._thread.closed:
            self._thread.run(self._client.close())
            self._thread.close()

    def query(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        **scope: Unpack[Scope],
    ) -> Answer:
        """Asks every holder at once for elements of a dataset; see `AsyncClient.query`."""
        return self._thread.run(self._client.query(agreement, purpose, dataset, elements, **scope))

    def explain(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        **scope: Unpack[Scope],
    ) -> Answer:
        """Asks what would be released and refused, and why; see `AsyncClient.explain`."""
        return self._thread.run(
            self._client.explain(agreement, purpose, dataset, elements, **scope)
        )

    def stream(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        **scope: Unpack[Scope],
    ) -> "BlockingStream":
        """Asks for an answer larger than memory, to be read by `for batch in ...`."""

        async def opened() -> AnswerStream:
            return self._client.stream(agreement, purpose, dataset, elements, **scope)

        return BlockingStream(self._thread.run(opened()), self._thread)

    def federation(self) -> FederationState:
        """The organizations and agreements, as this client has verified them."""
        return self._thread.run(self._client.federation())

    def reconcile(
        self, holders: Sequence[str] = (), since: dt.datetime | None = None
    ) -> Reconciliation:
        """Holds the logs of holders to the receipts kept here; see `AsyncClient.reconcile`."""
        return self._thread.run(self._client.reconcile(holders, since))

    def destruction_due(self) -> OwedList:
        """What the organization must destroy of what it was told, the most pressing first."""
        return self._thread.run(self._client.destruction_due())

    def certify_destruction(
        self, chosen: Sequence[Owed], destroyed: Destroyed
    ) -> Sequence[SentCertification]:
        """Signs for what people have destroyed; see `AsyncClient.certify_destruction`."""
        return self._thread.run(self._client.certify_destruction(chosen, destroyed))

    def node_status(self) -> node_service_pb2.GetNodeStatusResponse:
        """How the organization's own node is: counts, ages and revisions."""
        return self._thread.run(self._client.node_status())


class BlockingStream(Outcomes, Entered):
    """An answer that is read batch by batch; see `AnswerStream`."""

    def __init__(self, stream: AnswerStream, thread: LoopThread) -> None:
        super().__init__(stream.sources)
        self.schema = stream.schema
        self._stream = stream
        self._thread = thread

    def close(self) -> None:
        """Ends the question, whether or not every batch was read."""
        self._thread.run(self._stream.close())

    @property
    def broken(self) -> tuple[str, ...]:
        """The holders whose answers broke off; see `AnswerStream.broken`."""
        return self._stream.broken

    def resume(self, timeout: float = ANSWER_SECONDS) -> Iterator[pa.RecordBatch]:
        """Goes on with the answers that broke off; see `AnswerStream.resume`."""
        yield from self._every(self._stream.resume(timeout))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self._every(aiter(self._stream))

    def _every(self, batches: AsyncIterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while (batch := self._thread.run(_next(batches))) is not None:
            yield batch


async def _next(batches: Any) -> pa.RecordBatch | None:
    return await anext(batches, None)


class BlockingConsents:
    """The consents that one organization recorded, holds or receives; see `Consents`."""

    def __init__(self, consents: Consents, thread: LoopThread) -> None:
        self._consents = consents
        self._thread = thread

    def record(self, **form: Unpack[SignedForm]) -> RecordedConsent:
        """Records one consent."""
        return self._thread.run(self._consents.record(**form))

    def record_many(
        self, forms: Iterable[SignedForm], on_batch: Callable[[int], None] | None = None
    ) -> Sequence[RecordedConsent]:
        """Records many consents, 1,000 at a time; each thousand is recorded as a whole or not."""
        return self._thread.run(self._consents.record_many(forms, on_batch))

    def revoke(
        self, consent_id: str, *, withdrawn_by: str | None = None, channel: str = "unsaid"
    ) -> int:
        """Withdraws a consent from now on; returns the sequence that no answer then precedes."""
        return self._thread.run(
            self._consents.revoke(consent_id, withdrawn_by=withdrawn_by, channel=channel)
        )

    def narrow(
        self,
        consent_id: str,
        *,
        elements: Sequence[str] = (),
        recipients: Sequence[str] = (),
        classes: Sequence[str] = (),
    ) -> int:
        """Withdraws a part of a consent from now on; see `Consents.narrow`."""
        return self._thread.run(
            self._consents.narrow(
                consent_id, elements=elements, recipients=recipients, classes=classes
            )
        )

    def rotate(self, holder: str, subject_refs: Sequence[str]) -> Mapping[str, str]:
        """Gives students new names at one holder; returns the new name of each."""
        return self._thread.run(self._consents.rotate(holder, subject_refs))

    def prove(self, consent_id: str) -> ProvedConsent:
        """A consent, and what the consent service's log proves of it."""
        return self._thread.run(self._consents.prove(consent_id))

    def retractions(self) -> Sequence[RetractedAnswer]:
        """What holders want given up of the answers that the caller got, oldest first."""

        async def every() -> Sequence[RetractedAnswer]:
            return [retracted async for retracted in self._consents.retractions()]

        return self._thread.run(every())

    def ending(self, within_days: int) -> Sequence[ListedConsent]:
        """The consents that count today and end within some days, oldest first."""

        async def soon() -> Sequence[ListedConsent]:
            return [consent async for consent in self._consents.ending(within_days)]

        return self._thread.run(soon())

    def list(self) -> Sequence[ListedConsent]:
        """Every consent that the caller recorded, holds or receives, oldest first."""
        return self._thread.run(_all(self._consents))


async def _all(consents: Consents) -> list[ListedConsent]:
    return [consent async for consent in consents.list()]
