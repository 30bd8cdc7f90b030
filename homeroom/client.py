"""Asks questions: connects to a gateway, signs each question, and believes only checked answers."""

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from functools import cached_property
from pathlib import Path
from typing import TypedDict, Unpack

import pyarrow as pa

from homeroom.answer import Answer, Outcome, Outcomes, Source, answer_schema, with_source
from homeroom.api.node.v1 import node_service_pb2
from homeroom.catalog import OBLIGATIONS, dataset_named
from homeroom.consents import Consents
from homeroom.destruction.owed import Owed, OwedList
from homeroom.destruction.recipient import (
    Destroyed,
    SentCertification,
    certify,
    owed_by,
)
from homeroom.download import Download
from homeroom.federation import FederationState
from homeroom.identity import Role
from homeroom.keeping import MemoryKeeper, SealedKeeper
from homeroom.profile import Profile, load_profile
from homeroom.question import (
    Level,
    Period,
    Question,
    basis_named,
    elements_named,
    level_named,
)
from homeroom.reconciliation import Reconciliation, reconcile
from homeroom.session import Closable, Connected, Session, call
from homeroom.vocabulary import Basis

ANSWER_SECONDS = 10.0


class Scope(TypedDict, total=False):
    """What else a question may say; everything left out is the widest that is permitted.

    Attributes:
        basis: the ground that is claimed; by default consent.
        level: student, deidentified_student or aggregate; by default rows about students.
        table: the aggregate table, where counts are asked for.
        matter_id: the matter at the holder that is relied on; by default the one that fits.
        onward_to: the organizations that the data is passed on to in the same act.
        subject_refs: the students; left out, every student the requester may see.
        school_ids: only students at these schools.
        period: the first and the last day that the records are about.
        holders: the organizations to ask.
        min_registry_sequence, min_consent_sequence: the state that a holder must have seen; by
            default what this client itself has last written.
        timeout: how many seconds the whole answer may take.
    """

    basis: str
    level: str
    table: str
    matter_id: str
    onward_to: Sequence[str]
    subject_refs: Sequence[str] | None
    school_ids: Sequence[str]
    period: Period | tuple[dt.date, dt.date] | None
    holders: Sequence[str]
    min_registry_sequence: int
    min_consent_sequence: int
    timeout: float


class AsyncClient(Connected):
    """One organization's way into its federation; `Client` is the same without `await`.

    It keeps its channels open: make one, use it for many questions, and close it.
    """

    def __init__(self, profile: Profile | str | Path | None = None) -> None:
        """Reads a profile, by its name or path; by default the one that HOMEROOM_PROFILE names."""
        loaded = profile if isinstance(profile, Profile) else load_profile(profile)
        self._session = Session(loaded, Role.APP)

    @cached_property
    def consents(self) -> Consents:
        """What families have allowed: record, revoke, list."""
        return Consents(self._session)

    async def query(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        **scope: Unpack[Scope],
    ) -> Answer:
        """Asks every holder at once for elements of a dataset.

        On a ground that needs no agreement it is empty, and the scope names the holders.

        Raises:
            NotPermittedError: if the question itself is refused; `codes` says why.
            HomeroomError: if it could not be asked. A source that is silent, refuses or whose
                evidence does not check raises nothing: see `Answer.sources`.
        """
        question = self._question(agreement, purpose, dataset, elements, scope)
        return await self._answer(question, scope.get("timeout", ANSWER_SECONDS))

    async def explain(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        **scope: Unpack[Scope],
    ) -> Answer:
        """Asks what would be released and what would be refused, and why; no row is released."""
        question = self._question(agreement, purpose, dataset, elements, scope, validate_only=True)
        return await self._answer(question, scope.get("timeout", ANSWER_SECONDS))

    def stream(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        **scope: Unpack[Scope],
    ) -> "AnswerStream":
        """Asks like `query`, for answers larger than memory.

        async with client.stream(...) as answer:
            async for batch in answer:
                ...
        answer.sources
        """
        question = self._question(agreement, purpose, dataset, elements, scope)
        return AnswerStream(self._session, question, scope.get("timeout", ANSWER_SECONDS))

    async def federation(self) -> FederationState:
        """The organizations and agreements, as this client has verified them."""
        return await self._session.registry_view.state(self._session.seen.registry)

    async def reconcile(
        self, holders: Sequence[str] = (), since: dt.datetime | None = None
    ) -> Reconciliation:
        """Holds the logs of holders to the receipts that were kept here, and names each gap.

        Args:
            holders: those to ask; empty asks every organization that runs a node.
            since: only what was asked then or later; by default everything.
        """
        first = since or dt.datetime.min.replace(tzinfo=dt.UTC)
        return await reconcile(self._session, holders, first)

    async def destruction_due(self) -> OwedList:
        """What the organization must destroy of what it was told, the most pressing first."""
        return await owed_by(self._session)

    async def certify_destruction(
        self, chosen: Sequence[Owed], destroyed: Destroyed
    ) -> Sequence[SentCertification]:
        """Signs for what people have destroyed, and tells each holder; destroys nothing itself.

        Args:
            chosen: of what `destruction_due` found.
            destroyed: how and when, who says so, and what was kept.
        """
        return await certify(self._session, chosen, destroyed)

    async def node_status(self) -> node_service_pb2.GetNodeStatusResponse:
        """How the organization's own node is: counts, ages and revisions."""
        return await call(self._session.node.GetNodeStatus, node_service_pb2.GetNodeStatusRequest())

    async def _answer(self, question: Question, timeout: float) -> Answer:
        batches: list[tuple[str, pa.RecordBatch]] = []
        sources: dict[str, Source] = {}
        async for finished in Download(self._session, question, _in_memory).finished(timeout):
            sources[finished.source.holder] = finished.source
            batches += [(finished.source.holder, batch) for batch in finished.batches()]
        return Answer(_table(question, sources, batches), _sorted(sources))

    def _question(
        self,
        agreement: str,
        purpose: str,
        dataset: str,
        elements: Sequence[str],
        scope: Scope,
        *,
        validate_only: bool = False,
    ) -> Question:
        subject_refs = scope.get("subject_refs")
        period = scope.get("period")
        seen = self._session.seen
        return Question(
            agreement_id=agreement,
            purpose=purpose,
            dataset=dataset,
            elements=elements_named(elements),
            basis=basis_named(scope.get("basis", Basis.CONSENT)),
            level=level_named(scope.get("level", Level.STUDENT)),
            table=scope.get("table", ""),
            matter_id=scope.get("matter_id", ""),
            onward_to=tuple(scope.get("onward_to", ())),
            subject_refs=tuple(subject_refs or ()),
            # An empty list names nobody; it must not come to mean everyone.
            everyone=subject_refs is None,
            school_ids=tuple(scope.get("school_ids", ())),
            period=Period(*period) if isinstance(period, tuple) else period,
            holders=tuple(scope.get("holders", ())),
            min_registry_sequence=scope.get("min_registry_sequence", seen.registry),
            min_consent_sequence=scope.get("min_consent_sequence", seen.consent),
            validate_only=validate_only,
        )


