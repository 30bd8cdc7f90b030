"""What a node knows of the federation and of consents at one moment, and how fresh that is."""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from homeroom.errors import StateStaleError
from homeroom.federation import FederationState


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far a state is known, and when its source last said that this is the newest."""

    sequence: int
    confirmed_at: dt.datetime | None

    def require(self, state: str, now: dt.datetime, limit: dt.timedelta) -> None:
        """Lets work go on if the state was confirmed lately.

        Raises:
            StateStaleError: if it never was, or longer ago than the limit.
        """
        if self.confirmed_at is None or now - self.confirmed_at > limit:
            raise StateStaleError("this state has not been confirmed lately", state=state)


@dataclass(frozen=True, slots=True)
class SeenLog:
    """What the consent service said its log was: how many entries, and the root over them."""

    size: int
    root: bytes


NOTHING_SEEN = SeenLog(0, b"")
"""Before the first heartbeat."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a decision rests on, at one moment.

    Attributes:
        epoch: changes whenever agreements, organizations or consents do.
        consent_log: the log of which the consents were read.
    """

    federation: FederationState
    registry: Freshness
    consent: Freshness
    epoch: tuple[int, int]
    consent_log: SeenLog = NOTHING_SEEN

    def require_fresh(self, now: dt.datetime, limit: dt.timedelta) -> None:
        """Lets work go on if both states were confirmed lately.

        Raises:
            StateStaleError: naming the state that was not.
        """
        self.registry.require("registry", now, limit)
        self.consent.require("consent", now, limit)


class Replica(Protocol):
    """The node's own verified copy of registry and consent state."""

    def evidence(self) -> Evidence:
        """What is known now.

        Raises:
            StateStaleError: if nothing is known yet, or it has expired.
        """
        ...

    async def wait_for(self, registry_sequence: int, consent_sequence: int) -> None:
        """Waits a little until both sequences have been seen.

        Raises:
            StateBehindError: if one was not in time.
        """
        ...
