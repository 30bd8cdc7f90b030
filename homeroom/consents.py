"""Records, withdraws and lists consents, for the organization that collected them."""

import asyncio
import secrets
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Unpack

from homeroom.api.consent.v1 import consent_log_pb2 as log_pb
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.clock import utc_now
from homeroom.consent import (
    make_consents,
    new_subject_ref,
    seal_details,
    seal_narrowing,
    seal_rotation,
)
from homeroom.consent.proofs import LogHead, check_proof, check_recorded
from homeroom.consent_forms import SignedForm, consent_of_form
from homeroom.consent_listing import (
    ConsentListing,
    ListedConsent,
    ProvedConsent,
    RetractedAnswer,
    ends_within,
)
from homeroom.consent_log_view import LogState
from homeroom.consent_notices import (
    MAX_TOGETHER,
    Narrowing,
    Rotation,
    WithdrawalDetails,
    Withdrawer,
)
from homeroom.consent_terms import OpenedConsent
from homeroom.credentials import import_secret_of
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import signed
from homeroom.federation import FederationState
from homeroom.question import elements_named
from homeroom.session import Session, call
from homeroom.signing import Domain

BATCH = 1_000
_MAX_REQUEST_BYTES = 12 * 1024 * 1024

__all__ = [
    "BATCH",
    "Consents",
    "ListedConsent",
    "ProvedConsent",
    "RecordedConsent",
    "RetractedAnswer",
    "SignedForm",
]


@dataclass(frozen=True, slots=True)
class RecordedConsent:
    """A consent that was recorded.

    Attributes:
        subject_ref: the name by which the caller's organization, and it alone, knows the student;
            empty if it is no recipient.
        sequence: a query that asks for at least this consent state is answered with it.
        new: False if it was recorded before.
    """

    consent_id: str
    subject_ref: str
    sequence: int
    new: bool = True


