"""What stands after an agreement's statements: proposed and agreed versions, and who takes part."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from homeroom.lifecycle.statements import Joining, Statement
from homeroom.lifecycle.states import AgreementState, EndCause
from homeroom.lifecycle.terms import Terms


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an agreement.

    Attributes:
        rendering_digest: of the document as it is printed, by the word of its proposer.
        proposer: whose proposal or counter-proposal it is.
        countered: whether it took an earlier proposal's place.
    """

    terms: Terms
    rendering_digest: bytes
    proposer: str
    countered: bool
    signed_by: frozenset[str]

    @property
    def agreed(self) -> bool:
        return self.signed_by >= self.terms.parties

    @property
    def state(self) -> AgreementState:
        """Where it stands while it is not yet agreed."""
        if self.signed_by - {self.proposer}:
            return AgreementState.SIGNED_BY_SOME
        return AgreementState.COUNTER_PROPOSED if self.countered else AgreementState.PROPOSED


@dataclass(frozen=True, slots=True)
class Joined:
    """A joiner of the version in force, and the holders that have countersigned.

    Attributes:
        digest: the SHA-256 digest of the joining's exact bytes.
    """

    organization_id: str
    joining: Joining
    digest: bytes
    countersigned_by: frozenset[str] = frozenset()

    @property
    def waits_for(self) -> frozenset[str]:
        return frozenset(self.joining.schools) - self.countersigned_by


@dataclass(frozen=True, slots=True)
class AgreementHistory:
    """An agreement's whole life so far.

    Attributes:
        statements: in their order; each names the one before.
        agreed: the versions that every party signed, oldest first; the last is in force, if any.
        proposed: the version that is open for signatures; None if there is none.
        suspended_by: who has suspended its own part; holds across versions, until it resumes.
        ended_by: who has ended its own part of the version in force.
        ended_whole_by: who has ended the version in force for all.
        joined: by identifier, who has joined the version in force.
    """

    agreement_id: str
    statements: tuple[Statement, ...] = ()
    agreed: tuple[Version, ...] = ()
    proposed: Version | None = None
    suspended_by: frozenset[str] = frozenset()
    ended_by: frozenset[str] = frozenset()
    ended_whole_by: str | None = None
    joined: tuple[Joined, ...] = ()

    @property
    def head(self) -> bytes:
        """The digest of the newest statement; empty before the first."""
        return self.statements[-1].digest if self.statements else b""

    @property
    def in_force(self) -> Version | None:
        """The newest version that every party signed, whether or not it has ended since."""
        return self.agreed[-1] if self.agreed else None

    @property
    def people(self) -> frozenset[str]:
        """Who may know of this agreement and speak in it."""
        versions = [one for one in (self.in_force, self.proposed) if one is not None]
        joiners = frozenset(one.organization_id for one in self.joined)
        return joiners.union(*(version.terms.parties for version in versions))

    @property
    def ended(self) -> bool:
        """Whether the version in force was ended: for all, or by so many that nobody is left."""
        version = self.in_force
        if version is None:
            return False
        return self.ended_whole_by is not None or not self._some_share(version, self.ended_by)

    def joiner(self, organization_id: str) -> Joined | None:
        """What an organization joined with, if it did."""
        return next((one for one in self.joined if one.organization_id == organization_id), None)

    def takes_part(self, *organizations: str) -> bool:
        """Whether the agreement is in force, and none of these has suspended or ended its part."""
        version = self.in_force
        if version is None or self.ended:
            return False
        known = version.terms.parties | {one.organization_id for one in self.joined}
        return known.issuperset(organizations) and not (self.suspended_by | self.ended_by) & set(
            organizations
        )

    def state(
        self, version: int, day: dt.date | None = None
    ) -> tuple[AgreementState, EndCause | None]:
        """Where a version stands, and why if it has ended.

        Args:
            version: one that was agreed or is proposed; any other was withdrawn.
            day: to tell whether it has expired; None does not ask.
        """
        if self.proposed is not None and version == self.proposed.terms.version:
            return self.proposed.state, None
        newest = len(self.agreed)
        if not 1 <= version <= newest:
            return AgreementState.ENDED, EndCause.WITHDRAWN
        if version < newest:
            return AgreementState.ENDED, EndCause.SUPERSEDED
        return self._state_in_force(self.agreed[-1], day)

    def _state_in_force(
        self, version: Version, day: dt.date | None
    ) -> tuple[AgreementState, EndCause | None]:
        if self.ended:
            return AgreementState.ENDED, EndCause.TERMINATED
        if day is not None and day > version.terms.last_day:
            return AgreementState.ENDED, EndCause.EXPIRED
        if not self._some_share(version, self.ended_by | self.suspended_by):
            return AgreementState.SUSPENDED, None
        return AgreementState.ACTIVE, None

    def _some_share(self, version: Version, without: Iterable[str]) -> bool:
        """Whether a discloser and another recipient are left."""
        joiners = {one.organization_id for one in self.joined}
        disclosers = version.terms.disclosers - set(without)
        recipients = (version.terms.recipients | joiners) - set(without)
        return bool(disclosers) and len(disclosers | recipients) > 1 and bool(recipients)
