"""Reads how fresh the states are that a service decides by, and which policies decide."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from homeroom.clock import Clock
from services.runtime.metrics.readings import Reading, Values

if TYPE_CHECKING:
    from services.runtime.policy import WatchedPolicy

_REVISION = ("scope", "revision")

Confirmed = Mapping[str, Callable[[], dt.datetime | None]]
Sequences = Mapping[str, Callable[[], int]]


def ages_of(
    confirmed: Confirmed, clock: Clock, limit: dt.timedelta | None = None
) -> tuple[Reading, ...]:
    """How long ago each state was last confirmed, by the clock that decides.

    Args:
        confirmed: when, for the name of each state.
        clock: the service's own.
        limit: from which age on nothing is decided; None where a service decides nothing.
    """

    def ages() -> Values:
        now = clock()
        return {(name,): _age(at(), now) for name, at in confirmed.items()}

    age = Reading(
        "homeroom_state_age_seconds",
        "How long ago a state was last confirmed by its source; infinite before the first time.",
        ages,
        ("state",),
    )
    if limit is None:
        return (age,)
    seconds = limit.total_seconds()
    told = "How old a state may be; by an older one nothing is decided."
    return age, Reading("homeroom_state_age_limit_seconds", told, lambda: seconds)


def sequences_of(sequences: Sequences) -> Reading:
    """How far each state is known."""
    return Reading(
        "homeroom_state_sequence",
        "The sequence of the newest change of a state that is known here.",
        lambda: {(name,): float(read()) for name, read in sequences.items()},
        ("state",),
    )


def measure_policies(policies: Mapping[str, "WatchedPolicy"]) -> tuple[Reading, ...]:
    """Which policies decide, since when and until when, and whether a file was not taken."""

    def each(told: Callable[["WatchedPolicy"], float]) -> Callable[[], Values]:
        return lambda: {(scope,): told(one) for scope, one in policies.items()}

    def revisions() -> Values:
        return {(scope, one.running.revision): 1.0 for scope, one in policies.items()}

    def expiries() -> Values:
        releases = {scope: one.running.release for scope, one in policies.items()}
        return {(scope,): one.expires.timestamp() for scope, one in releases.items() if one}

    told = {
        "revision": "1, with the digest of the rules that decide.",
        "activation_timestamp_seconds": "Since when these rules decide in this process.",
        "expiry_timestamp_seconds": "When the policy ends, and with it all deciding; no folder's.",
        "refused": "1 if the file that is there now was not taken, and an older policy goes on.",
    }
    read = {
        "activation_timestamp_seconds": each(lambda one: one.running.since),
        "expiry_timestamp_seconds": expiries,
        "refused": each(lambda one: float(bool(one.state.problem))),
    }
    revision = Reading("homeroom_policy_revision", told["revision"], revisions, _REVISION)
    return revision, *(
        Reading(f"homeroom_policy_{name}", told[name], one, ("scope",))
        for name, one in read.items()
    )


def _age(confirmed_at: dt.datetime | None, now: dt.datetime) -> float:
    return float("inf") if confirmed_at is None else (now - confirmed_at).total_seconds()
