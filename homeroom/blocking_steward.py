"""The steward without `await`, for scripts and notebooks."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Unpack

from homeroom.agreement import AgreementDocument, Schools
from homeroom.blocking import Entered, LoopThread
from homeroom.federation import ClassMembership, FederationState, Organization, Standing
from homeroom.identity import Role
from homeroom.lifecycle import AgreementHistory
from homeroom.profile import Profile
from homeroom.resubmission import Resubmitted
from homeroom.signing import SigningKey
from homeroom.steward import ListedAgreement, OrganizationRecord, Steward


class BlockingSteward(Entered):
    """One organization's steward, or the federation's operator; see `Steward`, its methods."""

    def __init__(
        self, profile: Profile | str | Path | None = None, role: Role = Role.STEWARD
    ) -> None:
        """Reads a profile; the role is STEWARD, or OPERATOR to set standings."""
        self._steward = Steward(profile, role)
        self._thread = LoopThread()

    def close(self) -> None:
        """Ends every connection."""
        if not self._thread.closed:
            self._thread.run(self._steward.close())
            self._thread.close()

    # Organizations.

    def federation(self) -> FederationState:
        """The organizations and agreements, as the registry's verified snapshot has them."""
        return self._thread.run(self._steward.federation())

    def register(self, **record: Unpack[OrganizationRecord]) -> Organization:
        """Registers the profile's organization, or replaces its record with a newer one."""
        return self._thread.run(self._steward.register(**record))

    def register_keys(
        self,
        known: Organization,
        sealing_key: bytes = b"",
        checkpoint_key: bytes = b"",
        signing_key: SigningKey | None = None,
    ) -> Organization:
        """Replaces the organization's record by one that differs in its public keys alone."""
        return self._thread.run(
            self._steward.register_keys(known, sealing_key, checkpoint_key, signing_key)
        )

    def recover(
        self,
        known: Organization,
        signing_key: SigningKey,
        recovery_key: SigningKey,
        kept: bytes | None = None,
    ) -> Organization:
        """Puts a signing key in place of a lost or stolen one, by the recovery key's word."""
        return self._thread.run(self._steward.recover(known, signing_key, recovery_key, kept))

    def mark_key_compromised(
        self, organization_id: str, key_id: str, since: dt.datetime
    ) -> Organization:
        """Says from when on nothing counts that a signing key signed; for the operator alone."""
        return self._thread.run(self._steward.mark_key_compromised(organization_id, key_id, since))

    def organizations(self) -> Sequence[Organization]:
        """Every organization whose own record checks, by identifier."""
        return self._thread.run(self._steward.organizations())

    def set_standing(
        self,
        organization_id: str,
        standing: Standing | str,
        debarred_until: dt.date | None = None,
    ) -> Organization:
        """Admits, suspends or debars an organization; for the federation's operator alone."""
        return self._thread.run(
            self._steward.set_standing(organization_id, standing, debarred_until)
        )

    def set_classes(self, organization_id: str, classes: Sequence[ClassMembership]) -> Organization:
        """Says in which classes an organization is, and no others; for the operator alone."""
        return self._thread.run(self._steward.set_classes(organization_id, classes))

    # Towards a signed document.

    def compile(self, text: str) -> AgreementDocument:
        """The document that a steward's YAML file means, with the keys that are registered now."""
        return self._thread.run(self._steward.compile(text))

    def amendment(self, text: str) -> AgreementDocument:
        """The document of a next version, from the steward's file."""
        return self._thread.run(self._steward.amendment(text))

    def propose(self, document: AgreementDocument) -> ListedAgreement:
        """Offers a document to its parties, with this organization's signature on it."""
        return self._thread.run(self._steward.propose(document))

    def counter(self, document: AgreementDocument) -> ListedAgreement:
        """Offers a changed document in place of the one that is proposed; all sign anew."""
        return self._thread.run(self._steward.counter(document))

    def sign(self, agreement_id: str, version: int, shown: bytes | None = None) -> ListedAgreement:
        """Adds this organization's signature to the proposed document."""
        return self._thread.run(self._steward.sign(agreement_id, version, shown))

    def decline(self, agreement_id: str, version: int) -> ListedAgreement:
        """Takes back this organization's proposal, or declines another's."""
        return self._thread.run(self._steward.decline(agreement_id, version))

    # While it is in force.

    def suspend(self, agreement_id: str, reason: str = "") -> ListedAgreement:
        """Suspends this organization's part at once; answers that are running stop."""
        return self._thread.run(self._steward.suspend(agreement_id, reason))

    def resume(self, agreement_id: str) -> ListedAgreement:
        """Resumes the part that this organization suspended."""
        return self._thread.run(self._steward.resume(agreement_id))

    def end(self, agreement_id: str, *, whole: bool = False) -> ListedAgreement:
        """Ends this organization's part at once, or the whole agreement where it may."""
        return self._thread.run(self._steward.end(agreement_id, whole=whole))

    def join(
        self,
        agreement_id: str,
        purposes: Sequence[str],
        schools: Mapping[str, Schools],
        signatory: tuple[str, str] = ("", ""),
    ) -> ListedAgreement:
        """Asks to receive under an agreement's offer; each holder named opens its own schools."""
        return self._thread.run(self._steward.join(agreement_id, purposes, schools, signatory))

    def countersign(
        self, agreement_id: str, joiner: str, shown: bytes | None = None
    ) -> ListedAgreement:
        """Opens this organization's schools to a joiner, as far as its joining asks."""
        return self._thread.run(self._steward.countersign(agreement_id, joiner, shown))

    def take_back(self, agreement_id: str, joiner: str) -> ListedAgreement:
        """Takes back this organization's countersignature of a joining, at once."""
        return self._thread.run(self._steward.take_back(agreement_id, joiner))

    # What there is.

    def agreements(self) -> Sequence[ListedAgreement]:
        """Every version of this organization's agreements, by identifier and version."""
        return self._thread.run(self._steward.agreements())

    def agreement(self, agreement_id: str, version: int = 0) -> ListedAgreement:
        """One version of an agreement; the newest if none is named."""
        return self._thread.run(self._steward.agreement(agreement_id, version))

    def history(self, agreement_id: str) -> AgreementHistory:
        """An agreement's whole life, verified."""
        return self._thread.run(self._steward.history(agreement_id))

    def keep(self) -> bytes:
        """Every agreement with all that was signed in it, to keep in case the registry loses it."""
        return self._thread.run(self._steward.keep())

    def resubmit(self, kept: bytes) -> Sequence[Resubmitted]:
        """Says again what a restored registry has lost of what this organization said."""
        return self._thread.run(self._steward.resubmit(kept))
