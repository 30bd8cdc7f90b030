"""How fast identity claims find their students: 100,000 claims against a roster of 50,000."""

import resource
import time
from typing import Any

from benchmarks.families import make_children, split
from services.node.domain.matching import Linked, Review, RosterEntry, RosterIndex, match

CLAIMS = 100_000
_FAMILIES = 36_700
_SEED = 7


def run() -> dict[str, Any]:
    """Builds the index and matches every claim; CPU seconds, and what was linked wrongly."""
    roster, claims = split(_SEED, _FAMILIES)
    _, others = split(_SEED + 1, _FAMILIES)
    # The others are children of families that this roster has never heard of.
    asked = [*claims, *((-1, claim) for _, claim in others)][:CLAIMS]
    began, before = time.process_time(), _peak_mb()
    index = RosterIndex(RosterEntry(number, identity) for number, identity in roster)
    built = time.process_time() - began
    linked = wrong = review = twins = 0
    families = {child.number: child.family for child in make_children(_SEED, _FAMILIES)}
    began = time.process_time()
    for number, claim in asked:
        outcome = match(claim, index)
        review += isinstance(outcome, Review)
        if isinstance(outcome, Linked):
            linked += 1
            key = outcome.candidate.student_key
            wrong += key != number
            twins += key != number and families.get(number) == families[key]
    seconds = time.process_time() - began
    print(
        f"{len(asked):,} claims against {len(roster):,} students: {built:.1f} s to build, then"
        f" {seconds:.1f} s; {linked:,} linked, {wrong} wrongly; {review:,} for a person"
    )
    return {
        "claims": len(asked),
        "roster": len(roster),
        "seconds": round(built + seconds, 1),
        "peak_mb": round(_peak_mb() - before, 1),
        "linked": linked,
        "wrong": wrong,
        "twins_merged": twins,
        "review": review,
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
