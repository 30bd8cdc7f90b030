"""What an organization knows of its federation: who takes part, and what they have agreed to.

These are facts already checked: `homeroom.snapshot` makes them from signed evidence.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from homeroom.agreement import AgreementDocument
from homeroom.key_history import KeyHistory, KeySet, sole_period
from homeroom.lifecycle import AgreementHistory, AgreementState, Joined, Version, joined_view
from homeroom.signing import key_id_of
from homeroom.users import Issuer
from homeroom.vocabulary import OrganizationKind

DIALS_OUT = "dials-out"
"""The address of a node that nobody can connect to: it holds streams open to the gateway."""


class Standing(StrEnum):
    """Whether an organization may take part."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEBARRED = "debarred"


@dataclass(frozen=True, slots=True)
class ClassMembership:
    """From when to when an organization is in a class of recipients; both days included.

    Attributes:
        to_day: None while no last day is set.
    """

    name: str
    from_day: dt.date
    to_day: dt.date | None = None

    def covers(self, day: dt.date) -> bool:
        return self.from_day <= day and (self.to_day is None or day <= self.to_day)


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization, as its own signed record and the registry describe it.

    Attributes:
        node_address: host:port, or `DIALS_OUT`; empty where it runs none.
        classes: the classes of recipients that the federation's operator has put it in.
        debarred_until: the last day of a bar (34 CFR 99.67); None while none is set.
        checkpoint_key: signs its log's checkpoints; empty where it runs no node.
        recovery_key: proves its next record where the signing key cannot; empty if there is none.
        known_keys: the keys that it had; None where only the present ones are known.
    """

    organization_id: str
    display_name: str
    kind: OrganizationKind
    standing: Standing
    node_address: str
    datasets: frozenset[str]
    signing_key: bytes
    sealing_key: bytes
    issuer: Issuer
    record_version: int
    classes: tuple[ClassMembership, ...] = ()
    debarred_until: dt.date | None = None
    checkpoint_key: bytes = b""
    recovery_key: bytes = b""
    known_keys: KeyHistory | None = None

    @property
    def keys(self) -> KeyHistory:
        """The keys that it had, the present ones included."""
        return self.known_keys or sole_period(self.key_set)

    @property
    def key_set(self) -> KeySet:
        """Its present keys."""
        return KeySet(self.signing_key, self.sealing_key, self.checkpoint_key, self.recovery_key)

    @property
    def anchored_key_ids(self) -> frozenset[str]:
        """The fingerprints of the signing keys that lead to the present one."""
        return self.keys.anchored


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of an agreement.

    Attributes:
        signed_by: the parties whose signatures check, each by the key that the document names.
        state: where it stands for all; whether it has expired, the document's dates say.
        digest: the SHA-256 digest of the document's exact bytes.
        suspended_by, ended_by: the organizations that take no part now.
        joined: who has joined it, and by whom that is countersigned.
    """

    document: AgreementDocument
    signed_by: frozenset[str]
    state: AgreementState
    digest: bytes
    suspended_by: frozenset[str] = frozenset()
    ended_by: frozenset[str] = frozenset()
    joined: tuple[Joined, ...] = ()

    @property
    def fully_signed(self) -> bool:
        return self.signed_by >= {party.organization_id for party in self.document.parties}

    @property
    def active(self) -> bool:
        return self.state is AgreementState.ACTIVE and self.fully_signed

    def state_between(self, *organizations: str) -> AgreementState:
        """Where it stands for these: one that has suspended or ended its part takes no part."""
        if self.state is not AgreementState.ACTIVE:
            return self.state
        if self.ended_by.intersection(organizations):
            return AgreementState.ENDED
        if self.suspended_by.intersection(organizations):
            return AgreementState.SUSPENDED
        return AgreementState.ACTIVE

    def seen_by(self, organization: "KeyHolder") -> "Agreement | None":
        """The agreement as it is for a party with exactly the keys that it signed with.

        For a joiner it holds the purposes and schools that it joined for, at the holders that have
        countersigned. For anyone else there is none.
        """
        if has_pinned_keys(self.document, organization):
            return self
        if self.document.party(organization.organization_id) is not None:
            return None
        joined = next(
            (one for one in self.joined if one.organization_id == organization.organization_id),
            None,
        )
        if joined is None or not _joined_with(joined, organization):
            return None
        return replace(
            self,
            document=joined_view(self.document, joined),
            signed_by=self.signed_by | {joined.organization_id},
        )


