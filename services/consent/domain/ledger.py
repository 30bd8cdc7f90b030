"""The one order of all changes, each organization's own chain in it, and the port to keep them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from homeroom.consent_log import LogEntry
from services.consent.domain.consents import Consent
from services.consent.domain.notices import LATE, Notice
from services.consent.domain.revocations import Revocation


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """One call that may change something, so that a retry is recognized.

    Attributes:
        organization_id: the caller's.
        digest: the SHA-256 digest of the method and everything it was called with.
        at: when it came; without it, so late that no former key proves what it carries.
    """

    organization_id: str
    request_id: str
    digest: bytes
    at: dt.datetime = LATE


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a call: the sequence that includes all of it, and how many were new."""

    sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class LogHead:
    """The log's first entries, and the root of the tree over them."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """How entries were appended to the log.

    Attributes:
        head: after the last of them.
        size_before, roots_before: how many stood before the first, and their largest whole trees.
    """

    head: LogHead
    size_before: int
    roots_before: bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """Changes of one consent as the log has them.

    Attributes:
        entries: each entry with its inclusion path under the head, oldest first.
    """

    head: LogHead
    entries: Sequence[tuple[LogEntry, bytes]]


@dataclass(frozen=True, slots=True)
class Change:
    """One step of one organization's chain, with its own notice, or body if it holds the records.

    Attributes:
        previous_sequence: the step before it in the chain; 0 for the first.
    """

    sequence: int
    previous_sequence: int
    what: Consent | Revocation | Notice
    taken_at: dt.datetime = LATE


@dataclass(frozen=True, slots=True)
class ListedConsent:
    """A consent with one organization's own body only.

    Attributes:
        revoke_time: None while it has not been revoked.
    """

    sequence: int
    consent: Consent
    revoke_time: dt.datetime | None
    taken_at: dt.datetime = LATE


@dataclass(frozen=True, slots=True)
class Heads:
    """How far the order has come.

    Attributes:
        sequence: all changes up to it are committed.
        root: of the log that ends with it.
        chains: the newest step of each organization's chain that moved since it was last asked.
    """

    sequence: int
    root: bytes
    chains: Mapping[str, int]


class ConsentStore(Protocol):
    """Keeps consents and revocations in one order. Each call is one transaction."""

    def record(
        self, request: ChangeRequest, consents: Sequence[Consent], *, skip_recorded: bool = False
    ) -> Recorded:
        """Records consents, all or none; each new one is one step of the order.

        With `skip_recorded`, those that their recorder recorded before are left out, whatever they
        say now.

        Raises:
            AlreadyRecordedError: if the request's id, or one of the consents', was used before
                for something else.
        """
        ...

    def revoke(self, request: ChangeRequest, revocation: Revocation) -> int:
        """Revokes a consent, if that was not done before; returns the revocation's sequence.

        Raises:
            NotPermittedError: if it does not concern the revoking organization, or does not exist.
            AlreadyRecordedError: if the request's id was used before for something else.
        """
        ...

    def notify(self, request: ChangeRequest, notice: Notice) -> int:
        """Keeps a notice; returns its sequence.

        Raises:
            NotPermittedError: if the consent it is about does not concern its author, or does not
                exist.
            RequestInvalidError: if it is not for whom it has to be for.
            AlreadyRecordedError: if the request's id was used before for something else.
        """
        ...

    def sequences_of(self, consent_ids: Sequence[str]) -> Mapping[str, int]:
        """Where consents stand in the order."""
        ...

    def appended(self, size_before: int, size: int) -> Appended:
        """How the log grew from one size to another."""
        ...

    def proof_of(self, consent_id: str, organization_id: str) -> Proof:
        """Every change of a consent, from the newest log.

        Raises:
            NotPermittedError: if it does not concern the organization, or does not exist.
        """
        ...

    def growth(self, known_size: int, size: int) -> tuple[LogHead, bytes]:
        """The head of a size, and the consistency path from one that is not larger.

        Args:
            known_size: where the path begins.
            size: where it ends; 0 for the newest head.

        Raises:
            StateBehindError: if the log is smaller than that, or ends before it begins.
        """
        ...

    def consents_named(
        self, consent_ids: Sequence[str], organization_id: str
    ) -> Sequence[ListedConsent]:
        """Those of the consents that concern an organization, oldest first."""
        ...

    def reports_to(
        self, organization_id: str, after: int, limit: int
    ) -> Sequence[tuple[int, Notice]]:
        """The verdicts on consents that an organization recorded, each with its sequence."""
        ...

    def heads(self, after: int) -> Heads:
        """How far the order has come, and which chains have moved after a sequence."""
        ...

    def chain_at(self, organization_id: str, sequence: int) -> int:
        """The newest step of an organization's chain up to a sequence; 0 if there is none."""
        ...

    def changes(self, organization_id: str, after: int, up_to: int, limit: int) -> Sequence[Change]:
        """The steps of an organization's chain after a sequence and up to another, in order."""
        ...

    def consents_of(self, organization_id: str, after: int, limit: int) -> Sequence[ListedConsent]:
        """The consents that concern an organization after a sequence, as they were recorded."""
        ...
