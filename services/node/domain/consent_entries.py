"""What the log tells of consents that arrived or were settled again: counts and one digest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from homeroom.signing import digest_of
from services.node.domain.consent_book import (
    Narrowed,
    Progress,
    Revoked,
    Rotated,
    Settled,
    Step,
)


def settled_content(steps: Sequence[Step]) -> Mapping[str, Any]:
    """Of consents that were settled: how many, how many of them allow something, why not."""
    settled = [step for step in steps if isinstance(step, Settled)]
    problems = Counter(str(one.problem) for one in settled if one.problem is not None)
    return {
        "settled": len(settled),
        "allowing": sum(bool(one.grants) for one in settled),
        "problems": dict(sorted(problems.items())),
        "changes_digest": changes_digest(steps).hex(),
    }


def arrived_content(steps: Sequence[Step], progress: Progress) -> Mapping[str, Any]:
    """The same, and what was taken back."""
    kinds = Counter(type(step) for step in steps)
    return {
        **settled_content(steps),
        "revoked": kinds[Revoked],
        "narrowed": kinds[Narrowed],
        "rotated": kinds[Rotated],
        "consent_sequence": progress.organization_sequence,
    }


def changes_digest(steps: Sequence[Step]) -> bytes:
    """Over what was done to which consent, in the order in which it was kept."""
    lines = (f"{_word(step)} {_about(step)}\n" for step in steps)
    return digest_of("".join(lines).encode())


def _word(step: Step) -> str:
    return type(step).__name__.lower()


def _about(step: Step) -> str:
    # Of a rotation only for whom: its names are the requester's for students.
    return step.recipient if isinstance(step, Rotated) else step.consent_id
