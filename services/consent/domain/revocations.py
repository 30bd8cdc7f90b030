"""Who may revoke a consent, and on whose signed word."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from homeroom.errors import EvidenceInvalidError, NotPermittedError
from homeroom.federation import FederationState
from homeroom.signing import Domain, key_id_of, verify

_REFUSED = "no such consent to this caller"


@dataclass(frozen=True, slots=True)
class Revocation:
    """One organization's signed statement that a consent is withdrawn.

    Attributes:
        organization_id: the organization that was told.
        content: the statement's exact bytes.
        signer: the organization that the signature says it is of.
    """

    consent_id: str
    organization_id: str
    revoke_time: dt.datetime
    content: bytes
    signer: str
    key_id: str
    signature: bytes


def require_own_word(
    revocation: Revocation, state: FederationState, caller: str, now: dt.datetime
) -> None:
    """Lets a revocation pass that the caller's organization signed, whatever its standing.

    A family that told a suspended organization has still told it.

    Raises:
        NotPermittedError: if it is another organization's word, or the organization is not known.
        EvidenceInvalidError: if the organization's key did not sign it.
    """
    organization = state.organizations.get(caller)
    if organization is None or revocation.organization_id != caller:
        raise NotPermittedError(_REFUSED)
    key = organization.keys.withdrawing_key(revocation.key_id, now)
    if revocation.signer != caller or revocation.key_id != key_id_of(key):
        raise EvidenceInvalidError("not signed with the organization's key")
    verify(Domain.REVOCATION, revocation.content, revocation.signature, key)


def require_concerned(concerned: Collection[str], organization_id: str) -> None:
    """Lets an organization pass that the consent concerns.

    Args:
        concerned: whom it concerns; nobody if there is no such consent.
        organization_id: who would revoke it.

    Raises:
        NotPermittedError: if it does not, or there is no such consent.
    """
    if organization_id not in concerned:
        raise NotPermittedError(_REFUSED)
