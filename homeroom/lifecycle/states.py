"""Where an agreement stands, and why one has ended."""

from enum import StrEnum


class AgreementState(StrEnum):
    """Where a version of an agreement stands."""

    PROPOSED = "proposed"
    COUNTER_PROPOSED = "counter_proposed"
    SIGNED_BY_SOME = "signed_by_some"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


class EndCause(StrEnum):
    """Why a version has ended."""

    EXPIRED = "expired"
    TERMINATED = "terminated"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
