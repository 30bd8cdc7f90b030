"""Lets a steward decide about elements that the holder's own rules hold for approval."""

import datetime as dt
from dataclasses import dataclass

from homeroom.vocabulary import Element
from services.node.domain.on_file import ApprovalState


@dataclass(frozen=True, slots=True)
class Approved:
    """What a steward signed.

    Attributes:
        valid_from, valid_to: the instants between which it counts.
        statement: the signed statement, as it is kept.
    """

    valid_from: dt.datetime
    valid_to: dt.datetime
    statement: bytes


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """One element that waits, or waited, for a steward.

    Attributes:
        key: the holder's own number for it.
        agreement_id: the agreement relied on; empty if none is.
        valid_from, valid_to: the instants between which an approval counts.
    """

    key: int
    approval_id: str
    requester: str
    agreement_id: str
    purpose: str
    element: Element
    state: ApprovalState
    opened_at: dt.datetime
    decided_at: dt.datetime | None = None
    decided_by: str = ""
    valid_from: dt.datetime | None = None
    valid_to: dt.datetime | None = None
