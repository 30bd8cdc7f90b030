"""Records, revokes and lists consents, for the organization that collected them."""

import asyncio
import datetime as dt
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NotRequired, TypedDict, Unpack

from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.clock import utc_now
from homeroom.consent import ConsentReader, make_consents, new_subject_ref
from homeroom.consent_terms import ConsentTerms, OpenedConsent
from homeroom.errors import EvidenceInvalidError, RequestInvalidError
from homeroom.evidence import signed
from homeroom.federation import FederationState
from homeroom.question import elements_named
from homeroom.session import Session, call
from homeroom.signing import Domain
from homeroom.vocabulary import ConsentForm, SignerRelation

BATCH = 1_000
_PAGE = 500


class SignedForm(TypedDict):
    """What a family's signed form says.

    Attributes:
        holder: the organization that holds the records.
        link_code: the random code printed on the form, which names the student to the holder.
        recipients: who may receive; by default the caller's own organization alone.
        subject_ref: the name by which the caller knows the student already, from an earlier
            consent; by default a new one is made.
    """

    holder: str
    link_code: str | bytes
    agreement_id: str
    elements: Sequence[str]
    purposes: Sequence[str]
    recipients: NotRequired[Sequence[str]]
    subject_ref: NotRequired[str]
    signer_relation: str
    form: str
    sign_date: dt.date
    start_date: dt.date
    end_date: dt.date


@dataclass(frozen=True, slots=True)
class RecordedConsent:
    """A consent that was recorded.

    Attributes:
        subject_ref: the name by which the caller's organization, and it alone, knows the student;
            empty if it is no recipient.
        sequence: a query that asks for at least this consent state is answered with it.
    """

    consent_id: str
    subject_ref: str
    sequence: int


@dataclass(frozen=True, slots=True)
class ListedConsent:
    """A consent as the service lists it, and what the caller's own body of it says.

    Attributes:
        opened: None if the caller has no body, or it does not check; `problem` then says which.
    """

    consent_id: str
    recorder: str
    holder: str
    active: bool
    revoke_time: dt.datetime | None
    opened: OpenedConsent | None
    problem: str = ""


class Consents:
    """The consents that one organization recorded, holds or receives."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def _reader(self) -> ConsentReader:
        return ConsentReader(self._session.organization_id, self._session.sealing_key)

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
        waiting = iter(forms)
        while batch := list(islice(waiting, BATCH)):
            recorded += await self._record_batch(batch)
            if on_batch is not None:
                on_batch(len(batch))
        return recorded

    async def revoke(self, consent_id: str) -> int:
        """Withdraws a consent from now on; returns the sequence that no answer then precedes."""
        revocation = pb.Revocation(
            consent_id=consent_id, organization_id=self._session.organization_id
        )
        revocation.revoke_time.FromDatetime(utc_now())
        evidence = signed(
            Domain.REVOCATION,
            revocation.SerializeToString(deterministic=True),
            self._session.organization_id,
            self._session.signing_key,
        )
        response = await call(
            self._session.consent.RevokeConsent,
            pb.RevokeConsentRequest(revocation=evidence, request_id=secrets.token_hex(16)),
        )
        self._session.seen.saw_consent(response.sequence)
        return response.sequence

    async def list(self) -> AsyncIterator[ListedConsent]:
        """Every consent that the caller recorded, holds or receives, oldest first."""
        state = await self._session.registry_view.state(self._session.seen.registry)
        token = ""
        while True:
            page = await call(
                self._session.consent.ListConsents,
                pb.ListConsentsRequest(page_size=_PAGE, page_token=token),
            )
            for consent in page.consents:
                yield self._listed(consent, state)
            token = page.next_page_token
            if not token:
                return

    async def _record_batch(self, forms: Sequence[SignedForm]) -> Sequence[RecordedConsent]:
        whole = [self._whole(form) for form in forms]
        keys = await self._sealing_keys(whole)
        # Sealing a thousand takes a tenth of a second, too long for a loop that serves others.
        consents = await asyncio.to_thread(make_consents, whole, self._session.signing_key, keys)
        response = await call(
            self._session.consent.RecordConsents,
            pb.RecordConsentsRequest(consents=consents, request_id=secrets.token_hex(16)),
        )
        self._session.seen.saw_consent(response.sequence)
        own = self._session.organization_id
        return [
            RecordedConsent(c.consent_id, c.subject_refs.get(own, ""), response.sequence)
            for c in whole
        ]

    def _whole(self, form: SignedForm) -> OpenedConsent:
        own = self._session.organization_id
        code = form["link_code"]
        refs = {name: new_subject_ref() for name in form.get("recipients", (own,))}
        if form.get("subject_ref"):
            refs[own] = form["subject_ref"]
        return OpenedConsent(
            consent_id=secrets.token_hex(16),
            recorder=own,
            terms=_terms(form),
            link_code=code.encode() if isinstance(code, str) else code,
            subject_refs=refs,
        )

    async def _sealing_keys(self, consents: Iterable[OpenedConsent]) -> dict[str, bytes]:
        """The sealing key of every audience, each as an agreement with this organization names it.

        Raises:
            EvidenceInvalidError: if one is no such party.
        """
        own = self._session.organization_id
        readers = {
            (consent.terms.agreement_id, (own, audience))
            for consent in consents
            for audience in consent.audiences
        }
        state = await self._session.registry_view.state(self._session.seen.registry)
        if any(state.agreement_of_all(*reader) is None for reader in readers):
            state = await self._session.registry_view.refreshed()
        for agreement_id, (_, audience) in readers:
            if state.agreement_of_all(agreement_id, (own, audience)) is None:
                raise EvidenceInvalidError(
                    "the organization is no party of the agreement with the keys that it names",
                    organization_id=audience,
                    agreement_id=agreement_id,
                )
        audiences = {audience for _, (_, audience) in readers}
        return {name: state.organizations[name].sealing_key for name in audiences}

    def _listed(self, consent: pb.Consent, state: FederationState) -> ListedConsent:
        opened, problem = None, ""
        try:
            opened = self._opened(consent, state)
        except EvidenceInvalidError as wrong:
            problem = wrong.message
        revoked = consent.HasField("revoke_time")
        return ListedConsent(
            consent_id=consent.consent_id,
            recorder=consent.recorder,
            holder=consent.holder,
            active=consent.state == pb.CONSENT_STATE_ACTIVE,
            revoke_time=consent.revoke_time.ToDatetime(dt.UTC) if revoked else None,
            opened=opened,
            problem=problem,
        )

    def _opened(self, consent: pb.Consent, state: FederationState) -> OpenedConsent:
        recorder = state.organizations.get(consent.recorder)
        if recorder is None:
            raise EvidenceInvalidError("the consent's recorder is not registered")
        opened = self._reader.read(consent, self._reader.open(consent), recorder.signing_key)
        if state.agreement_of_all(opened.terms.agreement_id, (consent.recorder,)) is None:
            raise EvidenceInvalidError("the recorder is no party of the consent's agreement")
        return opened


def _terms(form: SignedForm) -> ConsentTerms:
    try:
        relation, given = SignerRelation(form["signer_relation"]), ConsentForm(form["form"])
    except ValueError:
        raise RequestInvalidError(
            "a consent's form and its signer's relation are words of the vocabulary", field="form"
        ) from None
    return ConsentTerms(
        holder=form["holder"],
        agreement_id=form["agreement_id"],
        elements=elements_named(form["elements"]),
        purposes=tuple(form["purposes"]),
        signer_relation=relation,
        form=given,
        sign_date=form["sign_date"],
        start_date=form["start_date"],
        end_date=form["end_date"],
    )