class Consents:
    """The consents that one organization recorded, holds or receives."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._listing = ConsentListing(session)

    @property
    def recorder(self) -> str:
        """The organization that records here."""
        return self._session.organization_id

    @property
    def import_secret(self) -> bytes:
        """The recorder's own secret, by which the same form has the same identifier."""
        return import_secret_of(self._session.profile)

    async def record(self, **form: Unpack[SignedForm]) -> RecordedConsent:
        """Records one consent.

        Raises:
            EvidenceInvalidError: if the holder or a recipient is no party of the agreement with
                the keys that the agreement names.
        """
        return (await self.record_many([form]))[0]

    async def record_many(
        self, forms: Iterable[SignedForm], on_batch: Callable[[int], None] | None = None
    ) -> list[RecordedConsent]:
        """Records many consents, 1,000 at a time; each thousand is recorded as a whole or not.

        Args:
            forms: what the families signed.
            on_batch: told after each batch how many consents it had.
        """
        recorded: list[RecordedConsent] = []
        waiting = (consent_of_form(form, self.recorder, secrets.token_hex(16)) for form in forms)
        while batch := list(islice(waiting, BATCH)):
            recorded += await self.send(batch, await asyncio.to_thread(await self.sealing(batch)))
            if on_batch is not None:
                on_batch(len(batch))
        return recorded

    async def sealing(self, consents: Sequence[OpenedConsent]) -> Callable[[], list[pb.Consent]]:
        """What seals consents, at most 1,000, as they are sent: for a thread, as it takes long.

        Raises:
            EvidenceInvalidError: if an audience is no party with the keys that the agreement names.
        """
        keys = await self._keys(_readers(consents))
        return partial(make_consents, consents, self._session.asking_key, keys)

    async def send(
        self,
        consents: Sequence[OpenedConsent],
        made: Sequence[pb.Consent],
        *,
        skip_recorded: bool = False,
    ) -> list[RecordedConsent]:
        """Records consents that were sealed, and checks that the service has logged them.

        Args:
            consents: what they say.
            made: what `sealing` made of them.
            skip_recorded: leaves out what this organization recorded before under the same ids.
        """
        refs = {consent.consent_id: consent.subject_refs for consent in consents}
        recorded: list[RecordedConsent] = []
        for some in _by_size(made):
            response = await self._record(some, skip_recorded=skip_recorded)
            before = {one.consent_id: one for one in response.recorded_before}
            known = before if skip_recorded else {}
            for listed in await self._listing.read(list(known.values())):
                refs[listed.consent_id] = listed.opened.subject_refs if listed.opened else {}
            recorded += [
                RecordedConsent(
                    consent.consent_id,
                    refs[consent.consent_id].get(self.recorder, ""),
                    sequence,
                    consent.consent_id not in before,
                )
                for consent, sequence in zip(some, response.sequences, strict=True)
            ]
        return recorded

    async def revoke(
        self, consent_id: str, *, withdrawn_by: str | None = None, channel: str = "unsaid"
    ) -> int:
        """Withdraws a consent from now on; returns the sequence that no answer then precedes.

        Args:
            consent_id: the consent.
            withdrawn_by: parent, student or organization; holder and recorder alone can read it.
            channel: how it was told, a word such as `paper` or `phone`.
        """
        revocation = pb.Revocation(consent_id=consent_id, organization_id=self.recorder)
        revocation.revoke_time.FromDatetime(utc_now())
        if withdrawn_by is not None:
            details = _details(withdrawn_by, channel)
            revocation.details.extend(await self._sealed_details(consent_id, details))
        statement = revocation.SerializeToString(deterministic=True)
        evidence = signed(Domain.REVOCATION, statement, self.recorder, self._session.asking_key)
        response = await call(
            self._session.consent.RevokeConsent,
            pb.RevokeConsentRequest(revocation=evidence, request_id=secrets.token_hex(16)),
        )
        return self._seen(response.sequence, response.proof, consent_id)

    async def narrow(
        self,
        consent_id: str,
        *,
        elements: Sequence[str] = (),
        recipients: Sequence[str] = (),
        classes: Sequence[str] = (),
        withdrawn_by: str = "organization",
        channel: str = "unsaid",
    ) -> int:
        """Withdraws a part of a consent: each element named, from each recipient named.

        Without elements, every element; without recipients and classes, every recipient. Returns
        the sequence that no answer then precedes.
        """
        listed = await self._listing.find(consent_id)
        narrowing = Narrowing(
            consent_id=consent_id,
            organization_id=self.recorder,
            elements=elements_named(elements),
            recipients=tuple(recipients),
            classes=tuple(classes),
            time=utc_now(),
            details=_details(withdrawn_by, channel),
        )
        keys = await self._keys_of({listed.holder, listed.recorder})
        # Whoever is no party any more receives nothing, and need not be told.
        touched = {("", name) for name in _touched(narrowing, listed)}
        keys |= await self._keys(touched - await self._without_key(touched))
        response = await call(
            self._session.consent.NarrowConsent,
            pb.NarrowConsentRequest(
                narrowing=seal_narrowing(narrowing, self._session.asking_key, keys),
                request_id=secrets.token_hex(16),
            ),
        )
        return self._seen(response.sequence, response.proof, consent_id)

    async def rotate(self, holder: str, subject_refs: Sequence[str]) -> Mapping[str, str]:
        """Gives students new names at one holder; returns the new name of each.

        The old names answer nothing from then on. The holder does not say which of them it knew.
        """
        if len(set(subject_refs)) != len(subject_refs):
            raise RequestInvalidError("a name is given twice", field="subject_refs")
        new_refs = {subject_ref: new_subject_ref() for subject_ref in subject_refs}
        keys = await self._keys_of({holder})
        waiting = iter(new_refs.items())
        while some := dict(islice(waiting, MAX_TOGETHER)):
            rotation = Rotation(
                organization_id=self.recorder, holder=holder, new_refs=some, time=utc_now()
            )
            message = seal_rotation(rotation, self._session.asking_key, keys[holder])
            response = await call(
                self._session.consent.RotateSubjectRefs,
                pb.RotateSubjectRefsRequest(rotation=message, request_id=secrets.token_hex(16)),
            )
            self._session.seen.saw_consent(response.sequence)
        return new_refs

    async def list(self) -> AsyncIterator[ListedConsent]:
        """Every consent that the caller recorded, holds or receives, oldest first."""
        async for consent in self._listing.all():
            yield consent

    async def retractions(self) -> AsyncIterator[RetractedAnswer]:
        """What holders want given up of the answers that the caller got, oldest first."""
        async for retracted in self._listing.retractions():
            yield retracted

    async def ending(self, within_days: int) -> AsyncIterator[ListedConsent]:
        """The consents that count today and end within some days, oldest first."""
        async for consent in self._listing.all():
            if ends_within(consent, within_days):
                yield consent

    async def prove(self, consent_id: str) -> ProvedConsent:
        """A consent, and what the consent service's log proves of it."""
        return await self._listing.prove(consent_id)

    async def not_parties(self, consents: Iterable[OpenedConsent]) -> set[tuple[str, str]]:
        """Agreements and audiences that no consent can be sealed to.

        Their keys are not those that an agreement with this organization names.
        """
        return await self._without_key(_readers(consents))

    async def _sealed_details(
        self, consent_id: str, details: WithdrawalDetails
    ) -> Sequence[pb.SealedNotice]:
        listed = await self._listing.find(consent_id)
        readers = {("", listed.holder), ("", listed.recorder)}
        # A withdrawal is never held up by whom else its details could be told.
        keys = await self._keys(readers - await self._without_key(readers))
        return seal_details(details, consent_id, self.recorder, self._session.asking_key, keys)

    async def _record(
        self, consents: Sequence[pb.Consent], *, skip_recorded: bool
    ) -> pb.RecordConsentsResponse:
        request = pb.RecordConsentsRequest(
            consents=consents, request_id=secrets.token_hex(16), skip_recorded=skip_recorded
        )
        response = await call(self._session.consent.RecordConsents, request)
        if len(response.sequences) != len(consents):
            raise EvidenceInvalidError("the consent service does not say where each consent stands")
        profile = self._session.profile
        if profile.consent_key is not None:
            head = await asyncio.to_thread(
                check_recorded, consents, response, profile.federation, profile.consent_key
            )
            self._saw(head)
        self._session.seen.saw_consent(response.sequence)
        return response

    def _seen(self, sequence: int, proof: log_pb.ConsentProof, consent_id: str) -> int:
        """Checks that a withdrawal is in the log, and remembers its sequence."""
        profile = self._session.profile
        if profile.consent_key is not None:
            head, entries = check_proof(proof, consent_id, profile.federation, profile.consent_key)
            self._saw(head)
            if sequence not in {entry.sequence for entry in entries}:
                raise EvidenceInvalidError("the consent service's log lacks the withdrawal")
        self._session.seen.saw_consent(sequence)
        return sequence

    def _saw(self, head: LogHead) -> None:
        """Holds whoever answers this app later to the log that it was shown itself."""
        if self._session.consent_log is not None:
            self._session.consent_log.saw(LogState(head.size, head.root))

    async def _keys_of(self, organization_ids: Iterable[str]) -> dict[str, bytes]:
        return await self._keys({("", name) for name in organization_ids})

    async def _keys(self, readers: Collection[tuple[str, str]]) -> dict[str, bytes]:
        """The sealing key of every reader, each as an agreement with this organization names it.

        Raises:
            EvidenceInvalidError: if one is no such party.
        """
        for agreement_id, reader in await self._without_key(readers):
            raise EvidenceInvalidError(
                "the organization is no party of the agreement with the keys that it names",
                organization_id=reader,
                agreement_id=agreement_id,
            )
        state = await self._session.registry_view.state(self._session.seen.registry)
        return {reader: state.organizations[reader].sealing_key for _, reader in readers}

    async def _without_key(self, readers: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        state = await self._session.registry_view.state(self._session.seen.registry)
        missing = _missing(readers, self.recorder, state)
        if missing:
            missing = _missing(
                missing, self.recorder, await self._session.registry_view.refreshed()
            )
        return missing


def _readers(consents: Iterable[OpenedConsent]) -> set[tuple[str, str]]:
    return {
        (consent.terms.agreement_id, audience)
        for consent in consents
        for audience in consent.audiences
    }


def _missing(
    readers: Collection[tuple[str, str]], own: str, state: FederationState
) -> set[tuple[str, str]]:
    return {
        (agreement_id, reader)
        for agreement_id, reader in readers
        if state.agreement_of_all(agreement_id, (own, reader)) is None
    }


def _by_size(consents: Sequence[pb.Consent]) -> Iterator[list[pb.Consent]]:
    """Consents in lists that each fit one call."""
    some: list[pb.Consent] = []
    size = 0
    for consent in consents:
        size += consent.ByteSize()
        if some and size > _MAX_REQUEST_BYTES:
            yield some
            some, size = [], consent.ByteSize()
        some.append(consent)
    yield some


def _details(withdrawn_by: str, channel: str) -> WithdrawalDetails:
    try:
        return WithdrawalDetails(withdrawn_by=Withdrawer(withdrawn_by), channel=channel)
    except ValueError:
        raise RequestInvalidError(
            "parent, student or organization withdraws", field="withdrawn_by"
        ) from None


def _touched(narrowing: Narrowing, listed: ListedConsent) -> Sequence[str]:
    """The recipients from whom something is taken away."""
    known = listed.opened.recipients if listed.opened else ()
    if not narrowing.recipients and not narrowing.classes:
        return known
    unknown = set(narrowing.recipients) - set(known)
    if unknown:
        raise RequestInvalidError("the consent names no such recipient", field="recipients")
    return narrowing.recipients
