"""What a node remembers of agreements' histories, so that no registry can take a statement back.

A history only grows. What was suspended or ended, and every limit of a joiner, is in it: one that
does not begin with all that was seen here before is not believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from homeroom.federation import FederationState
from homeroom.lifecycle import AgreementHistory


@dataclass(frozen=True, slots=True)
class Remembered:
    """How far an agreement's history was seen.

    Attributes:
        length: the number of its statements.
        head: the SHA-256 digest of the last of them.
    """

    length: int
    head: bytes


def continues(history: AgreementHistory, remembered: Remembered | None) -> bool:
    """Whether a history begins with all that was seen of it."""
    if remembered is None:
        return True
    if len(history.statements) < remembered.length:
        return False
    return history.statements[remembered.length - 1].digest == remembered.head


def grown(state: FederationState, remembered: Mapping[str, Remembered]) -> Mapping[str, Remembered]:
    """What is to be remembered from now on, of the histories that go on from what was seen."""
    seen = {
        name: Remembered(len(known.history.statements), known.history.head)
        for name, known in state.known.items()
        if continues(known.history, remembered.get(name))
    }
    return {name: one for name, one in seen.items() if remembered.get(name) != one}


def seen_content(history: AgreementHistory) -> Mapping[str, Any]:
    """What the log tells of an agreement's history: how far it goes, and what is in force."""
    version = history.in_force
    ended_whole = {history.ended_whole_by} if history.ended_whole_by else set[str]()
    return {
        "agreement": history.agreement_id,
        "version": version.terms.version if version else 0,
        "length": len(history.statements),
        "head": history.head.hex(),
        "suspended_by": sorted(history.suspended_by),
        "ended_by": sorted(history.ended_by | ended_whole),
        "joined": len(history.joined),
    }


def without_forgotten(
    state: FederationState, remembered: Mapping[str, Remembered]
) -> FederationState:
    """The state without the agreements whose history lacks something that was seen."""
    forgotten = {
        name
        for name, known in state.known.items()
        if not continues(known.history, remembered.get(name))
    }
    if not forgotten:
        return state
    return replace(
        state,
        agreements={n: one for n, one in state.agreements.items() if n not in forgotten},
        known={n: one for n, one in state.known.items() if n not in forgotten},
    )
