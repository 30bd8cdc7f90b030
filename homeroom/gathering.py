"""Gathers what the sources of a question answer; believes each only on its checked receipt."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from homeroom.answer import Outcome, Source
from homeroom.api.common.v1 import answer_pb2
from homeroom.api.gateway.v1 import gateway_service_pb2 as pb
from homeroom.clock import utc_now
from homeroom.consent_log_view import ConsentLogView, LogState
from homeroom.errors import EvidenceInvalidError, NotPermittedError, Reason
from homeroom.exchange import Exchange, Over
from homeroom.federation import FederationState, KnownAgreement, Standing
from homeroom.keeping import Keeper
from homeroom.opening import Asking, SourceOpening
from homeroom.pending import Pending
from homeroom.question import Question
from homeroom.receipts import ReceiptFiles
from homeroom.registry import RegistryView, holder_of
from homeroom.rows import read_rows

KeeperOf = Callable[[Asking, str], Keeper]

_SYNCING = ThreadPoolExecutor(1, thread_name_prefix="receipts")
_OUTCOME = {
    answer_pb2.OUTCOME_ANSWERED: Outcome.ANSWERED,
    answer_pb2.OUTCOME_NO_PERMITTED_ANSWER: Outcome.NO_PERMITTED_ANSWER,
    answer_pb2.OUTCOME_TIMED_OUT: Outcome.TIMED_OUT,
    answer_pb2.OUTCOME_UNREACHABLE: Outcome.UNREACHABLE,
    answer_pb2.OUTCOME_CANNOT_DECIDE: Outcome.CANNOT_DECIDE,
}
_AFTER_FAILURE = {
    Reason.DEADLINE_PASSED: Outcome.TIMED_OUT,
    Reason.SERVICE_UNREACHABLE: Outcome.UNREACHABLE,
}


@dataclass(slots=True)
class Finished:
    """A source that has finished, and its rows: none unless it answered and its receipt checks."""

    source: Source
    keeper: Keeper | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, in its own columns."""
        if self.keeper is not None:
            yield from self.keeper.batches()

    def forget(self) -> None:
        """Lets go of the rows."""
        if self.keeper is not None:
            self.keeper.forget()


@dataclass(frozen=True, slots=True)
class Checks:
    """What answers are held to, and where what holders sign for is kept.

    Attributes:
        receipts: None keeps none.
    """

    registry: RegistryView
    consent_log: ConsentLogView | None = None
    receipts: ReceiptFiles | None = None


