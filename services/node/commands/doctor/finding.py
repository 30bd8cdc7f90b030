"""What an examination found: of each thing how it is, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something is."""

    FINE = "fine"
    LOOK = "look"  # the node runs with it, today
    WRONG = "wrong"  # the node does not start, or does not answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: what it is, in a few words.
        said: how it is; never a student, a secret or what a database holds.
        remedy: what to do; empty where it is fine.
    """

    what: str
    state: State
    said: str
    remedy: str = ""


def fine(what: str, said: str) -> Finding:
    """Something that is as it should be."""
    return Finding(what, State.FINE, said)


def look(what: str, said: str, remedy: str) -> Finding:
    """Something that somebody should see to soon."""
    return Finding(what, State.LOOK, said, remedy)


def wrong(what: str, said: str, remedy: str) -> Finding:
    """Something that keeps the node from answering."""
    return Finding(what, State.WRONG, said, remedy)


def nothing_wrong(findings: Iterable[Finding]) -> bool:
    """Whether nothing keeps the node from answering."""
    return all(one.state is not State.WRONG for one in findings)
