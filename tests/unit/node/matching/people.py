"""Persons to match, and what tests ask of an outcome."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from benchmarks.families import split
from services.node.domain.matching import (
    Identity,
    Linked,
    NoCandidate,
    Outcome,
    Review,
    RosterEntry,
    RosterIndex,
    match,
)

BORN = dt.date(2012, 3, 4)
HOME = {"phone": "617-555-0182", "address": "14 Dudley Street", "zip": "02119"}
ELSEWHERE = {"phone": "857-555-0199", "address": "77 Adams Street", "zip": "02125"}
TOWN_KEY = 1_000_000


def person(given: str, family: str, **more: object) -> Identity:
    """A child of one household, unless told otherwise."""
    known: dict[str, object] = {"birth_date": BORN, "sex": "M", **HOME, **more}
    return Identity(given=given, family=family, **known)  # type: ignore[arg-type]  # its fields


def elsewhere(one: Identity, **more: object) -> Identity:
    """The same child in another household."""
    return replace(one, **{**ELSEWHERE, **more})  # type: ignore[arg-type]  # its fields


def against(claim: Identity, *students: Identity) -> Outcome:
    """What a claim is about, in a roster of these students alone; their keys count from 1."""
    return match(claim, RosterIndex(RosterEntry(key, one) for key, one in enumerate(students, 1)))


@cache
def town() -> Sequence[RosterEntry]:
    """A few thousand students whom nobody asks for: so the roster can tell which names are rare."""
    roster, _ = split(97, 1_800)
    return [RosterEntry(TOWN_KEY + number, one) for number, one in roster]


def in_town(claim: Identity, *students: Identity) -> Outcome:
    """What a claim is about, if these students live in a large town."""
    own = [RosterEntry(key, one) for key, one in enumerate(students, 1)]
    return match(claim, RosterIndex([*own, *town()]))


def links_to(outcome: Outcome, student_key: int = 1) -> bool:
    """Whether a claim links by itself to this student."""
    return isinstance(outcome, Linked) and outcome.candidate.student_key == student_key


def is_found(outcome: Outcome, student_key: int = 1) -> bool:
    """Whether a claim links to this student by itself or after a person's look."""
    if isinstance(outcome, Review):
        return any(each.student_key == student_key for each in outcome.candidates)
    return links_to(outcome, student_key)


def never_links(outcome: Outcome) -> bool:
    """Whether a claim does not link by itself."""
    return isinstance(outcome, (Review, NoCandidate))