class Gathering:
    """The sources of one exchange, from the plan to the last outcome."""

    def __init__(
        self, exchange: Exchange, checks: Checks, keeper_of: KeeperOf, *, keeps: bool = False
    ) -> None:
        """Waits for the sources of an exchange.

        Args:
            exchange: a question that the gateway has taken on.
            checks: what answers are held to.
            keeper_of: makes what keeps a source's rows.
            keeps: whether what came of a source that broke off is kept until `forget`, so that it
                can go on later.
        """
        self._keeps = keeps
        self._exchange = exchange
        self._registry = checks.registry
        self._consent_log = checks.consent_log
        self._receipts = checks.receipts
        asking = exchange.asking
        self._pending = {
            holder: Pending(SourceOpening(asking, holder), keeper_of(asking, holder))
            for holder in exchange.planned
        }

    async def finished(self, known: Awaitable[FederationState]) -> AsyncIterator[Finished]:
        """Each source as it finishes; then those that never did; then those never asked.

        Args:
            known: the registry's state, which says who should have been asked.
        """
        try:
            async for finished in self._gathered():
                yield finished
            for holder in await self._missing(await known):
                yield Finished(Source(holder, Outcome.UNREACHABLE))
        finally:
            self._note_left()

    @property
    def broken(self) -> tuple[str, ...]:
        """The holders whose answers broke off and may be gone on with."""
        if not self._keeps:
            return ()
        return tuple(
            holder
            for holder, pending in self._pending.items()
            if pending.problem is None
            and (pending.failure is None or pending.failure.reason in _AFTER_FAILURE)
        )

    async def resumed(self, seconds: float) -> AsyncIterator[Finished]:
        """Each source that broke off, as it finishes within some seconds, or does not."""
        self._exchange.prolong(seconds)
        for pending in self._pending.values():
            pending.prolonged()
        self._go_on(tuple(self._pending))
        try:
            async for finished in self._gathered():
                yield finished
        finally:
            self._note_left()

    def forget(self) -> None:
        """Lets go of what came of sources that broke off."""
        for pending in self._pending.values():
            pending.keeper.forget()
        self._pending.clear()

    async def _gathered(self) -> AsyncIterator[Finished]:
        """Each source as it finishes, though it may break off before; then those that never did."""
        async for event in self._exchange.events():
            for outcome in self._over(event) if isinstance(event, Over) else self._heard(event):
                yield await self._end(outcome)
        for holder in tuple(self._pending):
            yield Finished(self._unfinished(holder))

    def _heard(self, event: pb.QueryResponse) -> Sequence[pb.SourceOutcome]:
        """Takes a frame; gives the outcome of a source that finished with it."""
        # A holder that nobody asked, or whose answer is lost already, is not listened to.
        if event.HasField("frame") and event.frame.holder in self._pending:
            self._pending[event.frame.holder].take(event.frame.frame)
        elif event.HasField("outcome") and event.outcome.holder in self._pending:
            said = event.outcome
            if not self._pending[said.holder].breaks_off(said.outcome, keeps=self._keeps):
                return [said]
            self._go_on([said.holder])
        return []

    def _over(self, over: Over) -> Sequence[pb.SourceOutcome]:
        """The sources of which all came but the gateway's word on it; the others go on."""
        left = {holder: self._pending[holder] for holder in over.holders if holder in self._pending}
        for pending in left.values():
            pending.over(over)
        self._go_on([h for h, pending in left.items() if not pending.opening.has_receipt])
        return [
            pb.SourceOutcome(holder=holder, outcome=pending.opening.outcome)
            for holder, pending in left.items()
            if pending.opening.has_receipt
        ]

    def _go_on(self, holders: Sequence[str]) -> None:
        """Has those of some sources go on that may, by one call."""
        going = {h: self._pending[h] for h in holders if self._pending[h].next_try()}
        if going:
            positions = [pending.position(holder) for holder, pending in going.items()]
            self._exchange.go_on(positions, max(pending.tries for pending in going.values()))

    def _note_left(self) -> None:
        for holder, pending in self._pending.items():
            if not self._keeps:
                pending.keeper.forget()
            self._note_silence(holder, pending, Outcome.UNREACHABLE)
        if self._receipts is not None:
            # Beside the answer, which does not wait for the disk.
            with suppress(RuntimeError):  # the program ends, and begins nothing any more
                _SYNCING.submit(self._receipts.sync)

    async def _end(self, event: pb.SourceOutcome) -> Finished:
        pending = self._pending[event.holder]
        source = await self._source(event, pending)
        self._note_silence(event.holder, pending, source.outcome)
        del self._pending[event.holder]
        if source.outcome is Outcome.ANSWERED:
            return Finished(source, pending.keeper)
        pending.keeper.forget()
        return Finished(source)

    async def _source(self, event: pb.SourceOutcome, pending: Pending) -> Source:
        claimed = _OUTCOME.get(event.outcome, Outcome.CANNOT_DECIDE)
        problem = pending.problem
        if problem is None and pending.opening.has_receipt:
            try:
                return await self._receipted(event, pending)
            except EvidenceInvalidError as found:
                problem = found
        if problem is None and claimed is Outcome.ANSWERED:
            problem = EvidenceInvalidError("an answer came without its receipt")
        if problem is not None:
            return self._silent(event.holder, Outcome.EVIDENCE_INVALID, problem.message)
        if event.error_reason == Reason.QUERY_REPLAYED and pending.opening.has_gone_on:
            # The connection broke, and the holder keeps nothing to go on with.
            return self._silent(event.holder, Outcome.UNREACHABLE, "")
        if pending.lost and claimed is Outcome.TIMED_OUT:
            # Time that ran out while it was tried again says nothing more.
            return self._silent(event.holder, Outcome.UNREACHABLE, "")
        return self._silent(event.holder, claimed, event.error_reason)

    async def _receipted(self, event: pb.SourceOutcome, pending: Pending) -> Source:
        opening = pending.opening
        try:
            receipt = await self._checked(event, pending, await self._registry.state())
        except EvidenceInvalidError:
            # The holder or the agreement may have changed its keys since the snapshot at hand.
            receipt = await self._checked(event, pending, await self._registry.refreshed())
        if receipt.outcome == answer_pb2.OUTCOME_ANSWERED:
            question = self._exchange.asking.question
            pending.keeper.check(lambda pieces: read_rows(pieces, receipt, question))
        return Source(
            holder=event.holder,
            outcome=_OUTCOME[receipt.outcome],
            row_count=receipt.row_count,
            released_elements=tuple(receipt.released_elements),
            withheld={w.element: w.reason_code for w in receipt.withheld_elements},
            reason_codes=tuple(receipt.reason_codes),
            obligations=tuple(receipt.obligations),
            error_reason=event.error_reason,
            seconds=self._seconds(),
            receipt=opening.receipt,
        )

    async def _checked(
        self, event: pb.SourceOutcome, pending: Pending, state: FederationState
    ) -> answer_pb2.Receipt:
        agreement_id = self._exchange.asking.question.agreement_id
        holder = holder_of(state, agreement_id, event.holder)
        opening = pending.opening
        receipt = opening.signed_by(opening.signer(holder.keys, utc_now()))
        self._keep_receipt(event.holder, pending)
        opening.require_accounted(receipt, event.outcome)
        _require_one_history(receipt, state.known.get(agreement_id))
        if self._consent_log is not None:
            seen = LogState(receipt.consent_log_size, receipt.consent_log_root)
            await self._consent_log.require(seen)
        return receipt

    def _keep_receipt(self, holder: str, pending: Pending) -> None:
        # The holder has signed it, whatever else may turn out to be wrong: then it is evidence.
        if self._receipts is not None and not pending.receipt_kept:
            self._receipts.keep(holder, pending.opening.receipt)
            pending.receipt_kept = True

    def _note_silence(self, holder: str, pending: Pending, outcome: Outcome) -> None:
        if self._receipts is not None and not pending.receipt_kept:
            digest = self._exchange.asking.query_digest
            self._receipts.note_silent(holder, digest, str(outcome))

    def _unfinished(self, holder: str) -> Source:
        pending = self._pending[holder]
        failure = pending.failure
        if isinstance(failure, NotPermittedError):
            codes = failure.codes
            return Source(
                holder, Outcome.NO_PERMITTED_ANSWER, reason_codes=codes, seconds=self._seconds()
            )
        if pending.late and not pending.lost:
            return self._silent(holder, Outcome.TIMED_OUT, "")
        if failure is None or pending.lost:
            return self._silent(holder, Outcome.UNREACHABLE, "")
        outcome = _AFTER_FAILURE.get(failure.reason, Outcome.CANNOT_DECIDE)
        return self._silent(holder, outcome, str(failure.reason))

    async def _missing(self, state: FederationState) -> list[str]:
        # A party may have left the agreement since the snapshot at hand: then nothing is missing.
        missing = self._left_out(state)
        return self._left_out(await self._registry.refreshed()) if missing else missing

    def _left_out(self, state: FederationState) -> list[str]:
        # A gateway that leaves a holder out must not make an answer look whole.
        expected = expected_holders(state, self._exchange.asking)
        return sorted(expected - set(self._exchange.planned))

    def _silent(self, holder: str, outcome: Outcome, why: str) -> Source:
        return Source(holder, outcome, error_reason=why, seconds=self._seconds())

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._exchange.asked_at


