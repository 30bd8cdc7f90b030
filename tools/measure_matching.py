"""Measures matching on a roster and claims whose truth is known, from CSV files.

Usage: python -m tools.measure_matching --claims A.csv --roster B.csv [--pairs pairs.csv]

Claims and roster have the columns pid (the truth), given, middle, surname, dob, sex, zip, addr and
phone. Pairs have the same columns with a_ and b_ in front, and `required`: auto, link, review or
nolink. Claims are taken one after the other, as a node takes them.
"""

import argparse
import csv
import datetime as dt
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.node.domain.matching import (
    Identity,
    Linked,
    NoCandidate,
    Outcome,
    Review,
    RosterEntry,
    RosterIndex,
    match,
    person_of,
)
from services.node.domain.matching.links import Fit, contested

_ALLOWED: Mapping[str, set[type[Outcome]]] = {
    "auto": {Linked},
    "link": {Linked, Review},
    "review": {Review},
    "nolink": {Review, NoCandidate},
}


@dataclass(frozen=True, slots=True)
class Record:
    """A row with its truth: rows of one person have one."""

    truth: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Measured:
    """How well claims were matched; shares are of the pairs that there are.

    Attributes:
        review: claims in the queue; f1: with a reviewer who confirms only right candidates.
    """

    links: int
    automatic: int
    wrong: int
    precision: float
    recall: float
    review: float
    f1: float


def read_records(path: Path, prefix: str = "") -> Iterator[Record]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield Record(row.get("pid") or "", identity_of(row, prefix))


def identity_of(row: Mapping[str, str], prefix: str = "") -> Identity:
    """A row's identity; its columns may have a prefix."""
    birth_date = row[f"{prefix}dob"]
    return Identity(
        given=row[f"{prefix}given"],
        middle=row[f"{prefix}middle"],
        family=row[f"{prefix}surname"],
        birth_date=dt.date.fromisoformat(birth_date) if birth_date else None,
        sex=row[f"{prefix}sex"],
        phone=row[f"{prefix}phone"],
        address=row[f"{prefix}addr"],
        zip=row[f"{prefix}zip"],
    )


def match_all(claims: Sequence[Record], roster: Sequence[Record]) -> list[Outcome]:
    """What each claim is about, once all are known."""
    index = RosterIndex(RosterEntry(row, each.identity) for row, each in enumerate(roster))
    outcomes = [match(claim.identity, index) for claim in claims]
    fits: dict[int, list[Fit]] = defaultdict(list)
    for row, (claim, outcome) in enumerate(zip(claims, outcomes, strict=True)):
        if isinstance(outcome, Linked):
            best = outcome.candidate
            fits[best.student_key].append(Fit(str(row), person_of(claim.identity), best.bits))
    for rivals in fits.values():
        for claim_id in contested(rivals):
            outcomes[int(claim_id)] = _sent_to_review(outcomes[int(claim_id)])
    return outcomes


def measure(claims: Sequence[Record], roster: Sequence[Record]) -> Measured:
    """How well claims are matched to a roster."""
    row_of = {record.truth: row for row, record in enumerate(roster)}
    links = sum(claim.truth in row_of for claim in claims)
    automatic = right = queued = findable = 0
    for claim, outcome in zip(claims, match_all(claims, roster), strict=True):
        truth = row_of.get(claim.truth)
        if isinstance(outcome, Linked):
            automatic += 1
            right += outcome.candidate.student_key == truth
        elif isinstance(outcome, Review):
            queued += 1
            findable += any(each.student_key == truth for each in outcome.candidates)
    reviewed = automatic + findable
    precision, recall = (right + findable) / (reviewed or 1), (right + findable) / (links or 1)
    return Measured(
        links,
        automatic,
        automatic - right,
        right / (automatic or 1),
        right / (links or 1),
        queued / (links or 1),
        2 * precision * recall / ((precision + recall) or 1),
    )


def wrong_pairs(path: Path) -> list[str]:
    """The cases whose outcome is not as required, either side being the claim."""
    wrong = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for claim, student in (("a_", "b_"), ("b_", "a_")):
                index = RosterIndex([RosterEntry(1, identity_of(row, student))])
                outcome = match(identity_of(row, claim), index)
                if type(outcome) not in _ALLOWED[row["required"]]:
                    wrong.append(f"{row['case']} {claim[0]}: {type(outcome).__name__}")
    return wrong


def _sent_to_review(outcome: Outcome) -> Outcome:
    return outcome.for_review() if isinstance(outcome, Linked) else outcome


def main(arguments: Sequence[str]) -> int:
    """Prints what was measured as one line of JSON; 1 if a pair is not as required."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--claims", type=Path)
    parser.add_argument("--roster", type=Path)
    parser.add_argument("--pairs", type=Path)
    given = parser.parse_args(arguments)
    if given.claims and given.roster:
        measured = measure(list(read_records(given.claims)), list(read_records(given.roster)))
        print(json.dumps({name: getattr(measured, name) for name in measured.__slots__}))
    wrong = wrong_pairs(given.pairs) if given.pairs else []
    print("\n".join(wrong) or "every pair is as required")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
