"""Lists the consents that concern one organization, with what it can read and prove of each."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from homeroom.api.common.v1 import evidence_pb2
from homeroom.api.consent.v1 import consent_service_pb2 as pb
from homeroom.clock import utc_now
from homeroom.consent import ConsentReader, open_report
from homeroom.consent.proofs import LogHead, check_proof
from homeroom.consent_log import LogEntry
from homeroom.consent_notices import Retraction, Verdict, VerdictReport
from homeroom.consent_terms import OpenedConsent
from homeroom.errors import EvidenceInvalidError
from homeroom.federation import FederationState
from homeroom.profile import required
from homeroom.session import Session, call

_PAGE = 500


@dataclass(frozen=True, slots=True)
class ListedConsent:
    """A consent as the service lists it, and what the caller's own body of it says.

    Attributes:
        opened: None if the caller has no body, or it does not check; `problem` then says which.
        verdict: what the holder's rules say of it, if the caller recorded it and was told.
    """

    consent_id: str
    recorder: str
    holder: str
    active: bool
    revoke_time: dt.datetime | None
    opened: OpenedConsent | None
    problem: str = ""
    verdict: Verdict | None = None

    @property
    def last_date(self) -> dt.date | None:
        """The last day on which it can count, as far as it is known here."""
        if self.verdict is not None:
            return self.verdict.last_date
        return self.opened.terms.end_date if self.opened else None


@dataclass(frozen=True, slots=True)
class RetractedAnswer:
    """What a holder says that an answer should not have told, and when it said so."""

    holder: str
    retraction: Retraction
    time: dt.datetime


@dataclass(frozen=True, slots=True)
class ProvedConsent:
    """A consent, and what the consent service's log proves of it.

    Attributes:
        head_evidence: the signed head under which it is proved.
        changes: each entry of the log and its inclusion path, oldest first.
    """

    consent: ListedConsent
    head: LogHead
    head_evidence: evidence_pb2.SignedStatement
    changes: Sequence[tuple[LogEntry, bytes]]


class ConsentListing:
    """The consents that one organization recorded, holds or receives."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def _reader(self) -> ConsentReader:
        return ConsentReader(self._session.organization_id, self._session.sealing_key)

    async def all(self) -> AsyncIterator[ListedConsent]:
        """Every consent, oldest first."""
        state = await self._state()
        verdicts = await self._verdicts(state)
        token = ""
        while True:
            request = pb.ListConsentsRequest(page_size=_PAGE, page_token=token)
            page = await call(self._session.consent.ListConsents, request)
            for consent in page.consents:
                verdict = verdicts.get((consent.holder, consent.consent_id))
                yield self._listed(consent, state, verdict)
            token = page.next_page_token
            if not token:
                return

    async def retractions(self) -> AsyncIterator[RetractedAnswer]:
        """What holders want given up of their answers, oldest first."""
        async for report in self._reports(await self._state()):
            for retraction in report.retractions:
                yield RetractedAnswer(report.holder, retraction, report.time)

    async def find(self, consent_id: str) -> ListedConsent:
        """One consent.

        Raises:
            NotPermittedError: if it does not concern the caller, or does not exist.
        """
        request = pb.GetConsentProofRequest(consent_id=consent_id)
        response = await call(self._session.consent.GetConsentProof, request)
        return await self._found(response, consent_id)

    async def prove(self, consent_id: str) -> ProvedConsent:
        """One consent, and what the consent service's log proves of it.

        Raises:
            NotPermittedError: if it does not concern the caller, or does not exist.
            EvidenceInvalidError: if the log does not prove what it says.
        """
        profile = self._session.profile
        key = required(profile.consent_key, "consent_key")
        request = pb.GetConsentProofRequest(consent_id=consent_id)
        response = await call(self._session.consent.GetConsentProof, request)
        head, entries = check_proof(response.proof, consent_id, profile.federation, key)
        paths = (change.path for change in response.proof.changes)
        return ProvedConsent(
            consent=await self._found(response, consent_id),
            head=head,
            head_evidence=response.proof.head,
            changes=list(zip(entries, paths, strict=True)),
        )

    async def read(self, consents: Sequence[pb.Consent]) -> list[ListedConsent]:
        """Consents as the service sent them, read."""
        state = await self._state()
        return [self._listed(consent, state, None) for consent in consents]

    async def _found(self, response: pb.GetConsentProofResponse, consent_id: str) -> ListedConsent:
        if response.consent.consent_id != consent_id:
            raise EvidenceInvalidError("the consent service answers for another consent")
        return self._listed(response.consent, await self._state(), None)

    async def _state(self) -> FederationState:
        return await self._session.registry_view.state(self._session.seen.registry)

    async def _verdicts(self, state: FederationState) -> Mapping[tuple[str, str], Verdict]:
        """The newest verdict on each consent, by its holder and identifier."""
        return {
            (report.holder, verdict.consent_id): verdict
            async for report in self._reports(state)
            # By the key that an agreement names: whose word counts for a consent, it says.
            if state.agreement_of_all("", (report.holder,)) is not None
            for verdict in report.verdicts
        }

    async def _reports(self, state: FederationState) -> AsyncIterator[VerdictReport]:
        """What holders told this organization, oldest first; what they did not sign left out."""
        token = ""
        while True:
            request = pb.ListReportsRequest(page_token=token)
            page = await call(self._session.consent.ListReports, request)
            for report in page.reports:
                holder = state.organizations.get(report.holder)
                with suppress(EvidenceInvalidError):
                    if holder is not None:
                        key = self._session.sealing_key
                        keys = holder.keys.signing_keys_at(_taken_at(report))
                        yield open_report(report, key, *keys)
            token = page.next_page_token
            if not token:
                return

    def _listed(
        self, consent: pb.Consent, state: FederationState, verdict: Verdict | None
    ) -> ListedConsent:
        opened, problem = None, ""
        try:
            opened = self._opened(consent, state)
        except EvidenceInvalidError as wrong:
            problem = wrong.message
        revoked = consent.HasField("revoke_time")
        own = consent.recorder == self._session.organization_id
        return ListedConsent(
            consent_id=consent.consent_id,
            recorder=consent.recorder,
            holder=consent.holder,
            active=consent.state == pb.CONSENT_STATE_ACTIVE,
            revoke_time=consent.revoke_time.ToDatetime(dt.UTC) if revoked else None,
            opened=opened,
            problem=problem,
            verdict=verdict if own else None,
        )

    def _opened(self, consent: pb.Consent, state: FederationState) -> OpenedConsent:
        recorder = state.organizations.get(consent.recorder)
        if recorder is None:
            raise EvidenceInvalidError("the consent's recorder is not registered")
        keys = recorder.keys.signing_keys_at(_taken_at(consent))
        opened = self._reader.read(consent, self._reader.open(consent), *keys)
        if state.agreement_of_all(opened.terms.agreement_id, (consent.recorder,)) is None:
            raise EvidenceInvalidError("the recorder is no party of the consent's agreement")
        return opened


def _taken_at(message: pb.Consent | pb.Report) -> dt.datetime:
    """When the service took it; where it does not say, now."""
    try:
        taken = message.HasField("take_time")
        return message.take_time.ToDatetime(dt.UTC) if taken else utc_now()
    except (ValueError, OverflowError):
        raise EvidenceInvalidError("the consent service says no instant") from None


def ends_within(consent: ListedConsent, days: int) -> bool:
    """Whether a consent counts today and ends within some days."""
    today, ends = utc_now().date(), consent.last_date
    if not consent.active or consent.opened is None or ends is None:
        return False
    return today <= ends <= today + dt.timedelta(days=days)