def _require_one_history(receipt: answer_pb2.Receipt, known: KnownAgreement | None) -> None:
    """Refuses an answer by another history of the agreement than the one that is known here.

    Registries that show a party less, or something else, than the others are found out so.
    """
    if not receipt.agreement_length:
        return
    statements = known.history.statements if known else ()
    if len(statements) < receipt.agreement_length or (
        statements[receipt.agreement_length - 1].digest != receipt.agreement_head
    ):
        raise EvidenceInvalidError("the registry shows different histories of the agreement")


def expected_holders(state: FederationState, asking: Asking) -> set[str]:
    """Who should be asked: the holders that the question names, else every party that may hold."""
    question = asking.question
    if question.holders:
        return set(question.holders)
    agreement = state.agreement_of_parties(question.agreement_id, asking.requester)
    if agreement is None:
        return set()
    return {
        party.organization_id
        for party in agreement.document.parties
        if party.discloses
        and party.organization_id not in agreement.ended_by
        and party.organization_id != asking.requester
        and _covers_a_school(
            agreement.document.schools_of(party.organization_id, question.purpose), question
        )
        and _runs_a_node(state, party.organization_id, question.dataset)
    }


def _covers_a_school(covered: tuple[str, ...] | str, question: Question) -> bool:
    if covered == "all" or not question.school_ids:
        return bool(covered)
    return bool(set(covered) & set(question.school_ids))


def _runs_a_node(state: FederationState, organization_id: str, dataset: str) -> bool:
    organization = state.organizations.get(organization_id)
    return (
        organization is not None
        and organization.standing is Standing.ACTIVE
        and bool(organization.node_address)
        and dataset in organization.datasets
    )
