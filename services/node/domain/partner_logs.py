"""The logs of the organizations that a node shares an agreement with, as it follows them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from homeroom.audit.following import FollowedLog
from homeroom.federation import FederationState, Organization

_NEVER = 0


@dataclass(frozen=True, slots=True)
class SeenContradiction:
    """Two checkpoints of a partner's log that cannot both be of it.

    Attributes:
        known_note: the one that the log had been followed to.
        refused_note: the one that was shown then.
    """

    kind: str
    known_note: str
    refused_note: str
    seen_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PartnerLog:
    """What a node knows of a partner's log.

    Attributes:
        contradiction: what was wrong with it, once; the first is kept, whatever is shown later.
    """

    followed: FollowedLog
    seen_at: dt.datetime
    contradiction: SeenContradiction | None = None


class PartnerShelf(Protocol):
    """Where a node remembers its partners' logs."""

    def partner_logs(self) -> Mapping[str, PartnerLog]:
        """What is known, by organization."""
        ...

    def keep_partner_log(self, organization_id: str, known: PartnerLog) -> None:
        """Keeps it in place of what was known before."""
        ...


def partners_of(state: FederationState, own: str) -> list[Organization]:
    """Who shares an agreement with an organization and keeps a log; by identifier."""
    named = {
        party.organization_id
        for agreement in state.agreements.values()
        if agreement.document.party(own) is not None
        for party in agreement.document.parties
    }
    found = (state.organizations.get(name) for name in sorted(named - {own}))
    return [one for one in found if one is not None and one.checkpoint_key]


def longest_unseen(
    partners: Sequence[Organization], last_looks: Mapping[str, int], at_most: int
) -> list[Organization]:
    """Whose logs are looked at next; among equals those that come first.

    Args:
        partners: all of them.
        last_looks: the number of the last look at each one's log, from 1.
        at_most: how many.
    """
    longest = sorted(partners, key=lambda one: last_looks.get(one.organization_id, _NEVER))
    return longest[:at_most]
