"""Who may send word about consents to whom: partial withdrawals, verdicts, new names."""

import datetime as dt
from dataclasses import dataclass, field

from homeroom.consent_log import ChangeKind, notice_digest
from homeroom.errors import NotPermittedError, RequestInvalidError, TooMuchAskedError
from homeroom.federation import FederationState
from services.consent.domain.consents import MAX_BODIES

MAX_NOTICE_BYTES = 256 * 1024
_REFUSED = "no such consent to this caller"
LATE = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
"""When something was taken of which nobody says when: no key that was given up proves it."""


@dataclass(frozen=True, slots=True)
class SealedNotice:
    """A statement that one organization can open."""

    organization_id: str
    sealed_statement: bytes


@dataclass(frozen=True, slots=True)
class Notice:
    """One organization's word about consents, sealed to whom it touches.

    Attributes:
        consent_id: the consent that is narrowed; empty for verdicts and new names.
        organization_id: whose word it is.
    """

    kind: ChangeKind
    consent_id: str
    organization_id: str
    notices: tuple[SealedNotice, ...]
    taken_at: dt.datetime = field(default=LATE, compare=False)

    @property
    def readers(self) -> frozenset[str]:
        return frozenset(notice.organization_id for notice in self.notices)

    def digest(self) -> bytes:
        """The SHA-256 digest of all of it."""
        sealed = ((one.organization_id, one.sealed_statement) for one in self.notices)
        return notice_digest(self.kind, self.consent_id, self.organization_id, sealed)


@dataclass(frozen=True, slots=True)
class Parties:
    """Whom a consent concerns."""

    recorder: str
    holder: str
    readers: frozenset[str]

    @property
    def everyone(self) -> frozenset[str]:
        return self.readers | {self.recorder, self.holder}


def require_own_notice(notice: Notice, state: FederationState, caller: str) -> None:
    """Lets a notice pass that is the caller's own word, whatever its standing, and well formed.

    Raises:
        NotPermittedError: if it is another organization's word, or the organization is not known.
        TooMuchAskedError: if it is larger than one call may carry.
        RequestInvalidError: if it is for nobody, or for one that is not registered.
    """
    if caller not in state.organizations or notice.organization_id != caller:
        raise NotPermittedError(_REFUSED)
    if len(notice.notices) > MAX_BODIES:
        raise TooMuchAskedError("too many notices", limit=f"{MAX_BODIES} notices")
    if sum(len(one.sealed_statement) for one in notice.notices) > MAX_NOTICE_BYTES:
        raise TooMuchAskedError("a notice is too large", limit=f"{MAX_NOTICE_BYTES} bytes")
    if not notice.notices or not all(one.sealed_statement for one in notice.notices):
        raise RequestInvalidError("a notice is empty", field="notices")
    if len(notice.readers) != len(notice.notices):
        raise RequestInvalidError("two notices are for one reader", field="notices")
    if not notice.readers <= set(state.organizations):
        raise RequestInvalidError("a reader is not registered", field="notices")


def require_narrowable(notice: Notice, parties: Parties | None) -> None:
    """Lets a partial withdrawal pass that comes from, and goes to, whom the consent concerns.

    Args:
        notice: the withdrawal.
        parties: whom the consent concerns; None if there is no such consent.

    Raises:
        NotPermittedError: if it comes from another, or there is no such consent.
        RequestInvalidError: if it misses the holder or the recorder, or goes to another.
    """
    if parties is None or notice.organization_id not in parties.everyone:
        raise NotPermittedError(_REFUSED)
    if not {parties.holder, parties.recorder} <= notice.readers <= parties.everyone:
        raise RequestInvalidError(
            "a partial withdrawal goes to holder, recorder and recipients", field="notices"
        )
