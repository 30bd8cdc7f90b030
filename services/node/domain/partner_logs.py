"""The logs of the organizations that a node shares an agreement with, as it follows them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from homeroom.audit.following import FollowedLog
from homeroom.federation import FederationState, Organization


@dataclass(frozen=True, slots=True)
class PartnerLog:
    """What a node knows of a partner's log.

    Attributes:
        contradiction: what was wrong with a checkpoint that it was shown; empty if nothing was.
        refused_note: that checkpoint, as evidence beside the one that is known.
    """

    followed: FollowedLog
    seen_at: dt.datetime
    contradiction: str = ""
    refused_note: str = ""


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
