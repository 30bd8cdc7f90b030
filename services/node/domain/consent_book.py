"""Keeps what families allow: settles each consent that arrives, and undoes what is taken back.

To settle is to find the student, to have the policy check the form, and to make grants. Whatever
is not yet known (a code, a birth date, an agreement, the policy's answer) leaves a consent without
grants until it is settled again. What takes away is never held up by any of it.
"""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeAlias

from homeroom.consent_terms import OpenedConsent
from homeroom.errors import PolicyUnavailableError
from homeroom.federation import FederationState
from services.node.domain.claim_links import Nearby
from services.node.domain.consent_check import Checked, ConsentCheck
from services.node.domain.consent_forms import (
    Paper,
    Scope,
    agreement_facts,
    agreements_of,
    scope_of,
)
from services.node.domain.consent_problems import ConsentProblem
from services.node.domain.consents import Grant, Student, Withdrawn, grants_of, last_date_of
from services.node.domain.replica import NOTHING_SEEN, SeenLog
from services.node.domain.signers import rights_of

LATE = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When something was taken of which nobody says when: no key that was given up proves it."""
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Arrived:
    """A consent that arrived.

    Attributes:
        evidence: what the recorder signed, kept as it came.
        opened: what it says; None if it does not check.
        nearby: who is near its claim in the roster, if that was looked up as it was opened.
        taken_at: when the consent service took it, as far as this node could tell; a key that was
            given up since then still proves it.
    """

    consent_id: str
    recorder: str
    evidence: bytes
    opened: OpenedConsent | None
    problem: ConsentProblem | None = None
    nearby: Nearby | None = None
    taken_at: dt.datetime = LATE


@dataclass(frozen=True, slots=True)
class Revoked:
    """A consent that was withdrawn."""

    consent_id: str
    revoked_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A consent of which a part was withdrawn."""

    consent_id: str
    withdrawn: Withdrawn
    narrowed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Rotated:
    """A requester's new names for students, for those it knew them by."""

    recipient: str
    refs: Mapping[str, str]
    rotated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the recorder of a consent is told; never whether a student was found.

    Attributes:
        codes: why it is refused; none if it is accepted.
        last_date: the last day on which it can count; None if it counts on none.
    """

    codes: tuple[ConsentProblem, ...]
    last_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A verdict that a recorder is to be told."""

    consent_id: str
    recorder: str
    verdict: Verdict


class Settled(NamedTuple):
    """What became of a consent that arrived: grants, or the problem that allows none.

    Attributes:
        verdict: what its recorder is told; None if nothing.
        subject_refs: the name that is proposed for the student to each recipient.
        link_code: what names the student, where it is by a code.
    """

    consent_id: str
    recorder: str
    evidence: bytes
    student: Student | None
    problem: ConsentProblem | None
    grants: Sequence[Grant] = ()
    verdict: Verdict | None = None
    subject_refs: Mapping[str, str] = _NO_NAMES
    link_code: bytes = b""
    taken_at: dt.datetime = LATE