@dataclass(frozen=True, slots=True)
class KnownAgreement:
    """An agreement's verified history, and its documents' exact bytes by their digest."""

    history: AgreementHistory
    contents: Mapping[bytes, bytes]

    def document(self, version: Version) -> AgreementDocument:
        """The document of one of its versions."""
        return AgreementDocument.parse(self.contents[version.terms.digest])


@dataclass(frozen=True, slots=True)
class FederationState:
    """The registry's state at one sequence.

    Attributes:
        agreements: for each identifier the version in force, else the one that is proposed.
        known: for each identifier the whole verified history.
    """

    federation: str
    sequence: int
    issue_time: dt.datetime
    expire_time: dt.datetime
    organizations: Mapping[str, Organization]
    agreements: Mapping[str, Agreement]
    known: Mapping[str, KnownAgreement] = field(default_factory=dict)

    def standing_of(self, organization_id: str) -> Standing:
        organization = self.organizations.get(organization_id)
        return organization.standing if organization else Standing.UNKNOWN

    def classes_of(self, organization_id: str, day: dt.date) -> frozenset[str]:
        """The classes of recipients that an organization is in on a day; none if it is unknown."""
        organization = self.organizations.get(organization_id)
        memberships = organization.classes if organization else ()
        return frozenset(one.name for one in memberships if one.covers(day))

    def agreement_of_parties(self, agreement_id: str, organization_id: str) -> Agreement | None:
        """The agreement as it is for an organization; None if it is no party or joiner of it."""
        agreement = self.agreements.get(agreement_id)
        organization = self.organizations.get(organization_id)
        if agreement is None or organization is None:
            return None
        return agreement.seen_by(organization)

    def agreement_of_all(
        self, agreement_id: str, organization_ids: Collection[str]
    ) -> Agreement | None:
        """The agreement, if all are parties of it with the keys it names.

        Without an identifier: the first of which they all are.
        """
        named = (agreement_id,) if agreement_id else sorted(self.agreements)
        for one in named:
            parties = (self.agreement_of_parties(one, name) for name in organization_ids)
            if all(party is not None for party in parties):
                return self.agreements[one]
        return None


class KeyHolder(Protocol):
    """Who has keys that an agreement can name."""

    @property
    def organization_id(self) -> str: ...

    @property
    def anchored_key_ids(self) -> frozenset[str]: ...

    @property
    def sealing_key(self) -> bytes: ...


def has_pinned_keys(document: AgreementDocument, organization: KeyHolder) -> bool:
    """Whether an organization is a party of a document by the keys that it names.

    The signing key that is named is the present one, or leads to it by signed records.
    """
    party = document.party(organization.organization_id)
    return (
        party is not None
        and party.signing_key_id in organization.anchored_key_ids
        and party.sealing_key_id == key_id_of(organization.sealing_key)
    )


def _joined_with(joined: Joined, organization: KeyHolder) -> bool:
    return (
        joined.joining.signing_key_id in organization.anchored_key_ids
        and joined.joining.sealing_key_id == key_id_of(organization.sealing_key)
    )


__all__ = [
    "Agreement",
    "AgreementState",
    "ClassMembership",
    "FederationState",
    "KeyHolder",
    "KnownAgreement",
    "Organization",
    "Standing",
    "has_pinned_keys",
]
