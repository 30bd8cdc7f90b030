"""Keeps questions within limits: how many, how long they may take, how old the state may be."""

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from homeroom.errors import StateStaleError, TooMuchAskedError

_NO_DEADLINE_SECONDS = 366 * 24 * 3600.0
"""What a caller leaves is none beyond this: gRPC tells a missing deadline as a distant one."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long nodes may take.

    Attributes:
        margin_seconds: what the gateway keeps of the caller's time, to say how each answer ended.
        default_seconds: the time of a node when the caller set none.
        max_seconds: the most time of a node, whatever the caller set.
    """

    margin_seconds: float
    default_seconds: float
    max_seconds: float

    def for_nodes(self, caller_seconds: float | None) -> float:
        """The seconds that nodes have when the caller has so many left; never negative."""
        if caller_seconds is None or caller_seconds > _NO_DEADLINE_SECONDS:
            return self.default_seconds
        return min(max(caller_seconds - self.margin_seconds, 0.0), self.max_seconds)


def require_fresh(
    confirmed_at: dt.datetime | None, now: dt.datetime, max_age: dt.timedelta
) -> None:
    """Lets the call pass if the registry confirmed its state lately.

    Raises:
        StateStaleError: if it did not.
    """
    if confirmed_at is None or now - confirmed_at > max_age:
        raise StateStaleError("the registry has not confirmed its state lately", state="registry")


@dataclass(slots=True)
class RateLimit:
    """How often each organization may ask: a bucket of tokens, refilled steadily.

    Attributes:
        per_second: how many tokens are refilled each second.
        burst: how many questions may come at once after a pause.
        clock: a steady clock, in seconds.
    """

    per_second: float
    burst: int
    clock: Callable[[], float]
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, organization_id: str) -> None:
        """Takes one question's token.

        Raises:
            TooMuchAskedError: if none is left, with the seconds until there is one.
        """
        now = self.clock()
        left, since = self._buckets.get(organization_id, (float(self.burst), now))
        left = min(float(self.burst), left + (now - since) * self.per_second)
        if left < 1:
            self._buckets[organization_id] = (left, now)
            wait = math.ceil((1 - left) / self.per_second * 10) / 10
            raise TooMuchAskedError("too many questions in a short time", retry_after=f"{wait:.1f}")
        self._buckets[organization_id] = (left - 1, now)
