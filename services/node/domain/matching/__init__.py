"""Says which student of the holder's own roster an identity claim is about.

`match` answers with a link, with candidates for a person to judge, or with nobody. What links by
itself is decided by the strict rule (`rule.py`), never by a score alone: twins never merge.
"""

from services.node.domain.matching.comparison import Evidence, compare
from services.node.domain.matching.identity import Identity, Person, RosterEntry, person_of
from services.node.domain.matching.match import (
    Candidate,
    Linked,
    NoCandidate,
    Outcome,
    Review,
    match,
)
from services.node.domain.matching.roster import RosterIndex
from services.node.domain.matching.rule import Hindrance, Lane

__all__ = [
    "Candidate",
    "Evidence",
    "Hindrance",
    "Identity",
    "Lane",
    "Linked",
    "NoCandidate",
    "Outcome",
    "Person",
    "Review",
    "RosterEntry",
    "RosterIndex",
    "compare",
    "match",
    "person_of",
]