Change: TypeAlias = Arrived | Revoked | Narrowed | Rotated
Step: TypeAlias = Settled | Revoked | Narrowed | Rotated


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the consent service has been followed.

    Attributes:
        sequence: of all changes; organization_sequence: of those that concern this organization.
        log: what the log of all changes was at the last heartbeat.
    """

    sequence: int
    organization_sequence: int
    confirmed_at: dt.datetime | None
    log: SeenLog = NOTHING_SEEN


class Matcher(Protocol):
    """Finds the students whom consents name, by link code or by an identity claim."""

    def find(
        self, consents: Sequence[OpenedConsent], nearby: Mapping[str, Nearby]
    ) -> Sequence[Student | ConsentProblem]:
        """For each consent its student, or why there is none: unknown, not found, in review.

        Args:
            consents: what arrived.
            nearby: who is near their claims, where that was looked up before, by consent.
        """
        ...


class ConsentShelf(Protocol):
    """Where a node keeps consents and grants."""

    def progress(self) -> Progress:
        """How far the consent service has been followed."""
        ...

    def confirm(self, progress: Progress) -> None:
        """Notes progress that brought no change."""
        ...

    def apply(self, steps: Sequence[Step], progress: Progress | None) -> None:
        """Keeps steps, in order, and the progress they bring, if any: all or none.

        A consent that was ever revoked stays revoked, and what was taken from it stays taken.
        """
        ...

    def due(self, most: int) -> Sequence[Arrived]:
        """Some of the consents that are to be settled again, as they came."""
        ...


@dataclass(frozen=True, slots=True)
class ConsentBook:
    """Settles consents for one holder."""

    holder: str
    shelf: ConsentShelf
    matcher: Matcher
    check: ConsentCheck

    async def take(
        self,
        changes: Sequence[Change],
        progress: Progress,
        federation: FederationState,
        now: dt.datetime,
    ) -> None:
        """Settles changes in their order and keeps them."""
        readable = [c for c in changes if isinstance(c, Arrived) and c.opened is not None]
        try:
            settled = await self._settle(readable, federation, now)
        except PolicyUnavailableError:
            # They wait without grants; behind them may be revocations, which must not wait.
            settled = {id(one): _without(one, ConsentProblem.NOT_CHECKED) for one in readable}
        steps = [
            settled.get(id(change)) or _without(change, ConsentProblem.EVIDENCE_INVALID)
            if isinstance(change, Arrived)
            else change
            for change in changes
        ]
        await asyncio.to_thread(self.shelf.apply, steps, progress)

    async def settle_again(
        self, due: Sequence[Arrived], federation: FederationState, now: dt.datetime
    ) -> None:
        """Settles consents that came before; what they allow stays until that is done.

        Raises:
            PolicyUnavailableError: if the policy gave no usable finding.
        """
        settled = await self._settle([one for one in due if one.opened], federation, now)
        invalid = ConsentProblem.EVIDENCE_INVALID
        steps = [settled.get(id(one)) or _without(one, invalid) for one in due]
        await asyncio.to_thread(self.shelf.apply, steps, None)

    async def _settle(
        self, arrived: Sequence[Arrived], federation: FederationState, now: dt.datetime
    ) -> dict[int, Settled]:
        opened = [one.opened for one in arrived if one.opened is not None]
        if not opened:
            return {}
        # Hundreds at once take too long for a loop that serves others.
        cases = await asyncio.to_thread(self._cases, arrived, opened, federation)
        facts = {
            name: agreement_facts(federation, name, now.date())
            for name in {name for case in cases for name in case.scope.agreements}
        }
        agreed = [case for case in cases if case.scope.agreements]
        checked = await self.check.of(
            {case.paper for case in agreed}, {case.scope for case in agreed}, facts, now
        )
        return await asyncio.to_thread(
            lambda: {id(case.arrived): case.settled(checked) for case in cases}
        )

    def _cases(
        self,
        arrived: Sequence[Arrived],
        opened: Sequence[OpenedConsent],
        federation: FederationState,
    ) -> Sequence["_Case"]:
        agreements = {
            pair: agreements_of(federation, self.holder, *pair)
            for pair in {(one.recorder, one.terms.agreement_id) for one in opened}
        }
        nearby = {one.consent_id: one.nearby for one in arrived if one.nearby is not None}
        found = self.matcher.find(opened, nearby)
        return [
            _Case.of(one, consent, match, agreements[consent.recorder, consent.terms.agreement_id])
            for one, consent, match in zip(arrived, opened, found, strict=True)
        ]


class _Case(NamedTuple):
    """One consent on its way to be settled."""

    arrived: Arrived
    consent: OpenedConsent
    student: Student | None
    unmatched: ConsentProblem | None
    paper: Paper
    scope: Scope

    @classmethod
    def of(
        cls,
        arrived: Arrived,
        consent: OpenedConsent,
        match: Student | ConsentProblem,
        agreements: tuple[str, ...],
    ) -> "_Case":
        terms = consent.terms
        student = match if isinstance(match, Student) else None
        limited, entitled = (student.limited, student.entitled) if student else ((), ())
        return cls(
            arrived,
            consent,
            student,
            None if isinstance(match, Student) else match,
            Paper.of(
                terms,
                rights_of(consent.signer_name, limited, entitled),
                student.postsecondary_from if student else None,
            ),
            scope_of(consent, agreements),
        )

    def settled(self, checked: Checked) -> Settled:
        if not self.scope.agreements:
            return self._settled(ConsentProblem.RECORDER_NOT_A_PARTY)
        paper = checked.papers[self.paper]
        codes = tuple(sorted({*paper.codes, *checked.scopes[self.scope]}))
        if not codes and self.student is not None and self.student.birth_date is not None:
            if paper.counts_for(self.student.birth_date):
                grants = grants_of(self.consent, self.student, checked, paper)
                return self._settled(None, Verdict((), last_date_of(grants)), grants)
            codes = (ConsentProblem.CONSENT_SIGNER_NOT_ENTITLED,)
        if codes:
            return self._settled(codes[0], Verdict(codes))
        # Well formed: whether the student was found is told to nobody outside.
        unmatched = self.unmatched or ConsentProblem.BIRTH_DATE_UNKNOWN
        return self._settled(unmatched, Verdict((), paper.last_day))

    def _settled(
        self,
        problem: ConsentProblem | None,
        verdict: "Verdict | None" = None,
        grants: Sequence[Grant] = (),
    ) -> Settled:
        return Settled(
            self.arrived.consent_id,
            self.arrived.recorder,
            self.arrived.evidence,
            self.student,
            problem,
            grants,
            verdict,
            self.consent.subject_refs,
            self.consent.link_code,
            self.arrived.taken_at,
        )


def _without(arrived: Arrived, problem: ConsentProblem) -> Settled:
    kept = (arrived.consent_id, arrived.recorder, arrived.evidence)
    return Settled(*kept, None, arrived.problem or problem, taken_at=arrived.taken_at)