class AnswerStream(Outcomes, Closable):
    """An answer that is read batch by batch; its `sources` fill as they finish.

    A source's rows come only after its receipt was checked; until then its sealed frames wait in a
    temporary file, so that memory stays bounded whatever the size of the answer. A stream that
    breaks goes on by itself inside the timeout; with `resume` also later.

    Attributes:
        schema: the columns of every batch: `source`, `subject_ref`, those of all elements that were
            asked for, null where a source did not release one, and `obligations` and `statement`.
    """

    def __init__(self, session: Session, question: Question, timeout: float) -> None:
        self._sources: dict[str, Source] = {}
        super().__init__(self._sources)
        self.schema = answer_schema(
            dataset_named(question.dataset), question.elements, level=question.level
        )
        self._download = Download(session, question, SealedKeeper, keeps=True)
        self._finished = self._download.finished(timeout)
        self._batches = self._read()

    @property
    def broken(self) -> tuple[str, ...]:
        """The holders whose answers broke off: `resume` may go on with them for a while."""
        return self._download.broken

    async def close(self) -> None:
        """Ends the question, whether or not every batch was read."""
        await self._batches.aclose()
        await self._finished.aclose()
        self._download.forget()

    def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        return self._batches

    async def resume(self, timeout: float = ANSWER_SECONDS) -> AsyncIterator[pa.RecordBatch]:
        """Goes on with the answers that broke off, once every batch was read that came.

        What came of them is kept: only the rest is sent. Each holder decides again what may leave
        by now, keeps an answer open for half a minute, and may say that it has none to go on with.

        async for batch in answer.resume():
            ...

        Args:
            timeout: how many seconds it may take.
        """
        async with aclosing(self._batches):
            await self._finished.aclose()
            self._finished = self._download.resumed(timeout)
        self._batches = self._read()
        async for batch in self._batches:
            yield batch

    async def _read(self) -> AsyncGenerator[pa.RecordBatch, None]:
        async for finished in self._finished:
            self._sources[finished.source.holder] = finished.source
            try:
                for batch in finished.batches():
                    yield with_source(batch, finished.source.holder, self.schema)
            finally:
                finished.forget()


def _in_memory(*_: object) -> MemoryKeeper:
    return MemoryKeeper()


def _sorted(sources: dict[str, Source]) -> dict[str, Source]:
    return dict(sorted(sources.items()))


def _table(
    question: Question, sources: dict[str, Source], batches: list[tuple[str, pa.RecordBatch]]
) -> pa.Table:
    answered = [s for s in sources.values() if s.outcome is Outcome.ANSWERED]
    released = {element for source in answered for element in source.released_elements}
    beside = any(OBLIGATIONS in batch.schema.names for _, batch in batches)
    schema = answer_schema(
        dataset_named(question.dataset), released, level=question.level, beside=beside
    )
    return pa.Table.from_batches(_in_order(batches, schema), schema=schema)


def _in_order(
    batches: list[tuple[str, pa.RecordBatch]], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    # By holder, not by who was quicker: the same answers always make the same table.
    for holder, batch in sorted(batches, key=lambda named: named[0]):
        yield with_source(batch, holder, schema)
